"""From rows of the store to the entities that users hold: snapshots, never live."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from workbench.client.context import Context
from workbench.client.table import trials_of
from workbench.definition.command import Command, child
from workbench.definition.notebook import Notebook
from workbench.definition.records import AnyJob, job_from_record
from workbench.definition.sweep import Sweep
from workbench.store.records import JobRecord
from workbench.trial.outputs import read_outputs
from workbench.trial.progress import read_progress

__all__ = ["Service", "job_entity", "trial_entities"]


class Service(dict[str, str]):
    """One of a job's services; its entries are attributes too, as Azure's code expects."""

    def __getattr__(self, name: str) -> str:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def job_entity(record: JobRecord, context: Context) -> AnyJob:
    """Return the entity of a job, a sweep, or a trial with its parameters and score."""
    if record.parent is not None:
        parent = context.store.job(record.parent)
        if parent is not None:
            return trial_entities(parent, [record], context)[0]
    job = job_from_record(record.definition).with_fields(
        display_name=record.display_name,
        experiment_name=record.experiment_name,
        description=record.description,
        tags=dict(record.tags),
    )
    return job.with_facts(**_facts(record, record, context))


def trial_entities(parent: JobRecord, records: list[JobRecord], context: Context) -> list[Command | Notebook]:
    """Return the entities of trials of one sweep."""
    sweep = job_from_record(parent.definition)
    if not isinstance(sweep, Sweep):
        raise TypeError(f"{parent.name} is no sweep")
    return [
        child(sweep, record.number or 0, record.params)
        .with_fields(display_name=record.display_name, tags=dict(record.tags))
        .with_facts(**_facts(record, parent, context))
        for record in records
    ]


def _facts(record: JobRecord, job: JobRecord, context: Context) -> dict[str, Any]:
    folder = context.workspace.trial(record.folder)
    launch: Mapping[str, Any] = job.launch
    return {
        "status": record.status,
        "error": record.error,
        "reason": record.reason,
        "score": record.score,
        "params": dict(record.params) if record.parent else None,
        "properties": dict(record.properties),
        "progress": None if record.status.is_finished or not (now := read_progress(folder)) else str(now),
        "workspace": str(context.workspace.root),
        "read_outputs": partial(read_outputs, folder.output_values),
        "read_trials": partial(trials_of, context.workspace.root, record.name) if record.type == "sweep" else None,
        "folder": str(folder.root),
        "studio_url": folder.root.as_uri(),
        "log_files": {} if record.type == "sweep" else {"user_logs/std_log.txt": str(folder.log)},
        "parameters": {**launch.get("literals", {}), **record.params},
        "services": {
            "Tracking": Service(type="Tracking", endpoint=context.workspace.mlflow_uri),
            "Studio": Service(type="Studio", endpoint=folder.root.as_uri()),
        },
        "creation_context": SimpleNamespace(
            created_at=datetime.fromtimestamp(record.created, UTC),
            created_by=getpass.getuser(),
            started_at=_moment(record.started),
            ended_at=_moment(record.ended),
        ),
    }


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
