"""A trial's own copy of the code: made in milliseconds, gone again when the trial ends.

Standard library only: the trial host imports this on its hot path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["copy_tree", "remove_unchanged"]

_LARGE = 1 << 20
"""Bytes from which a file is hard-linked (snapshots are read-only) instead of copied."""


def copy_tree(source: str, target: str) -> None:
    """Copy the files below ``source`` to ``target``, so that changing the copy changes nothing else.

    Files of a mebibyte and more are hard-linked to the read-only original: twenty trials do not copy them twenty times.

    Raises:
        OSError: something cannot be read or written.
    """
    os.makedirs(target, exist_ok=True)  # noqa: PTH103
    for path, entry in _files(source):
        to = os.path.join(target, path)  # noqa: PTH118
        os.makedirs(os.path.dirname(to), exist_ok=True)  # noqa: PTH103, PTH120
        facts = entry.stat()
        if facts.st_size < _LARGE or not _link(entry.path, to):
            _copy(entry.path, to, facts)


def remove_unchanged(source: str, copy: str) -> None:
    """Remove from ``copy`` every file that is still what ``source`` has, and the folders left empty by that."""
    for path, entry in _files(source):
        mine = os.path.join(copy, path)  # noqa: PTH118
        try:
            now = os.lstat(mine)
        except FileNotFoundError:
            continue
        facts = entry.stat()
        if (now.st_size, now.st_mtime_ns) == (facts.st_size, facts.st_mtime_ns):
            os.unlink(mine)  # noqa: PTH108
    for folder, _, _ in os.walk(copy, topdown=False):
        if folder != copy and not os.listdir(folder):  # noqa: PTH208
            os.rmdir(folder)  # noqa: PTH106


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
        while chunk := original.read(_LARGE):
            copy.write(chunk)
    os.chmod(target, facts.st_mode | 0o200)  # noqa: PTH101
    # The same time lets remove_unchanged tell what the trial has touched.
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _link(source: str, target: str) -> bool:
    if os.stat(source).st_mode & 0o222:  # noqa: PTH116
        return False  # the original may still change: only snapshots are read-only
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        return False
    return True
