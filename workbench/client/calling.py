"""Where functions are called that load MLflow or Optuna: here, or in a process beside a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

__all__ = ["Caller", "call_here"]

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class Caller(Protocol):
    """Calls a function and returns what it returns.

    Where that is in another process, the function is one of a module, and all that goes there and back can be pickled.
    """

    def __call__(
        self, function: Callable[_Arguments, _Answer], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Answer:
        """Call ``function``; errors of the workbench's own tree are raised as they are."""
        ...


def call_here(
    function: Callable[_Arguments, _Answer], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> _Answer:
    """Call a function in this process."""
    return function(*args, **kwargs)
