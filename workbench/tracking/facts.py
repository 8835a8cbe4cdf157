"""What MLflow is told about a job: from a record of the store, or from the file that a trial finds in its folder."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from workbench.definition.status import JobStatus
from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.store.records import FINAL_STATUS, JobRecord
from workbench.tracking.names import PARAM_LIMIT, TAG_LIMIT, acceptable_key, shortened

__all__ = ["RunFacts", "facts_of_record", "facts_of_trial", "primary_metric", "trial_params"]

_RUN_STATUS = {
    JobStatus.NOT_STARTED: "SCHEDULED",
    JobStatus.STARTING: "SCHEDULED",
    JobStatus.PREPARING: "SCHEDULED",
    JobStatus.QUEUED: "SCHEDULED",
    JobStatus.RUNNING: "RUNNING",
    JobStatus.FINALIZING: "RUNNING",
    JobStatus.CANCEL_REQUESTED: "RUNNING",
    JobStatus.NOT_RESPONDING: "RUNNING",
    JobStatus.COMPLETED: "FINISHED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELED: "KILLED",
}
_LINEAGE = ("snapshot", "environment", "seed")


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """One run as MLflow shall show it.

    Args:
        run_id: the job's name.
        experiment: name of the experiment.
        name: what people see.
        artifacts: folder of the run's artifacts.
        status: MLflow's word for the state.
        start, end: milliseconds since the epoch.
        params: written once; MLflow's params never change.
    """

    run_id: str
    experiment: str
    name: str
    artifacts: Path
    status: str
    start: int
    end: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


def facts_of_record(record: JobRecord, parent: JobRecord | None, workspace: WorkspaceFolder) -> RunFacts:
    """Return what MLflow is told about the job ``record``; a trial has its definition from ``parent``."""
    source = parent or record
    status = _effective(record)
    return RunFacts(
        run_id=record.name,
        experiment=record.experiment_name,
        name=record.display_name,
        artifacts=workspace.trial(record.folder).artifacts,
        status=_RUN_STATUS[status],
        start=_milliseconds(record.started or record.created),
        end=_milliseconds(record.ended) if status.is_finished and record.ended else None,
        tags=_checked(_tags(record, source), TAG_LIMIT),
        params=_checked(_literals(source.definition) | dict(record.params), PARAM_LIMIT),
    )


def facts_of_trial(spec: Mapping[str, Any], folder: TrialFolder) -> RunFacts:
    """Return the run of the trial in ``folder`` as the trial itself knows it from its ``trial.json``.

    Its params are left to the mirror: until then the user's code may log them in its own words.
    """
    parent = spec.get("parent")
    tags = dict(spec.get("tags") or {}) | ({"mlflow.parentRunId": parent} if parent else {})
    return RunFacts(
        run_id=spec["name"],
        experiment=spec["experiment_name"],
        name=spec.get("display_name") or spec["name"],
        artifacts=folder.artifacts,
        status="RUNNING",
        start=_milliseconds(spec["created"]),
        tags=_checked(tags, TAG_LIMIT),
    )


def trial_params(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return the params that the mirror writes for the trial described by ``spec``."""
    return _checked(dict(spec.get("inputs") or {}) | dict(spec.get("params") or {}), PARAM_LIMIT)


def primary_metric(definition: Mapping[str, Any]) -> str | None:
    """Return the metric that a sweep optimises."""
    objective = definition.get("objective")
    return objective.get("primary_metric") if isinstance(objective, Mapping) else None


def _tags(record: JobRecord, source: JobRecord) -> dict[str, object]:
    properties, launch = record.properties, record.launch or source.launch
    notebook = _of_command(source.definition, "notebook")
    return dict(record.tags) | {
        "mlflow.parentRunId": record.parent,
        "mlflow.user": _user(),
        "mlflow.source.name": notebook or _of_command(source.definition, "command"),
        "mlflow.source.type": "NOTEBOOK" if notebook else "LOCAL",
        "mlflow.note.content": record.description,
        "workbench.type": record.type,
        "workbench.sweep": record.parent,
        "workbench.reason": record.reason,
        "workbench.score": record.score,
        "workbench.best_child_run_id": properties.get("best_child_run_id"),
        **{f"workbench.{key}": launch.get(key) for key in _LINEAGE},
        **{key: value for key, value in (dict(source.properties) | dict(properties)).items() if ".git." in key},
    }


def _literals(definition: Mapping[str, Any]) -> dict[str, object]:
    inputs = _of_command(definition, "inputs")
    if not isinstance(inputs, Mapping):
        return {}
    return {
        name: value
        for name, value in inputs.items()
        if not isinstance(value, Mapping | list) and not str(value).startswith("${{")
    }


def _of_command(definition: Mapping[str, Any], key: str) -> Any:
    """Return a field of a command, or of the command that a sweep repeats."""
    trial = definition.get("trial")
    return definition.get(key) or (trial.get(key) if isinstance(trial, Mapping) else None)


def _checked(values: Mapping[str, object], limit: int) -> dict[str, str]:
    return {
        acceptable_key(str(key)): shortened(str(value), limit) for key, value in values.items() if value is not None
    }


def _effective(record: JobRecord) -> JobStatus:
    """Return the status a run shall have: a job that only waits for MLflow to know it all has ended already."""
    if record.status is JobStatus.FINALIZING and (final := record.properties.get(FINAL_STATUS)):
        return JobStatus(final)
    return record.status


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


@cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in bare containers
        return str(os.getuid())
