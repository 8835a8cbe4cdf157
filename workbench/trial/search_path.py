"""What of the search path for modules depends on the trial: its script's folder, and relative entries of PYTHONPATH.

Standard library only: it runs inside the fork server of whatever Python a job uses.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from workbench.trial.freshness import modules_in

__all__ = [
    "hidden_script_folder",
    "is_shadowed",
    "relative_entries",
    "resolve_relative",
    "set_script_folder",
    "without_relative",
]

_VARIABLE = "PYTHONPATH"
_STANDS_FOR = "/-workbench-/x"  # then a relative entry; the interpreter would make it absolute at once
_SCRIPT = f"{_STANDS_FOR}-"


def relative_entries(variables: Mapping[str, str]) -> list[str]:
    """Return the entries of PYTHONPATH that mean another folder in each working directory."""
    entries = variables[_VARIABLE].split(os.pathsep) if variables.get(_VARIABLE) else []
    return [entry for entry in entries if not os.path.isabs(entry)]  # noqa: PTH117


def without_relative(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with something in the place of relative entries that :func:`resolve_relative` knows."""
    if not relative_entries(variables):
        return dict(variables)
    entries = [
        entry if os.path.isabs(entry) else f"{_STANDS_FOR}{entry.encode().hex()}"  # noqa: PTH117
        for entry in variables[_VARIABLE].split(os.pathsep)
    ]
    return {**variables, _VARIABLE: os.pathsep.join(entries)}


def resolve_relative() -> None:
    """Let what stands for relative entries be the folders that they mean in this process's working directory."""
    if not any(entry.startswith(_STANDS_FOR) for entry in sys.path):
        return
    sys.path[:] = dict.fromkeys(
        os.path.abspath(bytes.fromhex(entry.removeprefix(_STANDS_FOR)).decode())  # noqa: PTH100
        if entry.startswith(_STANDS_FOR)
        else entry
        for entry in sys.path
    )


@contextmanager
def hidden_script_folder() -> Iterator[None]:
    """Let nothing be imported from the script's folder meanwhile: here it is whatever directory this process is in."""
    if sys.path[:1] != [""]:
        yield
        return
    sys.path[0] = _SCRIPT
    try:
        yield
    finally:
        if _SCRIPT in sys.path:
            sys.path[sys.path.index(_SCRIPT)] = ""
        sys.path_importer_cache.pop(_SCRIPT, None)


def set_script_folder(folder: str | None) -> None:
    """Say what the script's folder is; None for a way of starting that has none on its search path."""
    if "" in sys.path:  # it is not there where variables ask for a safe path
        place = sys.path.index("")
        sys.path[place : place + 1] = [] if folder is None else [folder]


def is_shadowed(words: Sequence[str], variables: Mapping[str, str], preloaded: Collection[str]) -> bool:
    """Return whether ``python words…``, run in this directory, would find something else than what is preloaded.

    Args:
        words: the script or ``-m`` and a module, and the arguments.
        variables: its environment.
        preloaded: modules that are there.
    """
    own = "." if words[0].startswith("-") else os.path.dirname(os.path.realpath(words[0]))  # noqa: PTH120
    folders = [*relative_entries(variables)] if words[0] == "-P" else [own, *relative_entries(variables)]
    names = frozenset(preloaded) - {"__main__"}
    return any(modules_in(folder or ".", names) for folder in folders)
