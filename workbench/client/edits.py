"""What can be changed of a job: each change is checked here and done by the supervisor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.client.asking import ask
from workbench.client.context import Context
from workbench.definition.checking import plain
from workbench.definition.distributions import Distribution
from workbench.definition.limits import SweepJobLimits
from workbench.errors import ValidationException
from workbench.store.records import JobRecord

__all__ = [
    "PRIORITIES",
    "Edit",
    "apply",
    "enqueue",
    "extend",
    "limits",
    "narrow",
    "place",
    "priority",
    "queue_order",
    "retry_failed",
    "texts",
]

PRIORITIES: Mapping[str, int] = {"low": -10, "medium": 0, "high": 10}
"""What the words for priorities mean."""


@dataclass(frozen=True)
class Edit:
    """One change, as the supervisor is asked for it.

    Args:
        verb: what is to be done.
        payload: with what.
    """

    verb: str
    payload: Mapping[str, Any]


def apply(context: Context, name: str, *edits: Edit) -> None:
    """Have all changes of a job done, or none where one is refused.

    Raises:
        JobException: the supervisor refuses; the message says why.
        SupervisorError: it cannot be started, or does not answer.
    """
    if len(edits) == 1:
        ask(context, name, edits[0].verb, edits[0].payload)
    else:
        ask(context, name, "edit", {"edits": [[edit.verb, dict(edit.payload)] for edit in edits]})


def limits(max_total_trials: int | None = None, max_concurrent_trials: int | None = None) -> Edit:
    """Return other limits of a sweep.

    Raises:
        ValidationException: a limit is not a positive number, or none is given.
    """
    given = {"max_total_trials": max_total_trials, "max_concurrent_trials": max_concurrent_trials}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise ValidationException("no limit is given", "set_limits", "Give max_total_trials or max_concurrent_trials")
    SweepJobLimits(**changes)
    return Edit("limits", changes)


def narrow(search_space: Mapping[str, Distribution]) -> Edit:
    """Return other distributions for the trials yet to come.

    Raises:
        ValidationException: nothing is given, or something that is no distribution.
    """
    if not search_space:
        raise ValidationException("no parameter is given", "narrow", "Write narrow(name, lr=Uniform(0.1, 0.2))")
    for parameter, distribution in search_space.items():
        if not isinstance(distribution, Distribution):
            raise ValidationException(
                f"{distribution!r} is no distribution", parameter, "Write Uniform(…), Choice([…]) …"
            )
    fields = {parameter: distribution.to_dict() for parameter, distribution in search_space.items()}
    return Edit("narrow", {"search_space": fields})


def enqueue(params: Mapping[str, Any]) -> Edit:
    """Return one more trial, with parameters of its own.

    Raises:
        ValidationException: a value is none that a trial can be given.
    """
    values = {name: plain(value) for name, value in params.items()}
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValidationException(
                f"{value!r} cannot be given to a trial", name, "Write a finite number, a text, True or False"
            ) from None
    return Edit("enqueue", {"params": values})


def retry_failed() -> Edit:
    """Return another try for all failed trials."""
    return Edit("retry_failed", {})


def extend(trials: int) -> Edit:
    """Return more trials for a sweep.

    Raises:
        ValidationException: the number is not positive.
    """
    SweepJobLimits(max_total_trials=trials)
    return Edit("extend", {"trials": trials})


def texts(display_name: str | None, description: str | None, tags: Mapping[str, str | None] | None) -> Edit:
    """Return other texts for people; tags given as None are removed."""
    given = {"display_name": display_name, "description": description, "tags": None if tags is None else dict(tags)}
    return Edit("texts", {key: value for key, value in given.items() if value is not None})


def priority(word: str) -> Edit:
    """Return another priority: low, medium or high.

    Raises:
        ValidationException: another word.
    """
    if word not in PRIORITIES:
        raise ValidationException(f"{word!r} is no priority", "priority", "Write low, medium or high")
    return Edit("move", {"priority": PRIORITIES[word], "shown": f"priority {word}"})


def place(context: Context, name: str, before: str) -> Edit:
    """Return the place of a job right before another one, with that one's priority.

    Raises:
        ValidationException: one of them is not in the queue.
    """
    order = [job for job in sorted(context.store.unfinished(), key=queue_order) if job.parent is None]
    places = {job.name: place for place, job in enumerate(order)}
    for one in (name, before):
        if one not in places:
            raise ValidationException(f"{one!r} is not in the queue", "queue.move", "See: workbench queue")
    target = order[places[before]]
    ahead = [job for job in order[: places[before]] if job.name != name and job.priority == target.priority]
    position = (ahead[-1].position + target.position) / 2 if ahead else target.position - 1.0
    return Edit("move", {"priority": target.priority, "position": position, "shown": f"before {before}"})


def queue_order(job: JobRecord) -> tuple[int, float, str]:
    """Return what jobs are sorted by where room is given away."""
    return (-job.priority, job.position, job.name)
