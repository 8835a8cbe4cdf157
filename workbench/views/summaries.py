"""Jobs as lists show them, as JSON: what a panel needs of each, and nothing that costs more to know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from workbench.definition.status import JobStatus
from workbench.store.database import Store
from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.store.overview import Overview, Wanted
from workbench.trial.progress import read_progress
from workbench.views.facts import finite, plain

__all__ = ["Best", "Metric", "Summaries", "Summary", "WorkspaceFacts"]

_TRIAL = TrialFolder(Path())
_NOTEBOOK, _LOG = _TRIAL.notebook.as_posix(), _TRIAL.log.as_posix()  # paths are slow where there are thousands


class Metric(TypedDict):
    """The primary metric of a sweep; the goal is ``maximize`` or ``minimize``."""

    name: str
    goal: str


class Best(TypedDict):
    """The best trial of a sweep so far."""

    name: str
    number: int | None
    score: float | None


class Summary(TypedDict):
    """A job, a sweep or a trial in a list.

    Times are seconds since the epoch; paths are relative to the folder that the server serves.
    """

    name: str
    type: Literal["command", "notebook", "sweep", "trial"]
    runs: Literal["command", "notebook"]
    parent: str | None
    number: int | None
    displayName: str
    experiment: str
    description: str | None
    status: str
    held: bool
    reason: str | None
    error: str | None
    created: float
    started: float | None
    ended: float | None
    archived: bool
    attempt: int
    metric: Metric | None
    best: Best | None
    score: float | None
    counts: dict[str, int]
    total: int | None
    params: dict[str, Any]
    progress: str | None
    tags: dict[str, str]
    folder: str
    notebook: str | None
    log: str | None
    seq: int


class WorkspaceFacts(TypedDict):
    """A workspace: its folder, and that relative to the folder that the server serves (empty where it is that)."""

    root: str
    relative: str
    exists: bool
    experiments: list[str]


class Summaries:
    """Writes summaries of the jobs of one workspace.

    Args:
        workspace: where their folders are.
        root: what paths are told relative to.
    """

    def __init__(self, workspace: WorkspaceFolder, root: Path) -> None:
        self._workspace = workspace
        self._root = root
        self._runs = self.path(workspace.runs)

    def of(self, overviews: Iterable[Overview], store: Store) -> list[Summary]:
        """Return the summaries of jobs, in their order.

        Args:
            overviews: the jobs.
            store: where the sweeps of trials are looked up.
        """
        overviews = list(overviews)
        known = {overview.record.name: overview for overview in overviews}
        missing = {one.record.parent for one in overviews if one.record.parent} - known.keys()
        if missing:
            found = store.overviews(Wanted(names=sorted(missing), archived=None))
            known |= {overview.record.name: overview for overview in found}
        return [self._one(overview, known.get(overview.record.parent or "", overview)) for overview in overviews]

    def workspace(self, store: Store | None) -> WorkspaceFacts:
        """Return what there is to say of the workspace itself; without a store it does not exist yet."""
        return {
            "root": str(self._workspace.root),
            "relative": self.path(self._workspace.root),
            "exists": store is not None,
            "experiments": [] if store is None else store.experiments(),
        }

    def progress(self, overview: Overview) -> str | None:
        """Return how far a notebook is, in words, while it runs."""
        if overview.record.status is not JobStatus.RUNNING:
            return None
        found = read_progress(self._workspace.trial(overview.record.folder))
        return None if found is None else str(found)

    def path(self, path: Path) -> str:
        """Return a path of the workspace relative to the root."""
        relative = path.relative_to(self._root).as_posix()
        return "" if relative == "." else relative

    def _one(self, overview: Overview, job: Overview) -> Summary:
        record = overview.record
        folder = f"{self._runs}/{record.folder}"
        of_notebook = job.kind == "notebook"
        is_sweep = record.type == "sweep"
        begun = not is_sweep and record.started is not None
        notebook = of_notebook and begun and self._workspace.trial(record.folder).notebook.exists()
        return {
            "name": record.name,
            "type": "notebook" if record.type == "command" and of_notebook else record.type,
            "runs": "notebook" if of_notebook else "command",
            "parent": record.parent,
            "number": record.number,
            "displayName": record.display_name,
            "experiment": record.experiment_name,
            "description": record.description,
            "status": str(record.status),
            "held": record.held,
            "reason": record.reason,
            "error": record.error,
            "created": record.created,
            "started": record.started,
            "ended": record.ended,
            "archived": record.archived,
            "attempt": record.attempt,
            "metric": None if (metric := job.metric) is None else {"name": metric[0], "goal": metric[1]},
            "best": _best(overview),
            "score": finite(record.score),
            "counts": dict(overview.counts),
            "total": overview.total,
            "params": plain(record.params if record.parent else overview.literals),
            "progress": self.progress(overview) if of_notebook and not is_sweep else None,
            "tags": {name: str(value) for name, value in record.tags.items()},
            "folder": folder,
            "notebook": f"{folder}/{_NOTEBOOK}" if notebook else None,
            "log": f"{folder}/{_LOG}" if begun else None,
            "seq": record.seq,
        }


def _best(overview: Overview) -> Best | None:
    name = overview.best
    if name is None or overview.record.type != "sweep":
        return None
    number = name.rpartition("_")[2]
    return {
        "name": name,
        "number": int(number) if number.isdigit() else None,
        "score": finite(overview.record.score),
    }
