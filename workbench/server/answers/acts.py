"""Doing something to a job: each is a request to the supervisor, or a new row, as with the Python client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from workbench.client.registration import candidate, check_model, register
from workbench.definition.distributions import distribution_from_dict
from workbench.errors import NotFoundError, ValidationException
from workbench.server.answers.jobs import overview_of
from workbench.server.operations import Call, Operation
from workbench.store.overview import Wanted
from workbench.store.records import JobRecord
from workbench.views.narrowing import brushed
from workbench.views.summaries import Summary

__all__ = [
    "OPERATIONS",
    "Again",
    "Candidate",
    "CheckBody",
    "Checked",
    "Done",
    "Edit",
    "Narrow",
    "Nothing",
    "RegisterBody",
    "Registered",
    "TrialQuery",
]

_CLOSED = ConfigDict(extra="forbid")


@with_config(_CLOSED)
class Nothing(TypedDict):
    """Nothing has to be sent."""


@with_config(_CLOSED)
class Narrow(TypedDict, total=False):
    """Narrower ranges for the trials yet to come.

    ``ranges`` are brushed parts of axes, in the units of the axes; ``space`` are new distributions in the layout of
    Azure's YAML.
    """

    ranges: dict[str, list[tuple[float, float]]]
    space: dict[str, dict[str, Any]]


@with_config(_CLOSED)
class Edit(TypedDict, total=False):
    """What shall be otherwise; what is not mentioned stays.

    ``maxTrials`` sets the total of a sweep that runs, ``extend`` adds to it and reopens one that has ended; ``before``
    puts a job right before another one in the queue; tags given as null are removed.
    """

    maxTrials: int
    maxConcurrent: int
    extend: int
    narrow: Narrow
    enqueue: dict[str, Any]
    retryFailed: bool
    priority: str
    before: str
    displayName: str
    description: str
    tags: dict[str, str | None]


class Done(TypedDict):
    """A job after something was done to it, and what was done in words."""

    told: str
    job: Summary


class Again(TypedDict):
    """A job that runs again: its name, what is not as it was, and the new job."""

    name: str
    drift: list[str]
    job: Summary


class TrialQuery(TypedDict, total=False):
    """Which trial of a sweep; the best one if left out."""

    trial: str


@with_config(_CLOSED)
class CheckBody(TypedDict, total=False):
    """A model of a trial, as ``candidate`` gives it; the best trial's and its first model if left out."""

    trial: str
    model: str


class Checked(TypedDict):
    """Whether the model loads and predicts, and what it said."""

    ok: bool
    told: str


@with_config(_CLOSED)
class RegisterBody(TypedDict, total=False):
    """What is registered, and under which name; ``again`` where this trial is registered under it already."""

    trial: str
    model: str
    name: str
    description: str
    tags: dict[str, str]
    alias: str
    again: bool


class Registered(TypedDict):
    """The version that was made, and the code that loads it."""

    name: str
    version: str
    address: str
    load: str
    alias: str | None


class Candidate(TypedDict):
    """What a form to register a trial's model shows."""

    trial: str
    number: int | None
    status: str
    metric: dict[str, Any] | None
    params: dict[str, Any]
    models: list[dict[str, Any]]
    howToLog: str | None
    names: list[str]
    suggested: str
    aliases: list[dict[str, Any]]
    registered: list[dict[str, Any]]


def _done(call: Call, told: str) -> Done:
    return {"told": told, "job": _summary(call, call.name)}


def _summary(call: Call, name: str) -> Summary:
    return call.workspace.summaries.of([overview_of(call, name)], call.reader.context.store)[0]


def _cancel(call: Call) -> Done:
    """Stop a job, a sweep or a trial; its whole process tree ends."""
    call.client.jobs.begin_cancel(call.name)
    return _done(call, "asked to stop")


def _pause(call: Call) -> Done:
    """Start nothing more of a job; what runs goes on."""
    call.client.jobs.record(call.name)
    call.client.queue.hold(call.name)
    return _done(call, "paused: what runs goes on, nothing more starts")


def _resume(call: Call) -> Done:
    """Let a paused job start again."""
    call.client.jobs.record(call.name)
    call.client.queue.release(call.name)
    return _done(call, "resumed")


