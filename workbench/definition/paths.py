"""What to say of a path that leads nowhere."""

from __future__ import annotations

from pathlib import Path

__all__ = ["where_paths_begin"]


def where_paths_begin(path: Path, folder: Path | None = None) -> str:
    """Return what helps whoever has given a path to something that is not there.

    Args:
        path: as it was looked for.
        folder: what relative paths of the job are meant from; the current folder if None.
    """
    if folder is not None:
        return f"Paths are relative to {folder}"
    return "Check the path" if path.is_absolute() else f"Paths are relative to {Path.cwd()}"
