"""Waiting for the store to say something, and keeping the supervisor alive meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from workbench.client.context import Context
from workbench.errors import StoreError, SupervisorError
from workbench.store.watch import Watch
from workbench.supervisor.start import CANNOT_GO_ON, end_of_log, ensure_supervisor

__all__ = ["Lifeline", "open_watch", "revive", "wait_until"]

_LOOK = 1.0  # seconds between looks whether the supervisor still lives
_MOST_STARTS, _WITHIN = 4, 30.0  # so many starts within so many seconds, without any work done, are no life


class Lifeline:
    """Whoever waits revives a supervisor that was killed, and says so when it will not live.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._workspace = context.workspace
        self._store = context.store
        self._starts: list[tuple[float, int]] = []
        self._failures = self._count_failures()

    def check(self) -> None:
        """Start the supervisor if it is gone.

        Raises:
            SupervisorError: it dies again and again; the end of its log is in the message.
            StoreError: the workspace is gone.
        """
        if not ensure_supervisor(self._workspace):
            return
        now = time.monotonic()
        self._starts = [start for start in self._starts if now - start[0] < _WITHIN] + [(now, self._store.now())]
        if len(self._starts) >= _MOST_STARTS and (self._stands_still or self._fails):
            raise SupervisorError(
                f"the process that runs trials has died {len(self._starts)} times in {_WITHIN:g} s",
                str(self._workspace.supervisor_log),
                f"The end of its log:\n{end_of_log(self._workspace)}",
            )

    @property
    def _stands_still(self) -> bool:
        """Whether all that were started have not brought anything forward: one that is killed while it works has."""
        return len({now for _, now in self._starts}) == 1

    @property
    def _fails(self) -> bool:
        return self._count_failures() - self._failures >= _MOST_STARTS - 1

    def _count_failures(self) -> int:
        try:
            return self._workspace.supervisor_log.read_text(errors="replace").count(CANNOT_GO_ON)
        except OSError:
            return 0


def revive(context: Context) -> bool:
    """Start the supervisor if there is work and it is gone; return whether it had to be started.

    Raises:
        SupervisorError: it could not be started.
        StoreError: the workspace is gone.
    """
    if not context.store.has_work():
        return False
    return ensure_supervisor(context.workspace)


def open_watch(context: Context) -> Watch:
    """Return a new watch on the workspace.

    Raises:
        StoreError: the workspace is gone, or its disk is full.
    """
    try:
        return Watch(context.workspace)
    except OSError as error:
        raise StoreError(
            f"the workspace cannot be watched: {error.strerror}",
            str(context.workspace.watchers),
            "See that the folder is there and that its disk has room",
        ) from error


def wait_until(done: Callable[[], bool], context: Context, timeout: float | None = None) -> bool:
    """Return True as soon as ``done()`` is, or False after ``timeout`` seconds (None: never).

    Raises:
        SupervisorError: the supervisor cannot be started, or does not live.
        StoreError: the workspace is gone.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    lifeline = Lifeline(context)
    with open_watch(context) as watch:
        while not done():
            remaining = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if remaining <= 0:
                return False
            if not watch.wait(remaining):
                lifeline.check()
    return True
