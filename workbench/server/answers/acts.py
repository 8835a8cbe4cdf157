"""Doing something to a job: each is a request to the supervisor, or a new row, as with the Python client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.server.answers.finding import CLOSED, Done, done, summary_of
from workbench.server.operations import Call, Operation
from workbench.views.summaries import Summary

__all__ = ["OPERATIONS", "Again", "Nothing"]


@with_config(CLOSED)
class Nothing(TypedDict):
    """Nothing has to be sent."""


class Again(TypedDict):
    """A job that runs again: its name, what is not as it was, and the new job."""

    name: str
    drift: list[str]
    job: Summary


def _cancel(call: Call) -> Done:
    """Stop a job, a sweep or a trial; its whole process tree ends."""
    call.client.jobs.begin_cancel(call.name)
    return done(call, "asked to stop")


def _pause(call: Call) -> Done:
    """Start nothing more of a job; what runs goes on."""
    call.client.jobs.record(call.name)
    call.client.queue.hold(call.name)
    return done(call, "paused: what runs goes on, nothing more starts")


def _resume(call: Call) -> Done:
    """Let a paused job start again."""
    call.client.jobs.record(call.name)
    call.client.queue.release(call.name)
    return done(call, "resumed")


def _archive(call: Call) -> Done:
    """Hide a job from lists."""
    call.client.jobs.archive(call.name)
    return done(call, "archived")


def _restore(call: Call) -> Done:
    """Show an archived job in lists again."""
    call.client.jobs.restore(call.name)
    return done(call, "restored")


def _rerun(call: Call) -> Again:
    """Run a job, a sweep or a trial again as it was, as a new job."""
    again = call.client.jobs.rerun(call.name)
    return {"name": again.name, "drift": [str(item) for item in again.drift], "job": summary_of(call, again.name)}


def _act(verb: str, answer: Callable[[Call], Any], response: Any = Done, status: int = 200) -> Operation:
    return Operation("POST", f"jobs/{{name}}/{verb}", answer, response, body=Nothing, status=status, kind="act")


OPERATIONS = (
    _act("cancel", _cancel),
    _act("pause", _pause),
    _act("resume", _resume),
    _act("archive", _archive),
    _act("restore", _restore),
    _act("rerun", _rerun, Again, 201),
)
