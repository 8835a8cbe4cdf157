"""Looking at jobs and trials."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from typing_extensions import TypedDict

from workbench.client.machine import MachineWatch
from workbench.definition.status import JobStatus
from workbench.definition.yaml_io import to_yaml
from workbench.errors import NotFoundError, ValidationException
from workbench.server.answers.finding import Count, overview_of, summary_of
from workbench.server.operations import Call, Operation
from workbench.store.files import WorkspaceFolder
from workbench.store.overview import Order, Wanted
from workbench.views.figures import FIGURES, draw
from workbench.views.queue import Queue, queue_as_json
from workbench.views.summaries import Summaries, Summary, WorkspaceFacts
from workbench.views.verbs import builder_code

__all__ = [
    "OPERATIONS",
    "ChangesAnswer",
    "ChangesQuery",
    "ChildrenQuery",
    "CodeQuery",
    "Detail",
    "EventAnswer",
    "Events",
    "FigureAnswer",
    "FigureQuery",
    "ListQuery",
    "Listing",
    "Text",
]

_LIMIT, _MOST = 500, 20_000
_MOST_EVENTS = 500


class ListQuery(TypedDict, total=False):
    """Which jobs, and how many of them."""

    parent: str
    experiment: str
    status: str
    search: str
    archived: Literal["true", "false", "all"]
    order: Order
    limit: Count
    offset: Count


class ChildrenQuery(TypedDict, total=False):
    """Which trials, and how many of them."""

    status: str
    search: str
    order: Order
    limit: Count
    offset: Count


class Listing(TypedDict):
    """A part of a list: ``total`` is how many there are in all, ``cursor`` where changes begin that it lacks."""

    cursor: int
    total: int
    jobs: list[Summary]


class ChangesQuery(TypedDict, total=False):
    """The cursor of an earlier answer."""

    since: Count
    limit: Count


class ChangesAnswer(TypedDict):
    """What was written since a cursor, trials too; ask again from the new cursor while there is ``more``."""

    cursor: int
    more: bool
    jobs: list[Summary]


class Detail(Summary):
    """A job with what its page shows: its definition as YAML, and what stands at the head of a view."""

    definition: str
    header: dict[str, Any]


class Text(TypedDict):
    """A text to be shown or inserted."""

    text: str


class CodeQuery(TypedDict, total=False):
    """The language of a notebook, and what the code does: show the job, or open the builder with its definition."""

    language: str
    opens: Literal["job", "builder"]


class FigureQuery(TypedDict, total=False):
    """What a figure can be told; each kind takes some of it."""

    metric: str
    over: Literal["step", "time"]
    selected: list[Count]
    log: bool
    param: str
    params: list[str]
    top: Count


class FigureAnswer(TypedDict):
    """A plotly figure, and what leads from its marks back to trials."""

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    trials: list[int]
    axes: list[dict[str, Any]]
    note: str


class EventAnswer(TypedDict):
    """One line of a job's history."""

    job: str
    time: float
    kind: str
    text: str


class Events(TypedDict):
    """The history of a job and its trials, the newest last; ``total`` is how many lines there are in all."""

    total: int
    events: list[EventAnswer]


def _workspace(call: Call) -> WorkspaceFacts:
    """The workspace: where it is, and the experiments in it."""
    found = call.desk.find(call.place)
    if found is None:
        return Summaries(WorkspaceFolder(call.place), call.desk.root).workspace(None)
    return found.summaries.workspace(found.reader.context.store)


def _jobs(call: Call) -> Listing:
    """The jobs: what runs first, then what waits, then what has ended; with a parent its trials."""
    query = call.query
    archived = {"true": True, "false": False, "all": None}[query.get("archived", "false")]
    parent = query.get("parent")
    if call.desk.find(call.place) is None:
        return {"cursor": 0, "total": 0, "jobs": []}
    wanted = Wanted(
        parent=parent,
        experiment=query.get("experiment"),
        statuses=_statuses(query.get("status")),
        search=query.get("search"),
        archived=None if parent else archived,
        order=query.get("order", "number" if parent else "running"),
        goal=_goal(call, parent) if parent else "maximize",
    )
    return _listing(call, wanted)


def _children(call: Call) -> Listing:
    """The trials of a sweep, by their numbers unless another order is asked for."""
    wanted = Wanted(
        parent=call.name,
        statuses=_statuses(call.query.get("status")),
        search=call.query.get("search"),
        archived=None,
        order=call.query.get("order", "number"),
        goal=_goal(call, call.name),
    )
    return _listing(call, wanted)


def _listing(call: Call, wanted: Wanted) -> Listing:
    store = call.reader.context.store
    cursor = store.now()
    limit, offset = min(call.query.get("limit", _LIMIT), _MOST), call.query.get("offset", 0)
    found = store.overviews(wanted, limit, offset)
    total = store.count(wanted) if offset or len(found) == limit else len(found)
    return {"cursor": cursor, "total": total, "jobs": call.workspace.summaries.of(found, store)}