def _archive(call: Call) -> Done:
    """Hide a job from lists."""
    call.client.jobs.archive(call.name)
    return _done(call, "archived")


def _restore(call: Call) -> Done:
    """Show an archived job in lists again."""
    call.client.jobs.restore(call.name)
    return _done(call, "restored")


def _rerun(call: Call) -> Again:
    """Run a job, a sweep or a trial again as it was, as a new job."""
    again = call.client.jobs.rerun(call.name)
    return {"name": again.name, "drift": [str(item) for item in again.drift], "job": _summary(call, again.name)}


def _edit(call: Call) -> Done:
    """Change a job or a sweep, also while it runs."""
    call.client.jobs.record(call.name)
    body: Edit = call.body
    if not body:
        raise ValidationException("nothing is to be changed", "body", f"There are: {', '.join(Edit.__annotations__)}")
    told = [done for change in _CHANGES if (done := change(call, body))]
    return _done(call, "; ".join(told))


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


def _trial(call: Call, wanted: str | None) -> tuple[JobRecord, str | None]:
    """Return a trial and the primary metric: the one that is named, else the best one; a job that is no sweep itself.

    Raises:
        NotFoundError: there is no such trial, or none is the best.
    """
    job = overview_of(call, call.name)
    if job.record.type != "sweep":
        parent = overview_of(call, job.record.parent) if job.record.parent else job
        return job.record, parent.metric[0] if parent.metric else None
    name = wanted or job.best
    if name is None:
        raise NotFoundError("no trial has a value of the primary metric yet", call.name, "Name a trial")
    found = call.client.context.store.overviews(Wanted(names=[name], archived=None))
    if not found or found[0].record.parent != call.name:
        raise NotFoundError(f"{name} is no trial of {call.name}", "trial")
    return found[0].record, job.metric[0] if job.metric else None


def _candidate(call: Call) -> Candidate:
    """What there is to register of a job: a sweep means its best trial."""
    record, metric = _trial(call, call.query.get("trial"))
    found: Candidate = candidate(call.client, record, metric)  # type: ignore[assignment]
    return found


def _check_model(call: Call) -> Checked:
    """Load a model and predict on its example, in a process of its own."""
    record, _ = _trial(call, call.body.get("trial"))
    found = check_model(call.client, record, _model(call, record))
    return {"ok": bool(found["ok"]), "told": str(found["told"])}


def _register(call: Call) -> Registered:
    """Register the model of a job: of a sweep, that of its best trial."""
    body: RegisterBody = call.body
    record, _ = _trial(call, body.get("trial"))
    found: Registered = register(  # type: ignore[assignment]
        call.client,
        record,
        _model(call, record),
        body.get("name", ""),
        description=body.get("description"),
        tags=body.get("tags"),
        alias=body.get("alias"),
        again=body.get("again", False),
    )
    return found


def _model(call: Call, record: JobRecord) -> str:
    given: str | None = call.body.get("model")
    if given is not None:
        return given
    models = call.client.models.registry().models_of(record)
    if not models:
        raise NotFoundError(f"{record.name} has logged no model", "model", "See howToLog of the candidate")
    return models[0].path


def _act(verb: str, answer: Callable[[Call], Any], response: Any = Done, status: int = 200) -> Operation:
    return Operation("POST", f"jobs/{{name}}/{verb}", answer, response, body=Nothing, status=status, slow=True)


OPERATIONS = (
    _act("cancel", _cancel),
    _act("pause", _pause),
    _act("resume", _resume),
    _act("archive", _archive),
    _act("restore", _restore),
    _act("rerun", _rerun, Again, 201),
    Operation("POST", "jobs/{name}/edit", _edit, Done, body=Edit, slow=True),
    Operation("GET", "jobs/{name}/candidate", _candidate, Candidate, query=TrialQuery, slow=True),
    Operation("POST", "jobs/{name}/check-model", _check_model, Checked, body=CheckBody, slow=True),
    Operation("POST", "jobs/{name}/register", _register, Registered, body=RegisterBody, status=201, slow=True),
)
