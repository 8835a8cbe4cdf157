"""Jobs as plain JSON for the store, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from workbench.definition.checking import one_of
from workbench.definition.command import Command
from workbench.definition.notebook import Notebook
from workbench.definition.sweep import Sweep

__all__ = ["AnyJob", "job_from_record", "to_record"]

AnyJob: TypeAlias = Command | Notebook | Sweep

_JOBS: dict[str, type[Command] | type[Notebook] | type[Sweep]] = {
    "command": Command,
    "notebook": Notebook,
    "sweep": Sweep,
}


def to_record(job: AnyJob) -> dict[str, Any]:
    """Return the definition of a job as JSON types, with a ``type`` to tell the kinds apart."""
    return job.to_dict()


def job_from_record(record: Mapping[str, Any]) -> AnyJob:
    """Return the job that ``to_record`` described; facts are not part of it.

    Raises:
        ValidationException: the record is not one of a job.
    """
    fields = {str(name): value for name, value in record.items() if name != "type"}
    return _JOBS[one_of(record.get("type", "command"), _JOBS, "type of job")](**fields)
