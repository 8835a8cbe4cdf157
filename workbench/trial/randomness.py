"""Random numbers in a forked process: those of a process that has just started.

One that seeds its generators when it imports something gets the numbers of that seed; any other gets its own. Standard
library only: it runs inside the fork server of whatever Python a job uses.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import Any

__all__ = ["renew", "seeds_kept"]

_NUMPY = "numpy.random.mtrand"

_kept: dict[str, Any] = {}  # module → the state that its generator has in each forked process


@contextmanager
def seeds_kept() -> Iterator[None]:
    """Let generators that are seeded meanwhile be, in each process forked later, as they are at the end."""
    seeded: set[str] = set()
    restore = _watch(random, "seed", "setstate", seeded)
    really = ExtensionFileLoader.exec_module

    def exec_module(loader: ExtensionFileLoader, module: ModuleType) -> None:
        really(loader, module)
        if module.__name__ == _NUMPY:
            restore.extend(_watch(module, "seed", "set_state", seeded))

    ExtensionFileLoader.exec_module = exec_module  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        ExtensionFileLoader.exec_module = really  # type: ignore[method-assign]
        for module, name, watched, function in restore:
            for place in (module, sys.modules.get(module.__name__.rpartition(".")[0])):
                if place is not None and place.__dict__.get(name) is watched:
                    setattr(place, name, function)
        if "random" in seeded:
            _kept["random"] = random.getstate()
        if _NUMPY in seeded:
            _kept[_NUMPY] = sys.modules[_NUMPY].__dict__["get_state"]()


def renew() -> None:
    """Make the generators of this process, which was just forked, what they would be in one that had not been."""
    if "random" in _kept:
        random.setstate(_kept["random"])  # a fork has seeded it anew
    numpy_random = sys.modules.get("numpy.random")
    if _NUMPY in _kept:
        sys.modules[_NUMPY].__dict__["set_state"](_kept[_NUMPY])
    elif numpy_random is not None:
        numpy_random.seed()  # forks share the state


_Watched = tuple[ModuleType, str, Callable[..., Any], Callable[..., Any]]


def _watch(module: ModuleType, seed: str, set_state: str, seeded: set[str]) -> list[_Watched]:
    """Put, in the place of a module's functions, what notes that its generator was given a certain state."""
    found: list[_Watched] = []
    for name in (seed, set_state):
        function = module.__dict__[name]

        @functools.wraps(function)
        def watched(*args: Any, _function: Any = function, _name: str = name, **kwargs: Any) -> Any:
            given = _name == set_state or any(value is not None for value in (*args, *kwargs.values()))
            (seeded.add if given else seeded.discard)(module.__name__)
            return _function(*args, **kwargs)

        setattr(module, name, watched)
        found.append((module, name, watched, function))
    return found
