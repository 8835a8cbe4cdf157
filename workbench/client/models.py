"""``ml_client.models``: Azure's calls on MLflow's registry."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import SimpleNamespace

from workbench.client.context import Context
from workbench.definition.assets import Model
from workbench.definition.naming import generate_name
from workbench.errors import ValidationException
from workbench.tracking.models import RegisteredModel
from workbench.tracking.registry import Registry

__all__ = ["ModelOperations"]


class ModelOperations:
    """The registered models of a workspace, which are stock MLflow's too.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def create_or_update(self, model: Model, *, alias: str | None = None) -> Model:
        """Register ``model`` and return it with its version.

        Args:
            model: its path may be local, ``azureml://jobs/<job>/outputs/<output>[/paths/<p>]``, ``runs:/<job>/<p>``
                or ``azureml:<name>:<version>``; a sweep's name means its best trial.
            alias: MLflow alias to point at the new version, such as ``champion``.

        Raises:
            NotFoundError: there is nothing at the path; the message says what that job has.
            ValidationException: the version exists with another path, or an ``mlflow_model`` is none.
        """
        if not model.path:
            raise ValidationException("a model needs a path", "path", "For example runs:/<job>/model")
        registered = self._context.registry.register(
            name=model.name or generate_name(),
            path=model.path,
            type=model.type,
            version=model.version,
            description=model.description,
            tags={key: value or "" for key, value in model.tags.items()},
            alias=alias,
        )
        return _entity(registered)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Model:
        """Return one version; a label is ``latest`` or an MLflow alias.

        Raises:
            NotFoundError: there is none; the message lists what there is.
        """
        return _entity(self._context.registry.get(name, version=version, label=label))

    def list(self, name: str | None = None) -> Iterator[Model]:
        """Yield the versions of ``name``, newest first, or one entry for each model with its ``latest_version``."""
        for registered in self._context.registry.list(name):
            entity = _entity(registered)
            yield entity if name else entity.with_facts(latest_version=registered.version)

    def logged_by(self, job: str) -> tuple[str, ...]:
        """Return the names under which a job has logged MLflow models, in the order it did."""
        return tuple(self._context.registry.logged_by(job))

    def download(self, name: str, version: str, download_path: str | PathLike[str] = ".") -> None:
        """Copy the files of one version to ``<download_path>/<name>/``.

        Raises:
            NotFoundError: there is no such version.
        """
        shutil.copytree(self._context.registry.folder(name, version), Path(download_path) / name, dirs_exist_ok=True)

    def registry(self) -> Registry:
        """Return what the operations work on, for views; takes a second at first."""
        return self._context.registry


def _entity(registered: RegisteredModel) -> Model:
    model = Model(
        name=registered.name,
        version=registered.version,
        type=registered.type,
        path=registered.path,
        description=registered.description,
        tags=dict(registered.tags),
    )
    return model.with_facts(
        job_name=registered.job_name,
        creation_context=SimpleNamespace(
            created_at=datetime.fromtimestamp(registered.created, UTC), created_by=getpass.getuser()
        ),
    )
