"""Threads for what may take long, that nobody waits for: neither who hands work in, nor the process when it ends."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Workers"]

_log = logging.getLogger(__name__)


class Workers:
    """So many threads at most, made when there is work and gone when there is none.

    An executor's threads are joined when the interpreter ends: one that is slow would keep a kernel or a server alive.

    Args:
        most: how many.
        name: what they are called.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Have some work done, as soon as a thread is free; what it raises goes to the log."""
        with self._lock:
            self._waiting.append(work)
            if self._threads == self._most:
                return
            self._threads += 1
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - there is other work to do
                _log.exception("%s has failed at its work", self._name)

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None
