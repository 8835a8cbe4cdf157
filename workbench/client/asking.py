"""Asking the supervisor for something and waiting for its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.client.context import Context
from workbench.client.waiting import wait_until
from workbench.errors import JobException, SupervisorError
from workbench.supervisor.start import ensure_supervisor

__all__ = ["ask"]

_PATIENCE = 30.0  # seconds in which a supervisor that lives answers


def ask(context: Context, job: str, verb: str, payload: Mapping[str, Any] | None = None) -> None:
    """Ask for ``verb`` to be done to ``job``; returns when it is done.

    Raises:
        JobException: the supervisor refuses; the message says why.
        SupervisorError: it cannot be started, or does not answer.
    """
    number = context.store.request(job, verb, payload)
    ensure_supervisor(context.workspace)
    if not wait_until(lambda: context.store.outcome(number) is not None, context, _PATIENCE):
        raise SupervisorError(
            f"no answer to {verb!r} in {_PATIENCE:g} s", str(context.workspace.supervisor_log), "Look at the end of it"
        )
    if answer := context.store.outcome(number):
        raise JobException(answer, job)
