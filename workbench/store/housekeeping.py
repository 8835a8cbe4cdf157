"""Clearing away what kernels have left in the workspace and no job refers to any more."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder

__all__ = ["LEFT_ALONE", "clear_unused"]

LEFT_ALONE = 86_400.0
"""Seconds in which a file is kept that no job refers to: a form may be open that will be submitted."""

_DIGEST = re.compile(r"[0-9a-f]{16,32}")


def clear_unused(workspace: WorkspaceFolder, store: Store, older: float = LEFT_ALONE) -> list[Path]:
    """Remove cells and handed variables that no job needs, and return what was removed.

    A job needs them until it has ended and is archived; up to then it can be run again.

    Args:
        workspace: whose folders are cleared.
        store: of the workspace.
        older: seconds since a file was written or handed over last, below which it is left alone.

    Raises:
        StoreError: the store cannot be read.
    """
    now = time.time()
    old = [path for path in _files(workspace) if now - _age_mark(path) > older]
    if not old:
        return []
    needed = {digest for text in store.texts_of_kept_jobs() for digest in _DIGEST.findall(text)}
    removed = [path for path in old if path.stem not in needed]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _files(workspace: WorkspaceFolder) -> Iterator[Path]:
    for folder in (workspace.cells, workspace.values):
        with suppress(FileNotFoundError):
            yield from (path for path in folder.iterdir() if path.is_file())


def _age_mark(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()  # somebody else has just removed it
