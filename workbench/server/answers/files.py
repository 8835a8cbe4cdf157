"""Logs and artifacts: never anything outside of the job's folder."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import TypedDict

from workbench.errors import NotFoundError
from workbench.server.operations import Call, FileAnswer, Operation
from workbench.server.places import file_inside

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
    return FileAnswer(call.reader.context.workspace.trial(record.folder).log, "text/plain; charset=utf-8")


def _artifacts(call: Call) -> Artifacts:
    """The files that a job or trial has written."""
    folder = _folder(call)
    files: list[Artifact] = []
    for path in _files(folder):
        if len(files) == _MOST_FILES:
            break
        status = path.stat(follow_symlinks=False)
        name = path.relative_to(folder).as_posix()
        files.append({"path": name, "bytes": status.st_size, "modified": status.st_mtime})
    else:
        return {"folder": call.workspace.summaries.path(folder), "files": files, "more": False}
    return {"folder": call.workspace.summaries.path(folder), "files": files, "more": True}


def _artifact(call: Call) -> FileAnswer:
    """One of these files, to be saved."""
    path = file_inside(_folder(call), call.names["path"])
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileAnswer(path, kind, path.name)


def _folder(call: Call) -> Path:
    record = call.reader.jobs.record(call.name)
    return call.reader.context.workspace.trial(record.folder).artifacts


def _files(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a folder, its sub-folders in order; links are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # nothing was written yet, or it has just been removed
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


OPERATIONS = (
    Operation("GET", "jobs/{name}/log", _log, None),
    Operation("GET", "jobs/{name}/artifacts", _artifacts, Artifacts),
    Operation("GET", "jobs/{name}/artifacts/{path}", _artifact, None),
)
