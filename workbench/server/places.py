"""What of the disk the server may show: what lies in its root folder, links followed."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import NotFoundError, WorkbenchError

__all__ = ["OutsideError", "file_inside", "inside"]


class OutsideError(WorkbenchError):
    """A path leads out of what may be shown."""


def inside(root: Path, asked: str) -> Path:
    """Return the real path of what was asked for.

    Args:
        root: what may be shown, with no link in it.
        asked: a path, absolute or relative to the root.

    Raises:
        OutsideError: it is outside of the root.
        NotFoundError: it can be no path.
    """
    try:
        path = root.joinpath(asked).resolve()
        if not path.is_relative_to(root):
            raise OutsideError("the path is outside of what this server serves", asked, f"It serves {root}")
        path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a loop of links, a null character …
        raise NotFoundError(f"that is no path: {error}", "path") from None
    return path


def file_inside(folder: Path, asked: str) -> Path:
    """Return the real path of a regular file in a folder.

    Raises:
        OutsideError: it is outside of the folder.
        NotFoundError: there is no such file.
    """
    path = inside(folder.resolve(), asked)
    if not path.is_file():  # a FIFO would be waited for
        raise NotFoundError(f"there is no file {asked!r}", "path", "See the list of artifacts")
    return path