def _changes(call: Call) -> ChangesAnswer:
    """All jobs and trials that were written since a cursor."""
    if call.desk.find(call.place) is None:
        return {"cursor": 0, "more": False, "jobs": []}
    store = call.reader.context.store
    limit = max(1, min(call.query.get("limit", _LIMIT), _MOST))
    cursor, changed = store.changed_overviews(call.query.get("since", 0), limit)
    return {
        "cursor": cursor,
        "more": bool(changed) and cursor < store.now(),
        "jobs": call.workspace.summaries.of(changed, store),
    }


def _job(call: Call) -> Detail:
    """One job, sweep or trial, with its definition and what stands at the head of its view."""
    summary = summary_of(call, call.name)
    header = call.workspace.with_facts(call.name, lambda facts: facts.header())
    return {**summary, "definition": to_yaml(call.reader.jobs.get(call.name)), "header": header}


def _yaml(call: Call) -> Text:
    """The definition of a job as YAML; of a trial, as the job of its own that would do the same."""
    return {"text": to_yaml(call.reader.jobs.get(call.name))}


def _code(call: Call) -> Text:
    """Code that gets the job in a notebook, or opens the builder with it."""
    language = call.query.get("language", "python").lower()
    if language not in ("python", "ipython", "python3"):
        raise ValidationException(f"there is no code for {language!r}", "language", "Python is what there is")
    name = call.reader.jobs.record(call.name).name
    if call.query.get("opens") == "builder":
        return {"text": builder_code(name, call.place, call.desk.workspace)}
    # Notebooks of this server find its own workspace by themselves, here and in another checkout.
    where = "" if call.place == call.desk.workspace else f"path={json.dumps(str(call.place))}"
    return {
        "text": "from workbench import MLClient\n\n"
        f"ml_client = MLClient({where})\n"
        f"job = ml_client.jobs.get({json.dumps(name)})\n"
        "job"
    }


def _figure(call: Call) -> FigureAnswer:
    """One of the figures: parallel, curves, progress, scatter or importance."""
    kind = call.names["kind"]
    if kind not in FIGURES:
        raise NotFoundError(f"no figure {kind!r}", "kind", f"There are: {', '.join(FIGURES)}")
    takes = inspect.signature(FIGURES[kind]).parameters
    if unknown := sorted(call.query.keys() - takes.keys()):
        raise ValidationException(f"{kind} does not take {', '.join(unknown)}", "query", "Leave it out")
    read = partial(call.workspace.with_facts, call.name)
    found: FigureAnswer = draw(kind, call.query, read, call.reader.context.call).to_json()  # type: ignore[assignment]
    return found


def _events(call: Call) -> Events:
    """What has happened to a job, and what it was told."""
    name = call.reader.jobs.record(call.name).name
    events = call.reader.context.store.events(name)
    shown = events[-_MOST_EVENTS:]
    return {
        "total": len(events),
        "events": [{"job": one.job, "time": one.time, "kind": one.kind, "text": one.text} for one in shown],
    }


def _queue(call: Call) -> Queue:
    """What runs, what waits and for what, and how full the machine is."""
    found = call.desk.find(call.place)
    if found is None:
        return queue_as_json([], MachineWatch(WorkspaceFolder(call.place)).look([]))
    unfinished = found.reader.context.store.unfinished_overviews()
    return queue_as_json(unfinished, found.machine.look(unfinished))


def _goal(call: Call, parent: str) -> str:
    metric = overview_of(call, parent).metric
    return metric[1] if metric else "maximize"


def _statuses(text: str | None) -> Sequence[JobStatus]:
    try:
        return [JobStatus(word) for word in (text or "").split(",") if word]
    except ValueError as error:
        raise ValidationException(str(error), "status", f"There are: {', '.join(JobStatus)}") from None


OPERATIONS = (
    Operation("GET", "workspace", _workspace, WorkspaceFacts),
    Operation("GET", "jobs", _jobs, Listing, query=ListQuery),
    Operation("GET", "changes", _changes, ChangesAnswer, query=ChangesQuery),
    Operation("GET", "queue", _queue, Queue),
    Operation("GET", "jobs/{name}", _job, Detail, kind="work"),
    Operation("GET", "jobs/{name}/children", _children, Listing, query=ChildrenQuery),
    Operation("GET", "jobs/{name}/yaml", _yaml, Text),
    Operation("GET", "jobs/{name}/code", _code, Text, query=CodeQuery),
    Operation("GET", "jobs/{name}/events", _events, Events),
    Operation("GET", "jobs/{name}/figures/{kind}", _figure, FigureAnswer, query=FigureQuery, kind="work"),
)
