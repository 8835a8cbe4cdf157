"""From the best trial to a registered model."""

from __future__ import annotations

from typing import Any

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.client.registration import candidate, check_model, register
from workbench.errors import NotFoundError
from workbench.server.answers.finding import CLOSED, overview_of
from workbench.server.operations import Call, Operation
from workbench.store.overview import Wanted
from workbench.store.records import JobRecord

__all__ = ["OPERATIONS", "Candidate", "CheckBody", "Checked", "RegisterBody", "Registered", "TrialQuery"]


class TrialQuery(TypedDict, total=False):
    """Which trial of a sweep; the best one if left out."""

    trial: str


@with_config(CLOSED)
class CheckBody(TypedDict, total=False):
    """A model of a trial, as ``candidate`` gives it; the best trial's and its first model if left out."""

    trial: str
    model: str


class Checked(TypedDict):
    """Whether the model loads and predicts, and what it said."""

    ok: bool
    told: str


@with_config(CLOSED)
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
    metrics: list[dict[str, Any]]
    params: dict[str, Any]
    models: list[dict[str, Any]]
    howToLog: str | None
    names: list[str]
    suggested: str
    aliases: list[dict[str, Any]]
    registered: list[dict[str, Any]]


def _trial(call: Call, wanted: str | None) -> JobRecord:
    """Return a trial: the one that is named, else the best one; a job that is no sweep itself.

    Raises:
        NotFoundError: there is no such trial, or none is the best.
    """
    job = overview_of(call, call.name)
    if job.record.type != "sweep":
        return job.record
    name = wanted or job.best
    if name is None:
        raise NotFoundError("no trial has a value of the primary metric yet", call.name, "Name a trial")
    found = call.client.context.store.overviews(Wanted(names=[name], archived=None))
    if not found or found[0].record.parent != call.name:
        raise NotFoundError(f"{name} is no trial of {call.name}", "trial")
    return found[0].record


def _candidate(call: Call) -> Candidate:
    """What there is to register of a job: a sweep means its best trial."""
    found: Candidate = candidate(call.client, _trial(call, call.query.get("trial")))  # type: ignore[assignment]
    return found


def _check_model(call: Call) -> Checked:
    """Load a model and predict on its example, in a process of its own."""
    record = _trial(call, call.body.get("trial"))
    found = check_model(call.client, record, _model(call, record))
    return {"ok": bool(found["ok"]), "told": str(found["told"])}


def _register(call: Call) -> Registered:
    """Register the model of a job: of a sweep, that of its best trial."""
    body: RegisterBody = call.body
    record = _trial(call, body.get("trial"))
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


OPERATIONS = (
    Operation("GET", "jobs/{name}/candidate", _candidate, Candidate, query=TrialQuery, kind="work"),
    Operation("POST", "jobs/{name}/check-model", _check_model, Checked, body=CheckBody, kind="work"),
    Operation("POST", "jobs/{name}/register", _register, Registered, body=RegisterBody, status=201, kind="work"),
)
