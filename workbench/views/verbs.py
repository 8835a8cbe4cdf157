"""What a view can ask for: each verb takes what was asked and answers with JSON."""

from __future__ import annotations

import codecs
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from workbench.client.machine import MachineWatch
from workbench.client.ml_client import MLClient
from workbench.client.registration import candidate, check_model, register
from workbench.errors import NotFoundError, ValidationException
from workbench.store.records import JobRecord
from workbench.views.facts import JobFacts
from workbench.views.figures import FIGURES, draw
from workbench.views.files import in_trial, written_files
from workbench.views.narrowing import brushed, narrowed_text
from workbench.views.resources import machine, usage
from workbench.views.snapshot import job_snapshot

__all__ = ["VERBS", "Asked", "builder_code"]

_MOST_LOG = 1 << 16  # bytes of a log that one answer holds
_MOST_FILES = 500
_UTF_8 = codecs.getincrementaldecoder("utf-8")

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Asked:
    """What a verb works with.

    Args:
        client: of the workspace.
        facts: of the job that is shown.
        lock: held while facts are read.
        machine: looks at the machine.
        home: the workspace that a notebook finds by itself where the view is shown.
    """

    client: MLClient
    facts: JobFacts
    lock: threading.Lock
    machine: MachineWatch
    home: Path

    def read(self, use: Callable[[JobFacts], _Read]) -> _Read:
        """Return what ``use`` makes of the facts."""
        with self.lock:
            return use(self.facts)

    def trial(self, name: str | None) -> JobRecord:
        """Return the trial called ``name``, the best one for None; the job itself when it is no sweep.

        Raises:
            NotFoundError: it is none of this sweep, or no trial is the best.
        """
        if not self.facts.is_sweep:
            return self.facts.record
        wanted = name or self.facts.best
        if wanted is None:
            raise NotFoundError("no trial has a value of the primary metric yet", self.facts.name)
        if wanted not in self.facts.trials:
            raise NotFoundError(f"{wanted} is no trial of {self.facts.name}", "trial")
        return self.facts.trials[wanted]

    def logged(self, name: str | None) -> JobRecord:
        """Return the trial called ``name``, the best one for None; before any is, the first that runs, or has run.

        Raises:
            NotFoundError: it is none of this sweep, or there is no trial yet.
        """
        if name or self.facts.best or not self.facts.is_sweep:
            return self.trial(name)
        trials = sorted(self.facts.trials.values(), key=lambda trial: trial.number or 0)
        if not trials:
            raise NotFoundError("no trial has been started yet", self.facts.name)
        running = [trial for trial in trials if str(trial.status) == "Running"]
        begun = [trial for trial in trials if trial.started is not None]
        return (running or begun or trials)[0]


