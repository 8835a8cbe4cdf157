"""What all operations of one client share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """A workspace and who works with it.

    Args:
        workspace: its folders.
        store: its store.
        name: what it goes by (Azure's ``workspace_name``).
        folder: the folder that jobs are submitted from; the current one if None.
    """

    workspace: WorkspaceFolder
    store: Store
    name: str
    folder: Path | None = None
