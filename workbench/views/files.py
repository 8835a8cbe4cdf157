"""The files that a job has written, while it may still be writing and removing them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import NotFoundError
from workbench.store.files import TrialFolder

__all__ = ["Written", "in_trial", "written_files"]


@dataclass(frozen=True)
class Written:
    """A regular file.

    Args:
        path: where it is.
        size: in bytes.
        modified: when it was written last, in seconds since the epoch.
    """

    path: Path
    size: int
    modified: float


def in_trial(folder: TrialFolder, path: Path) -> Path:
    """Return where a file or folder of a trial really is, which need not be there yet.

    Raises:
        NotFoundError: the trial has made it a link that leads elsewhere.
    """
    try:
        found = path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise NotFoundError(f"that is no path: {error}", str(path)) from None
    if not found.is_relative_to(folder.root.resolve()):
        raise NotFoundError(f"{path.name} is a link out of the job's folder", str(path), "See where it leads")
    return found


def written_files(folder: Path) -> Iterator[Written]:
    """Yield the regular files of a folder in order, those of its sub-folders too; links are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # nothing was written yet, or it has just been removed
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from written_files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # as a checkpoint that has just got its final name
                continue
            yield Written(Path(entry.path), status.st_size, status.st_mtime)
