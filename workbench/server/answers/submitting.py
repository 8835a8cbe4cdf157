"""Submitting: a job as YAML, or a notebook with what a form says of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Required

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.client.jobs import JobOperations
from workbench.client.ml_client import MLClient
from workbench.definition.naming import experiment_of
from workbench.definition.records import AnyJob
from workbench.definition.yaml_io import load_job
from workbench.definition.yaml_text import from_text, to_text
from workbench.errors import NotFoundError, ValidationException
from workbench.server.answers.finding import CLOSED, summary_of
from workbench.server.operations import Call, Operation, Problem, Refusal, Reply
from workbench.server.places import inside
from workbench.views.summaries import Summary

__all__ = ["OPERATIONS", "NotebookJobForm", "Submission", "SubmitQuery", "Submitted", "SweepForm"]

_LABEL = "YAML"


@with_config(CLOSED)
class SweepForm(TypedDict, total=False):
    """How the trials of a notebook are chosen and judged.

    ``sampler`` and ``stop`` are a name, or a mapping in the layout of Azure's YAML: ``random``, ``grid``, ``bayesian``;
    ``{"type": "bandit", "slack_factor": 0.1}``. ``trialTimeout`` is in seconds.
    """

    metric: Required[str]
    goal: Required[str]
    trials: int
    concurrent: int
    sampler: str | dict[str, Any]
    stop: dict[str, Any] | None
    trialTimeout: float


@with_config(CLOSED)
class NotebookJobForm(TypedDict, total=False):
    """A notebook to be run, or to be swept.

    ``path`` is relative to the folder that the server serves. ``inputs`` are values of its parameters; a mapping with
    the ``type`` of a distribution is swept, one with ``uri_file`` or ``uri_folder`` is data whose path is relative to
    the notebook. ``code`` is the folder that becomes the working directory, relative to the served one; without it
    the notebook is alone there. ``timeout`` is in seconds: of a run, or of the whole sweep.
    """

    path: Required[str]
    inputs: dict[str, Any]
    sweep: SweepForm | None
    experiment: str
    displayName: str
    description: str
    name: str
    tags: dict[str, str]
    resources: dict[str, Any]
    environment: str | dict[str, Any]
    kernel: str
    code: str
    timeout: float


@with_config(CLOSED)
class Submission(TypedDict, total=False):
    """Either a job's definition as YAML, or a notebook.

    ``folder`` is what relative paths in the YAML are meant from, itself relative to the folder that the server serves,
    which the empty text means; the workspace by default.
    """

    yaml: str
    folder: str
    notebook: NotebookJobForm


class SubmitQuery(TypedDict, total=False):
    """Whether only to check it."""

    check: bool


class Submitted(TypedDict):
    """What came of it: the new job, or what is wrong with it where only a check was asked for."""

    name: str | None
    summary: Summary | None
    warnings: list[str]
    problems: list[Problem]
    yaml: str


_FIELDS = (
    ("search_space.", "notebook.inputs."),
    ("inputs.", "notebook.inputs."),
    ("trial.inputs.", "notebook.inputs."),
    ("objective.primary_metric", "notebook.sweep.metric"),
    ("objective.goal", "notebook.sweep.goal"),
    ("limits.max_total_trials", "notebook.sweep.trials"),
    ("limits.max_concurrent_trials", "notebook.sweep.concurrent"),
    ("limits.trial_timeout", "notebook.sweep.trialTimeout"),
    ("limits.timeout", "notebook.timeout"),
    ("sampling_algorithm", "notebook.sweep.sampler"),
    ("early_termination", "notebook.sweep.stop"),
    ("experiment_name", "notebook.experiment"),
    ("display_name", "notebook.displayName"),
    ("trial.", "notebook."),
    ("", "notebook."),
)
"""From a place in a definition to the field of the form that says it; the first that fits."""


def _submit(call: Call) -> Submitted | Reply:
    """Submit a job; with ``check`` only look what is wrong or doubtful about it."""
    body: Submission = call.body
    if ("yaml" in body) == ("notebook" in body):
        raise ValidationException("what is to be run is not clear", "body", "Send either yaml or notebook")
    wanted = _Wanted(call, body)
    try:
        if call.query.get("check"):
            return Reply(_check(call, wanted), 200)
        jobs = _from(call.desk.make(call.place).client, wanted.folder)
        job = wanted.job()
        warnings = list(jobs.validate(job, raise_on_failure=True))
        name = str(jobs.create_or_update(job).name)
    except (ValidationException, NotFoundError) as error:
        raise wanted.refusal(error) from error
    summary = summary_of(call, name)
    return {"name": name, "summary": summary, "warnings": warnings, "problems": [], "yaml": wanted.text}


def _check(call: Call, wanted: _Wanted) -> Submitted:
    """Return what is wrong; a form asks while it is filled in, so that it is no failure."""
    warnings: list[str] = []
    problems: list[Problem] = []
    try:
        with _checking(call, wanted.folder) as jobs:
            warnings = list(jobs.validate(wanted.job(), raise_on_failure=True))
    except (ValidationException, NotFoundError) as error:
        problems = wanted.refusal(error).problems
    return {"name": None, "summary": None, "warnings": warnings, "problems": problems, "yaml": wanted.text}


class _Wanted:
    """What was sent, as a job.

    Args:
        call: of it.
        body: checked.

    Raises:
        OutsideError: it names a file or folder outside of what the server serves.
    """

    def __init__(self, call: Call, body: Submission) -> None:
        self._form = body.get("notebook")
        root = call.desk.root
        if self._form is None:
            self.folder = inside(root, body["folder"]) if "folder" in body else call.place
            self.text = body["yaml"]
            return
        self._path = inside(root, self._form["path"])
        self.folder = self._path.parent
        code = inside(root, self._form["code"]) if self._form.get("code") else None
        self.text = to_text(_definition(self._form, self._path, code))

    def job(self) -> AnyJob:
        """Return the job.

        Raises:
            ValidationException: something in it is wrong.
            NotFoundError: the notebook is not there.
        """
        if self._form is not None and not self._path.is_file():
            raise NotFoundError(f"there is no notebook {self._form['path']!r}", "path", "Save it first")
        return _read(self.text, self.folder)

    def refusal(self, error: ValidationException | NotFoundError) -> Refusal:
        """Return what is wrong with the field of the form, or of the YAML, that it is about."""
        if isinstance(error, Refusal):
            return error
        where = (error.where or "").removeprefix(_LABEL).lstrip(":, ")
        if self._form is not None:
            where = next(form + where.removeprefix(place) for place, form in _FIELDS if where.startswith(place))
        return Refusal(error.what, [{"field": where.rstrip("."), "message": error.what, "todo": error.fix}])


@contextmanager
def _checking(call: Call, folder: Path) -> Iterator[JobOperations]:
    """Yield what checks jobs; where there is no workspace yet an empty one that is gone afterwards."""
    found = call.desk.find(call.place)
    if found is not None:
        yield _from(found.reader, folder)
        return
    with TemporaryDirectory(prefix="workbench-check-") as aside:
        client = call.desk.connect(aside)
        with closing(client.context.store):
            yield _from(client, folder)


def _from(client: MLClient, folder: Path) -> JobOperations:
    """Return the operations of a client as if they were called in a folder."""
    return JobOperations(replace(client.context, folder=folder))


def _read(text: str, folder: Path) -> AnyJob:
    fields = from_text(text, _LABEL)
    named = isinstance(fields, Mapping) and fields.get("experiment_name") is not None
    overrides = [] if named else [{"experiment_name": experiment_of(folder)}]
    return load_job(io.StringIO(text), params_override=overrides, relative_origin=folder)


def _definition(form: NotebookJobForm, path: Path, code: Path | None) -> dict[str, Any]:
    """Return the job that a form describes, in the layout of Azure's YAML."""
    part = {
        "notebook": str(path.relative_to(code) if code is not None and path.is_relative_to(code) else path),
        "code": None if code is None else str(code),
        "kernel": form.get("kernel"),
        "environment": form.get("environment"),
    }
    common = {
        "name": form.get("name"),
        "display_name": form.get("displayName"),
        "experiment_name": form.get("experiment"),
        "description": form.get("description"),
        "tags": form.get("tags"),
        "inputs": form.get("inputs"),
        "resources": form.get("resources"),
    }
    sweep = form.get("sweep")
    if sweep is None:
        return _given({"type": "notebook", **part, **common, "limits": _given({"timeout": form.get("timeout")})})
    sampler = sweep.get("sampler")
    limits = {
        "max_total_trials": sweep.get("trials"),
        "max_concurrent_trials": sweep.get("concurrent"),
        "timeout": form.get("timeout"),
        "trial_timeout": sweep.get("trialTimeout"),
    }
    return _given(
        {
            "type": "sweep",
            "trial": _given(part),
            **common,
            "objective": {"primary_metric": sweep["metric"], "goal": sweep["goal"]},
            "sampling_algorithm": sampler,
            "limits": _given(limits),
            "early_termination": sweep.get("stop"),
        }
    )


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {})}


OPERATIONS = (
    Operation(
        "POST", "jobs", _submit, Submitted, query=SubmitQuery, body=Submission, status=201, others=(200,), kind="act"
    ),
)
