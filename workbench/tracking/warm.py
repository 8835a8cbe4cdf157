"""Getting ready, in the process that trials are forked from, for the first MLflow call of each of them.

Imports MLflow: import this module only where MLflow is needed.
"""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from sqlalchemy import text

import workbench.tracking.trial_store  # noqa: F401  # what a trial would have to import
from workbench.store.files import WorkspaceFolder
from workbench.tracking.workspace_store import WorkspaceStore

__all__ = ["warm_up"]


def warm_up(workspace: WorkspaceFolder) -> None:
    """Import MLflow's store and let SQLAlchemy compile the statements that every trial begins with.

    No connection is left open: SQLite's must not be taken into a forked process.

    Args:
        workspace: the workspace of the trials to come; its database is made when it is missing.

    Raises:
        TrackingError: the database cannot be made.
    """
    store = WorkspaceStore(workspace)
    try:
        with store.ManagedSessionMaker() as session:
            some = session.execute(text("SELECT run_uuid FROM runs LIMIT 1")).scalar()
        if some is not None:
            store.get_run(some)
            store.update_run_info(some, None, None, None)  # changes nothing
    except MlflowException:
        return  # locked, or the run was deleted meanwhile: trials compile for themselves
    finally:
        store.engine.dispose()
