"""Whether a process that imported something a while ago has what would be imported now.

Standard library only: it runs inside the fork server of whatever Python a job uses.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.machinery import SourceFileLoader, all_suffixes
from typing import Any

__all__ = ["Freshness", "Mark", "files_read", "modules_in"]

Mark = tuple[int, int] | None
"""What tells one state of a file from another: when it was changed, and its size; None where there is no file."""

_INSTALLED = ("/site-packages/", "/dist-packages/")
_DISTRIBUTIONS = (".dist-info", ".egg-info", ".egg-link", ".pth")
_SUFFIXES = tuple(all_suffixes())
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + "/"  # noqa: PTH120
_INTERVAL = 1.0  # seconds between two looks at installed files, of which there are thousands


@contextmanager
def files_read() -> Iterator[dict[str, Mark]]:
    """Yield the source files of what is imported meanwhile, each with what it was before it was read."""
    found: dict[str, Mark] = {}
    really = SourceFileLoader.path_stats

    def path_stats(loader: SourceFileLoader, path: Any) -> Mapping[str, Any]:
        found[path] = _mark(path)
        return really(loader, path)

    SourceFileLoader.path_stats = path_stats  # type: ignore[assignment, method-assign]
    try:
        yield found
    finally:
        SourceFileLoader.path_stats = really  # type: ignore[method-assign]


class Freshness:
    """What this process has imported, as it was then.

    A package that is installed, upgraded or removed changes the folder that it is installed in. That is looked at each
    time, and so is all code that is not installed; what somebody changes in an installed file is seen a moment later.

    Args:
        modules: what is imported.
        read: what source files were when they were read, as far as that is known.
        search_path: the folders in which it was looked for.
    """

    def __init__(self, modules: Iterable[object], read: Mapping[str, Mark], search_path: Iterable[str]) -> None:
        known = [getattr(module, "__dict__", {}) for module in modules]
        files = {file for names in known if isinstance(file := names.get("__file__"), str)}
        marks = {file: read[file] if file in read else _mark(file) for file in files if _may_change(file)}
        self._own = {file: mark for file, mark in marks.items() if not _is_installed(file)}
        self._installed = {file: mark for file, mark in marks.items() if _is_installed(file)}
        self._looked = time.monotonic()
        packages = {os.path.dirname(file) for file in self._own if os.path.basename(file) == "__init__.py"}  # noqa: PTH119, PTH120
        folders = packages | {folder for folder in search_path if folder and _may_change(f"{folder}/")}
        self._folders = {folder: (_mark(folder), _content(folder)) for folder in folders}

    def what_changed(self) -> str | None:
        """Return a path at which something else would be imported now; None where all is as it was."""
        for file, mark in self._own.items():
            if _mark(file) != mark:
                return file
        for folder, (mark, content) in self._folders.items():
            if (now := _mark(folder)) == mark:
                continue
            if _content(folder) != content:
                return folder
            self._folders[folder] = now, content  # whatever came or went there, it is no module
        if time.monotonic() - self._looked < _INTERVAL:
            return None
        self._looked = time.monotonic()
        return next((file for file, mark in self._installed.items() if _mark(file) != mark), None)


def modules_in(folder: str, names: Collection[str]) -> set[str]:
    """Return which of some names are found in a folder, if they are looked for there before anywhere else."""
    found = set()
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (name := entry.name.partition(".")[0]) in names and _is_module(entry):
                found.add(name)
    return found


def _content(folder: str) -> set[tuple[str, Mark]]:
    """Return the modules in a folder by name, and what is installed there, with what tells it from another build."""
    found: set[tuple[str, Mark]] = set()
    if os.path.isfile(folder):  # noqa: PTH113 - an archive
        return {("", _mark(folder))}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_DISTRIBUTIONS):
                found.add((entry.name, _mark(entry.path)))
            elif _is_module(entry):
                found.add((entry.name.partition(".")[0], None))
    return found


def _is_module(entry: os.DirEntry[str]) -> bool:
    inits = (f"{entry.path}/__init__{suffix}" for suffix in _SUFFIXES)
    return entry.name.endswith(_SUFFIXES) or any(map(os.path.exists, inits))


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)  # noqa: PTH116 - there are thousands
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def _may_change(path: str) -> bool:
    """Return whether a path is none of the standard library's, which comes and goes with the interpreter."""
    return _is_installed(path) or not path.startswith((_STANDARD_LIBRARY, f"{sys.base_prefix}/lib/python"))


def _is_installed(path: str) -> bool:
    return any(part in path for part in _INSTALLED)