def _figure(asked: Asked, kind: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if kind not in FIGURES:
        raise ValidationException(f"no figure {kind!r}", "kind", f"There are: {', '.join(FIGURES)}")
    return draw(kind, options or {}, asked.read, asked.client.context.call).to_json()


def _metrics(asked: Asked) -> list[str]:
    with asked.lock:
        return asked.facts.metrics()


def _log(asked: Asked, trial: str | None = None, offset: int | None = None) -> dict[str, Any]:
    """Return what a log has from ``offset`` on; its end, and from where, when no offset is given.

    The answer says whose log it is and of which attempt: bytes of one log are none of another.
    """
    with asked.lock:
        record = asked.logged(trial)
    folder = asked.client.context.workspace.trial(record.folder)
    path = in_trial(folder, folder.log)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = max(0, size - _MOST_LOG) if offset is None else min(offset, size)
            file.seek(begin)
            text = file.read(_MOST_LOG)
    except FileNotFoundError:
        begin, text = 0, b""
    if offset is None and begin:  # not in the middle of a line
        cut = text.find(b"\n") + 1
        begin, text = begin + cut, text[cut:]
    decoder = _UTF_8(errors="replace")
    shown = decoder.decode(text)
    half = len(decoder.getstate()[0])  # of a character whose other half comes with the next part, or is to be written
    end = begin + len(text) - half
    return {"trial": record.name, "attempt": record.attempt, "begin": begin, "end": end, "text": shown}


def _usage(asked: Asked) -> list[dict[str, Any]]:
    with asked.lock:
        members = [*asked.facts.trials.values()] if asked.facts.is_sweep else [asked.facts.record]
    running = [record for record in members if str(record.status) == "Running"]
    workspace, devices = asked.client.context.workspace, asked.machine.devices()
    return [
        {"name": record.name, "number": record.number, **usage(workspace.trial(record.folder), devices)}
        for record in running
    ]


def _machine(asked: Asked) -> dict[str, Any]:
    return machine(asked.client.context, asked.machine)


def _snapshot(asked: Asked) -> dict[str, str]:
    """Return the last state as a saved notebook keeps it, by MIME type."""
    with asked.lock:
        facts = asked.facts
        return {"text/html": job_snapshot(facts), "text/plain": f"{facts.name}: {facts.record.status}"}


def _outputs(asked: Asked, trial: str | None = None) -> dict[str, Any]:
    record = asked.trial(trial)
    folder = asked.client.context.workspace.trial(record.folder)
    files = islice(written_files(folder.outputs), _MOST_FILES)
    job = asked.client.jobs.get(record.name)
    return {
        "trial": record.name,
        "folder": str(folder.root),
        "notebook": str(folder.notebook) if folder.notebook.exists() else None,
        "values": job.output_values if hasattr(job, "output_values") else {},
        "files": [{"path": str(one.path.relative_to(folder.root)), "bytes": one.size} for one in files],
    }


def _cancel(asked: Asked, names: list[str] | None = None) -> str:
    wanted = [asked.client.jobs.record(name).name for name in names or [asked.facts.name]]  # all of them, or none
    for name in wanted:
        asked.client.jobs.begin_cancel(name)
    return "asked to stop"


def _pause(asked: Asked) -> str:
    asked.client.sweeps.pause(asked.facts.name)
    return "paused: what runs goes on, nothing more starts"


def _resume(asked: Asked) -> str:
    asked.client.sweeps.resume(asked.facts.name)
    return "resumed"


def _extend(asked: Asked, trials: int) -> str:
    asked.client.sweeps.extend(asked.facts.name, trials)
    return f"{trials} more trials"


def _narrow(asked: Asked, ranges: Mapping[str, list[tuple[float, float]]]) -> str:
    """Narrow the search to brushed parts of axes, in the units of the axes."""
    with asked.lock:
        space = brushed(asked.facts, ranges)
    asked.client.sweeps.narrow(asked.facts.name, **space)
    return narrowed_text(space)


def _builder(asked: Asked) -> str:
    return builder_code(asked.facts.name, asked.client.context.workspace.root, asked.home)


def builder_code(name: str, root: Path, home: Path) -> str:
    """Return the code that opens the builder with all a job was submitted with.

    Args:
        name: of the job.
        root: its workspace.
        home: the workspace that a notebook finds by itself where the code is put.
    """
    if root == home.absolute().resolve():
        return f"import workbench\n\nworkbench.builder({json.dumps(name)})"
    client = f"workbench.MLClient(path={json.dumps(str(root))})"
    return f"import workbench\n\nworkbench.builder({json.dumps(name)}, client={client})"


def _rerun(asked: Asked, trial: str | None = None) -> dict[str, Any]:
    again = asked.client.jobs.rerun(trial or asked.facts.name)
    return {"name": again.name, "drift": [str(item) for item in again.drift]}


def _candidate(asked: Asked, trial: str | None = None) -> dict[str, Any]:
    return candidate(asked.client, asked.trial(trial))


def _check_model(asked: Asked, trial: str | None, model: str) -> dict[str, Any]:
    return check_model(asked.client, asked.trial(trial), model)


def _register(asked: Asked, trial: str | None, model: str, name: str, **details: Any) -> dict[str, Any]:
    return register(asked.client, asked.trial(trial), model, name, **details)


VERBS: Mapping[str, Callable[..., Any]] = {
    "figure": _figure,
    "metrics": _metrics,
    "log": _log,
    "usage": _usage,
    "machine": _machine,
    "snapshot": _snapshot,
    "outputs": _outputs,
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "extend": _extend,
    "narrow": _narrow,
    "builder": _builder,
    "rerun": _rerun,
    "candidate": _candidate,
    "check_model": _check_model,
    "register": _register,
}
"""By the names that views use."""
