"""What all operations of one client share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workbench.client.calling import Caller, call_here
from workbench.client.remote_registry import RemoteRegistry
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.tracking.registry import Registry

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """A workspace and who works with it.

    Args:
        workspace: its folders.
        store: its store.
        name: what it goes by (Azure's ``workspace_name``).
        folder: the folder that jobs are submitted from; the current one if None.
        call: calls what loads MLflow or Optuna; in this process by default.
    """

    workspace: WorkspaceFolder
    store: Store
    name: str
    folder: Path | None = None
    call: Caller = call_here

    @cached_property
    def registry(self) -> Registry:
        """The registered models; the first look takes a second, in which MLflow is loaded.

        Raises:
            TrackingError: MLflow's database cannot be made.
        """
        if self.call is call_here:
            return Registry(self.workspace, self.store)
        return RemoteRegistry(self.workspace, self.call)
