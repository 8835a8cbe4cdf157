"""Azure's handle on something that takes a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LROPoller"]

T = TypeVar("T")


class LROPoller(Generic[T]):
    """Returned by every ``begin_…`` call.

    Args:
        ready: waits up to that many seconds (None: for ever) and returns whether it is done.
        result: returns the outcome once it is done.
    """

    def __init__(self, ready: Callable[[float | None], bool], result: Callable[[], T]) -> None:
        self._ready = ready
        self._result = result

    def done(self) -> bool:
        """Return whether it is done."""
        return self._ready(0)

    def status(self) -> str:
        """Return ``InProgress`` or ``Succeeded``."""
        return "Succeeded" if self.done() else "InProgress"

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is done, or ``timeout`` seconds have passed."""
        self._ready(timeout)

    def result(self, timeout: float | None = None) -> T:
        """Wait as :meth:`wait` does and return the outcome."""
        self._ready(timeout)
        return self._result()
