"""Keeping the workbench's own modules apart from those of a Python that has packages of its own.

A fork server in a virtual environment has loaded the workbench that the supervisor runs. What a program finds there
under that name, and imports, is the environment's. Standard library only: it runs inside that Python.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

__all__ = ["Modules", "put_in_place", "set_aside"]

Modules = Mapping[str, ModuleType]
"""What a program finds imported: name → module."""

_OURS = "workbench"


@contextmanager
def set_aside() -> Iterator[dict[str, ModuleType]]:
    """Take the workbench's modules away for a while; yield what programs will find, which is complete at the end."""
    ours = _take_ours()
    found: dict[str, ModuleType] = {}
    try:
        yield found
    finally:
        found.update(sys.modules)
        _take_ours()
        sys.modules.update(ours)


def put_in_place(modules: Modules) -> None:
    """Let this process, which was forked for a program, have no packages imported but ``modules``.

    The standard library is the same for all, and the host may have imported more of it.
    """
    for name in list(sys.modules):
        if name not in modules and _package(name) not in sys.stdlib_module_names:
            del sys.modules[name]
    sys.modules.update(modules)


def _take_ours() -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _package(name) == _OURS}


def _package(name: str) -> str:
    return name.partition(".")[0]
