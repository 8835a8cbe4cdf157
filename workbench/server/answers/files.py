"""Logs and artifacts: never anything outside of the job's folder."""

from __future__ import annotations

import mimetypes
from itertools import islice
from pathlib import Path

from typing_extensions import TypedDict

from workbench.errors import NotFoundError
from workbench.server.operations import Call, FileAnswer, Operation
from workbench.server.places import file_inside
from workbench.views.files import in_trial, written_files

__all__ = ["OPERATIONS", "Artifact", "Artifacts"]

_MOST_FILES = 5000


class Artifact(TypedDict):
    """A file: its path among the job's artifacts, its size in bytes, and when it was written last."""

    path: str
    bytes: int
    modified: float


class Artifacts(TypedDict):
    """The files that a job has written, by path; ``more`` where there are too many to list.

    ``folder`` is relative to the folder that the server serves.
    """

    folder: str
    files: list[Artifact]
    more: bool


def _log(call: Call) -> FileAnswer:
    """What a job or trial has printed; a range of bytes for what is new. Empty while nothing is there."""
    record = call.reader.jobs.record(call.name)
    if record.type == "sweep":
        raise NotFoundError(f"{record.name} is a sweep, which has no log", "name", "Ask for one of its trials")
    folder = call.reader.context.workspace.trial(record.folder)
    return FileAnswer(in_trial(folder, folder.log), "text/plain; charset=utf-8")


def _artifacts(call: Call) -> Artifacts:
    """The files that a job or trial has written."""
    folder = _folder(call)
    found = list(islice(written_files(folder), _MOST_FILES + 1))
    files: list[Artifact] = [
        {"path": one.path.relative_to(folder).as_posix(), "bytes": one.size, "modified": one.modified}
        for one in found[:_MOST_FILES]
    ]
    return {"folder": call.workspace.summaries.path(folder), "files": files, "more": len(found) > _MOST_FILES}


def _artifact(call: Call) -> FileAnswer:
    """One of these files, to be saved."""
    path = file_inside(_folder(call), call.names["path"])
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileAnswer(path, kind, path.name)


def _folder(call: Call) -> Path:
    record = call.reader.jobs.record(call.name)
    folder = call.reader.context.workspace.trial(record.folder)
    in_trial(folder, folder.artifacts)
    return folder.artifacts


OPERATIONS = (
    Operation("GET", "jobs/{name}/log", _log, None),
    Operation("GET", "jobs/{name}/artifacts", _artifacts, Artifacts),
    Operation("GET", "jobs/{name}/artifacts/{path}", _artifact, None),
)
