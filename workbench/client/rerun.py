"""Running a job again as it was."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.client.circumstances import drift
from workbench.client.context import Context
from workbench.definition.command import child
from workbench.definition.naming import generate_name
from workbench.definition.records import job_from_record, to_record
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.errors import NotFoundError
from workbench.store.records import JobRecord

__all__ = ["Rerun", "prepare_rerun"]

_ENDINGS = ("workbench.final_status", "workbench.gpus", "best_child_run_id", "score", "best_metric_status")
_EDITS = ("enqueued", "narrowed_at", "reopened")


@dataclass(frozen=True)
class Rerun:
    """A job that runs again.

    Args:
        name: of the new job.
        drift: what is not as it was, one line each; empty when all is.
    """

    name: str
    drift: Sequence[str]


def prepare_rerun(record: JobRecord, context: Context) -> tuple[JobRecord, Rerun]:
    """Return the row of a new job with the code, inputs, seed and environment of ``record``, and what has changed.

    A trial of a sweep becomes a job of its own with the trial's parameters.

    Raises:
        NotFoundError: its code or data are gone.
    """
    job = context.store.job(record.parent) or record if record.parent else record
    launch = {name: value for name, value in job.launch.items() if name not in _EDITS}
    _check_still_there(launch, context)
    name = generate_name()
    now = time.time()
    again = replace(
        record,
        name=name,
        type="command" if record.parent else record.type,
        parent=None,
        number=None,
        status=JobStatus.NOT_STARTED,
        folder=name,
        definition=_definition(record, job, name),
        launch=launch,
        properties=_properties(record, job),
        score=None,
        reason=None,
        error=None,
        created=now,
        position=now,
        started=None,
        ended=None,
        archived=False,
        metrics_read=0,
        origin="sampled",
        attempt=1,
        held=False,
    )
    return again, Rerun(name, drift(launch, job.properties, context.workspace))


def _definition(record: JobRecord, job: JobRecord, name: str) -> dict[str, object]:
    definition = job_from_record(job.definition)
    if record.parent and isinstance(definition, Sweep):
        definition = child(definition, record.number or 0, record.params)
    return to_record(definition.with_fields(name=name))


def _properties(record: JobRecord, job: JobRecord) -> dict[str, str]:
    kept = {name: value for name, value in job.properties.items() if name not in _ENDINGS}
    if record.parent:
        kept = {name: value for name, value in kept.items() if not name.startswith(("primary_metric", "space_size"))}
    return {**kept, "workbench.rerun_of": record.name}


def _check_still_there(launch: dict[str, object], context: Context) -> None:
    snapshot = launch.get("snapshot")
    if snapshot and not (context.workspace.snapshots / str(snapshot)).is_dir():
        raise NotFoundError(
            "the code of that job is gone", str(context.workspace.snapshots / str(snapshot)), "Submit it as a new job"
        )
