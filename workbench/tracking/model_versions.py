"""Writes to MLflow's registry that its client has no call for.

Imports MLflow: import this module only where MLflow is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.time import get_current_time_millis

__all__ = ["add_version", "ensure_model"]


def ensure_model(client: MlflowClient, name: str) -> None:
    """Make the registered model ``name`` unless it is there.

    Raises:
        mlflow.exceptions.MlflowException: the name is not allowed.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def add_version(
    uri: str,
    *,
    name: str,
    number: int,
    folder: Path,
    run_id: str | None,
    description: str | None,
    tags: Mapping[str, str],
) -> None:
    """Add a version with a number of the caller's choice; MLflow's client always takes the next one.

    Args:
        uri: address of the registry.
        name: of a registered model that exists.
        number: of a version that does not.
        folder: the files of the model.
        run_id: the run that made it.
        description: for readers.
        tags: of the version.

    Raises:
        mlflow.exceptions.MlflowException: somebody else added a version of that number at the same time.
    """
    now = get_current_time_millis()
    version = SqlModelVersion(
        name=name,
        version=number,
        creation_time=now,
        last_updated_time=now,
        source=folder.as_uri(),
        storage_location=folder.as_uri(),
        run_id=run_id,
        description=description,
    )
    version.model_version_tags = [
        SqlModelVersionTag(name=name, version=number, key=key, value=value) for key, value in tags.items()
    ]
    with SqlAlchemyStore(uri).ManagedSessionMaker(read_only=False) as session:
        session.add(version)
