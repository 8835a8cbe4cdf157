"""Finding the workspace that a notebook, a script and a terminal mean."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import StoreError
from workbench.store.files import WorkspaceFolder

__all__ = ["SERVED_VARIABLE", "VARIABLE", "default_workspace", "find_workspace", "open_workspace"]

_UNFIT = frozenset("?#%")
VARIABLE = "WORKBENCH_WORKSPACE"
SERVED_VARIABLE = "WORKBENCH_SERVED"
"""Where a Jupyter server tells its kernels and terminals which workspace it shows: the one where no other is nearer."""


def find_workspace(start: Path | None = None) -> Path | None:
    """Return the root of the workspace that ``start`` lies in, or None when there is none yet.

    Like git: the variable ``WORKBENCH_WORKSPACE``, else the nearest folder upward that holds ``.workbench/``.

    Args:
        start: folder to look from; the current one by default.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    here = (start or Path.cwd()).absolute()
    return next((folder for folder in (here, *here.parents) if (folder / ".workbench").is_dir()), None)


def default_workspace() -> Path:
    """Return where the workspace is, or will be: as found from here, else what this Jupyter server shows, else here."""
    return find_workspace() or Path(os.environ.get(SERVED_VARIABLE) or Path.cwd())


def open_workspace(path: str | os.PathLike[str] | None = None) -> WorkspaceFolder:
    """Return the workspace at ``path``, or the one found from here, made if it is missing.

    Args:
        path: root of the workspace; found as :func:`default_workspace` says when None.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    root = Path(path).expanduser().absolute() if path is not None else default_workspace()
    folder = WorkspaceFolder(root.resolve())
    if _UNFIT & set(str(folder.root)):
        raise StoreError(
            "a workspace's path may not hold ? # or %",
            str(folder.root),
            "They mean something else in MLflow's addresses",
        )
    try:
        folder.create()
    except OSError as error:
        raise StoreError(
            f"the workspace cannot be made: {error.strerror}",
            where=str(folder.root),
            fix=f"Choose a folder you can write, with MLClient(path=…) or the variable {VARIABLE}",
        ) from error
    return folder
