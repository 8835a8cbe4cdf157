"""The registry for a process that shall not load MLflow: another one answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

from workbench.client.calling import Caller
from workbench.errors import StoreError
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import JobRecord
from workbench.tracking.models import ModelFacts, RegisteredModel
from workbench.tracking.registry import Registry

__all__ = ["RemoteRegistry"]

_MOST_OPEN = 4  # workspaces whose registry is kept at hand over there

_Answer = TypeVar("_Answer")


class RemoteRegistry(Registry):
    """The registered models of a workspace, as another process sees them; every method is the registry's own.

    Args:
        workspace: where MLflow's database is.
        call: calls a function in that process.
    """

    def __init__(self, workspace: WorkspaceFolder, call: Caller) -> None:
        self._root, self._call = workspace.root, call

    def register(
        self,
        *,
        name: str,
        path: str,
        type: str = "custom_model",
        version: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        alias: str | None = None,
    ) -> RegisteredModel:
        """Register a model."""
        return self._ask(
            partial(
                Registry.register,
                name=name,
                path=path,
                type=type,
                version=version,
                description=description,
                tags=tags,
                alias=alias,
            )
        )

    def get(self, name: str, version: str | None = None, label: str | None = None) -> RegisteredModel:
        """Return one version of a model."""
        return self._ask(partial(Registry.get, name=name, version=version, label=label))

    def list(self, name: str | None = None) -> Sequence[RegisteredModel]:
        """Return all versions of a model, or the newest version of each."""
        return self._ask(partial(Registry.list, name=name))

    def logged_by(self, job: str) -> Sequence[str]:
        """Return the names of the MLflow models that a job has logged."""
        return self._ask(partial(Registry.logged_by, job=job))

    def models_of(self, job: JobRecord) -> Sequence[ModelFacts]:
        """Return the MLflow models that a job has logged or saved."""
        return self._ask(partial(Registry.models_of, job=job))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias lead to a version."""
        self._ask(partial(Registry.set_alias, name=name, alias=alias, version=version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias."""
        self._ask(partial(Registry.delete_alias, name=name, alias=alias))

    def folder(self, name: str, version: str) -> Path:
        """Return the local folder that holds the files of a version."""
        return self._ask(partial(Registry.folder, name=name, version=version))

    def _ask(self, what: Callable[[Registry], _Answer]) -> _Answer:
        return self._call(_answer, self._root, what)


def _answer(root: Path, what: Callable[[Registry], _Answer]) -> _Answer:
    """Ask the registry of a workspace; this happens in the other process."""
    try:
        there = WorkspaceFolder(root).database.stat()
    except OSError as error:
        raise StoreError("the workspace is gone", str(root), "Its folder .workbench/ was moved or deleted") from error
    return what(_open(root, (there.st_dev, there.st_ino)))


@lru_cache(maxsize=_MOST_OPEN)
def _open(root: Path, identity: tuple[int, int]) -> Registry:
    """Return the registry of a workspace; of another one where one was deleted and made again."""
    del identity
    workspace = WorkspaceFolder(root)
    return Registry(workspace, Store(workspace.database))
