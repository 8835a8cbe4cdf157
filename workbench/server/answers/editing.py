"""Changing a job or a sweep, also while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.definition.distributions import distribution_from_dict
from workbench.errors import ValidationException
from workbench.server.answers.finding import CLOSED, Count, Done, done
from workbench.server.operations import Call, Operation
from workbench.views.narrowing import brushed

__all__ = ["OPERATIONS", "Edit", "Narrow"]


@with_config(CLOSED)
class Narrow(TypedDict, total=False):
    """Narrower ranges for the trials yet to come.

    ``ranges`` are brushed parts of axes, in the units of the axes; ``space`` are new distributions in the layout of
    Azure's YAML.
    """

    ranges: dict[str, list[tuple[float, float]]]
    space: dict[str, dict[str, Any]]


@with_config(CLOSED)
class Edit(TypedDict, total=False):
    """What shall be otherwise; what is not mentioned stays.

    ``maxTrials`` sets the total of a sweep that runs, ``extend`` adds to it and reopens one that has ended; ``before``
    puts a job right before another one in the queue; tags given as null are removed.
    """

    maxTrials: Count
    maxConcurrent: Count
    extend: Count
    narrow: Narrow
    enqueue: dict[str, Any]
    retryFailed: bool
    priority: str
    before: str
    displayName: str
    description: str
    tags: dict[str, str | None]


def _edit(call: Call) -> Done:
    """Change a job or a sweep, also while it runs."""
    call.client.jobs.record(call.name)
    body: Edit = call.body
    if not body:
        raise ValidationException("nothing is to be changed", "body", f"There are: {', '.join(Edit.__annotations__)}")
    told = [said for change in _CHANGES if (said := change(call, body))]
    return done(call, "; ".join(told))


def _limits(call: Call, body: Edit) -> str:
    given = {
        "max_total_trials": body.get("maxTrials"),
        "max_concurrent_trials": body.get("maxConcurrent"),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return ""
    call.client.sweeps.set_limits(call.name, **changes)
    return ", ".join(f"{name} = {value}" for name, value in changes.items())


def _extend(call: Call, body: Edit) -> str:
    if "extend" not in body:
        return ""
    call.client.sweeps.extend(call.name, body["extend"])
    return f"{body['extend']} more trials"


def _narrow(call: Call, body: Edit) -> str:
    if "narrow" not in body:
        return ""
    given = body["narrow"]
    space = {name: distribution_from_dict(one, f"narrow.space.{name}") for name, one in given.get("space", {}).items()}
    if ranges := given.get("ranges"):
        space |= call.workspace.with_facts(call.name, lambda facts: brushed(facts, ranges))
    call.client.sweeps.narrow(call.name, **space)
    return "the trials yet to come are drawn from " + ", ".join(f"{name}: {value}" for name, value in space.items())


def _enqueue(call: Call, body: Edit) -> str:
    if "enqueue" not in body:
        return ""
    call.client.sweeps.enqueue(call.name, **body["enqueue"])
    return "one more trial is next to start"


def _retry(call: Call, body: Edit) -> str:
    if not body.get("retryFailed"):
        return ""
    call.client.sweeps.retry_failed(call.name)
    return "the failed trials run again"


def _place(call: Call, body: Edit) -> str:
    told = ""
    if "priority" in body:
        call.client.queue.set_priority(call.name, body["priority"])
        told = f"priority {body['priority']}"
    if "before" in body:
        call.client.queue.move(call.name, before=body["before"])
        told = f"before {body['before']}"
    return told


def _texts(call: Call, body: Edit) -> str:
    if not body.keys() & {"displayName", "description", "tags"}:
        return ""
    call.client.jobs.update(
        call.name,
        display_name=body.get("displayName"),
        description=body.get("description"),
        tags=body.get("tags"),  # type: ignore[arg-type]  # a patch: null removes
    )
    return "its texts are changed"


_CHANGES: tuple[Callable[[Call, Edit], str], ...] = (_texts, _place, _limits, _narrow, _enqueue, _retry, _extend)

OPERATIONS = (Operation("POST", "jobs/{name}/edit", _edit, Done, body=Edit, kind="act"),)
