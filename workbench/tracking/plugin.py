"""Where MLflow finds the store behind ``workbench://`` addresses.

MLflow loads this module in the middle of its own import, so nothing of MLflow may be imported at the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.tracking.served import CurrentStore
    from workbench.tracking.trial_store import TrialStore

__all__ = ["SCHEME", "open_served_store", "open_store"]

SCHEME = "workbench"


def open_store(store_uri: str, artifact_uri: str | None = None) -> TrialStore:  # noqa: ARG001
    """Open MLflow's tracking store for a process of a trial.

    Args:
        store_uri: ``workbench:///<absolute path of the workspace's mlflow.db>``.
        artifact_uri: MLflow's default for artifacts; a workspace has its own.

    Raises:
        TrackingError: the address leads to no workspace.
    """
    from workbench.tracking.trial_store import TrialStore  # noqa: PLC0415

    return TrialStore.at(store_uri)


def open_served_store(store_uri: str, artifact_uri: str | None = None) -> CurrentStore:  # noqa: ARG001
    """Open MLflow's tracking store for the process that serves trials over HTTP.

    Args:
        store_uri: ``workbench-served:///<absolute path of the workspace's mlflow.db>``.
        artifact_uri: MLflow's default for artifacts; a workspace has its own.
    """
    from pathlib import Path  # noqa: PLC0415

    from workbench.store.files import WorkspaceFolder  # noqa: PLC0415
    from workbench.tracking.served import CurrentStore  # noqa: PLC0415

    return CurrentStore(WorkspaceFolder(Path(store_uri.partition("://")[2]).parent.parent))
