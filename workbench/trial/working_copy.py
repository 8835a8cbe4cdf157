"""A trial's own copy of the code: made in milliseconds, gone again when the trial ends.

Standard library only: the trial host imports this on its hot path.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress

__all__ = ["copy_tree", "remove_unchanged"]

_CHUNK = 1 << 20
_FICLONE = 0x40049409  # ioctl that lets two files share their blocks until one of them is written (btrfs, xfs …)
_RESULTS = ("outputs", "logs")


def copy_tree(source: str, target: str) -> None:
    """Copy the files below ``source`` to ``target``, so that changing the copy changes nothing else.

    Where the file system can, a copy shares its blocks with the original until it is written: twenty trials then cost
    no space. Hard links would cost none anywhere, but a trial that writes into its code would change it for all others.

    Raises:
        OSError: something cannot be read or written.
    """
    os.makedirs(target, exist_ok=True)  # noqa: PTH103
    for path, entry in _files(source):
        to = os.path.join(target, path)  # noqa: PTH118
        os.makedirs(os.path.dirname(to), exist_ok=True)  # noqa: PTH103, PTH120
        _copy(entry.path, to, entry.stat())


def remove_unchanged(source: str, copy: str) -> None:
    """Remove from ``copy`` every file that is still what ``source`` has, and the folders left empty by that.

    What the trial has made of its folder is its own affair: whatever cannot be removed stays.
    """
    for path, entry in _files(source):
        if path.split(os.sep, 1)[0] in _RESULTS:
            continue  # what lies there counts as a result, whoever brought it
        mine = os.path.join(copy, path)  # noqa: PTH118
        with suppress(OSError):
            now, facts = os.lstat(mine), entry.stat()
            if (now.st_size, now.st_mtime_ns) == (facts.st_size, facts.st_mtime_ns):
                os.unlink(mine)  # noqa: PTH108
    for folder, _, _ in os.walk(copy, topdown=False):
        if folder != copy:
            with suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - fails unless it is empty


def _files(root: str, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118
        for entry in entries:
            path = os.path.join(below, entry.name)  # noqa: PTH118
            if entry.is_dir():
                yield from _files(root, path)
            else:
                yield path, entry


def _copy(source: str, target: str, facts: os.stat_result) -> None:
    with open(source, "rb") as original, open(target, "wb") as copy:  # noqa: PTH123
        if not _share_blocks(original.fileno(), copy.fileno()):
            while chunk := original.read(_CHUNK):
                copy.write(chunk)
    os.chmod(target, facts.st_mode | 0o200)  # noqa: PTH101
    # The same time lets remove_unchanged tell what the trial has touched.
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _share_blocks(original: int, copy: int) -> bool:
    try:
        fcntl.ioctl(copy, _FICLONE, original)
    except OSError:  # another file system, or one that cannot
        return False
    return True
