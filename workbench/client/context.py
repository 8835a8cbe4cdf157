"""What all operations of one client share."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """A workspace, its store, and the name it goes by (Azure's ``workspace_name``)."""

    workspace: WorkspaceFolder
    store: Store
    name: str
