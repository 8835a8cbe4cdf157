"""Waiting for the store to say something, and keeping the supervisor alive meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

from workbench.client.context import Context
from workbench.store.watch import Watch
from workbench.supervisor.start import ensure_supervisor

__all__ = ["wait_until"]

_LOOK = 1.0  # seconds between looks whether the supervisor still lives


def wait_until(done: Callable[[], bool], context: Context, timeout: float | None = None) -> bool:
    """Return True as soon as ``done()`` is, or False after ``timeout`` seconds (None: never).

    Whoever waits revives the supervisor if it was killed.

    Raises:
        SupervisorError: it cannot be started.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with Watch(context.workspace) as watch:
        while not done():
            remaining = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if remaining <= 0:
                return False
            if not watch.wait(remaining):
                ensure_supervisor(context.workspace)
    return True
