"""Changing a job or a sweep, also while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.client import edits
from workbench.client.edits import Edit
from workbench.definition.distributions import distribution_from_dict
from workbench.errors import ValidationException
from workbench.server.answers.finding import CLOSED, Count, Done, done
from workbench.server.operations import Call, Operation
from workbench.views.narrowing import brushed, narrowed_text

__all__ = ["OPERATIONS", "EditBody", "Narrow"]

_TEXTS = frozenset({"displayName", "description", "tags"})


@with_config(CLOSED)
class Narrow(TypedDict, total=False):
    """Narrower ranges for the trials yet to come.

    ``ranges`` are brushed parts of axes, in the units of the axes; ``space`` are new distributions in the layout of
    Azure's YAML.
    """

    ranges: dict[str, list[tuple[float, float]]]
    space: dict[str, dict[str, Any]]


@with_config(CLOSED)
class EditBody(TypedDict, total=False):
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


Told = tuple[Edit, str]
"""A change, and what it does in words."""


def _edit(call: Call) -> Done:
    """Change a job or a sweep, also while it runs; where a part of it is refused, nothing is changed."""
    call.client.jobs.record(call.name)
    body: EditBody = call.body
    if not body:
        raise ValidationException(
            "nothing is to be changed", "body", f"There are: {', '.join(EditBody.__annotations__)}"
        )
    wanted = [one for change in _CHANGES for one in change(call, body)]
    if body.keys() <= _TEXTS:  # nothing that a supervisor has to know of
        texts = wanted[0][0].payload
        call.client.jobs.update(call.name, **texts)
    elif wanted:
        edits.apply(call.client.context, call.name, *(edit for edit, _ in wanted))
    return done(call, "; ".join(told for _, told in wanted))


def _texts(call: Call, body: EditBody) -> Iterator[Told]:
    del call
    if body.keys() & _TEXTS:
        edit = edits.texts(body.get("displayName"), body.get("description"), body.get("tags"))
        yield edit, "its texts are changed"


def _place(call: Call, body: EditBody) -> Iterator[Told]:
    if "priority" in body:
        yield edits.priority(body["priority"]), f"priority {body['priority']}"
    if "before" in body:
        yield edits.place(call.client.context, call.name, body["before"]), f"before {body['before']}"


def _limits(call: Call, body: EditBody) -> Iterator[Told]:
    del call
    if body.keys() & {"maxTrials", "maxConcurrent"}:
        edit = edits.limits(body.get("maxTrials"), body.get("maxConcurrent"))
        yield edit, ", ".join(f"{name} = {value}" for name, value in edit.payload.items())


def _narrow(call: Call, body: EditBody) -> Iterator[Told]:
    if "narrow" not in body:
        return
    given = body["narrow"]
    space = {name: distribution_from_dict(one, f"narrow.space.{name}") for name, one in given.get("space", {}).items()}
    if ranges := given.get("ranges"):
        space |= call.workspace.with_facts(call.name, lambda facts: brushed(facts, ranges))
    yield edits.narrow(space), narrowed_text(space)


def _enqueue(call: Call, body: EditBody) -> Iterator[Told]:
    del call
    if "enqueue" in body:
        yield edits.enqueue(body["enqueue"]), "one more trial is next to start"


def _extend(call: Call, body: EditBody) -> Iterator[Told]:
    del call
    if "extend" in body:
        yield edits.extend(body["extend"]), f"{body['extend']} more trials"


def _retry(call: Call, body: EditBody) -> Iterator[Told]:
    del call
    if body.get("retryFailed"):
        yield edits.retry_failed(), "the failed trials run again"


_CHANGES: tuple[Callable[[Call, EditBody], Iterator[Told]], ...] = (
    _texts,
    _place,
    _limits,
    _narrow,
    _enqueue,
    _extend,
    _retry,  # last: folders are moved for it, which no transaction takes back
)

OPERATIONS = (Operation("POST", "jobs/{name}/edit", _edit, Done, body=EditBody, kind="act"),)
