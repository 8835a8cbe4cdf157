"""What the kernel of a cell's trial does first: it reaches what lies beside the notebook, and what was handed over.

Standard library only: it runs in the trial's kernel before the user's first line.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.notebooks.handover import WITH_VARIABLE, load_values
from workbench.store.files import WorkspaceFolder

__all__ = ["FOLDER_OF_NOTEBOOK", "enter"]

FOLDER_OF_NOTEBOOK = "WORKBENCH_BESIDE"
"""The folder whose files and modules the trial sees: that of the user's notebook."""

_RESULTS = ("outputs", "logs")


def enter(namespace: dict[str, Any]) -> None:
    """Make the trial's kernel a place in which the cell finds what it finds in the notebook.

    Files and folders beside the notebook are linked into the trial's own working directory, so that relative paths
    read the same and new files stay with the trial; modules there can be imported; variables that were handed over are
    put into ``namespace``. Outside a trial nothing happens.
    """
    folder = os.environ.get(FOLDER_OF_NOTEBOOK)
    workspace = os.environ.get("WORKBENCH_WORKSPACE")
    if folder and workspace and os.environ.get("WORKBENCH_TRIAL_FOLDER"):
        _link(Path(folder), WorkspaceFolder(Path(workspace)))
        sys.path.insert(1, folder)
    if workspace and (handed := os.environ.get(WITH_VARIABLE)):
        namespace.update(load_values(WorkspaceFolder(Path(workspace)), handed))


def _link(folder: Path, workspace: WorkspaceFolder) -> None:
    here = Path.cwd()
    made = []
    with suppress(OSError):  # a folder that is gone or cannot be read has nothing to offer
        for entry in sorted(folder.iterdir()):
            target = here / entry.name
            if entry.name.startswith(".") or entry.name in _RESULTS or entry == workspace.runs:
                continue
            if not os.path.lexists(target):
                target.symlink_to(entry)
                made.append(target)
    atexit.register(_unlink, made)


def _unlink(links: list[Path]) -> None:
    """Leave in the working directory what the trial has made, and nothing else."""
    for link in links:
        with suppress(OSError):
            if link.is_symlink():
                link.unlink()
