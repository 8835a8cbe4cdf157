"""What a view shows of a job or sweep, kept up to date by what the store says has changed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.definition.distributions import Choice, Distribution
from workbench.definition.records import job_from_record
from workbench.definition.sweep import Sweep
from workbench.errors import NotFoundError
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import JobRecord, Point
from workbench.trial.progress import read_progress

__all__ = ["Axis", "Change", "Curve", "JobFacts", "finite", "plain"]

_SPARKS = 24  # values that a spark-line shows
_DIGITS = 8  # significant digits that a view gets of a number

Curve = list[tuple[int, float, int]]
"""A metric's points in the order they were logged: step, value, milliseconds since the epoch."""


@dataclass(frozen=True)
class Axis:
    """How a parameter is laid out.

    Args:
        name: the parameter.
        scale: ``log`` and ``linear`` for numbers; ``category`` for the values of a choice, evenly spaced.
        categories: the values of a choice, in the order of the axis.
    """

    name: str
    scale: Literal["linear", "log", "category"]
    categories: tuple[Any, ...] = ()

    def place(self, value: Any) -> float | None:
        """Return where a value lies: itself, its decimal logarithm, or its number among the categories."""
        if self.scale == "category":
            short = _short(value)
            return float(self.categories.index(short)) if short in self.categories else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if self.scale == "log":
            return math.log10(value) if value > 0 else None
        return float(value)


@dataclass(frozen=True)
class Change:
    """What is new since the last look: the names of the trials that have changed, and whether points were added."""

    trials: frozenset[str]
    points: bool


@dataclass
class JobFacts:
    """One job, sweep or trial and, of a sweep, its trials.

    Args:
        store: of the workspace.
        workspace: where the folders are.
        name: the job.

    Raises:
        NotFoundError: there is no such job.
    """

    store: Store
    workspace: WorkspaceFolder
    name: str
    record: JobRecord = field(init=False)
    trials: dict[str, JobRecord] = field(init=False, default_factory=dict)
    curves: dict[str, dict[str, Curve]] = field(init=False, default_factory=dict)
    """By metric and trial; of a sweep the primary metric is always there, others once they were asked for."""
    axes: tuple[Axis, ...] = field(init=False, default=())
    metric: str | None = field(init=False, default=None)
    goal: str = field(init=False, default="maximize")
    _cursor: int = field(init=False, default=0)
    _progress: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._cursor = self.store.now()
        record = self.store.job(self.name)
        if record is None:
            raise NotFoundError(f"no job named {self.name!r}", str(self.workspace.root))
        self.record = record
        if self.is_sweep:
            config = json.loads(record.properties["primary_metric_config"])
            self.metric, self.goal = str(config["name"]), str(config["goal"]).lower()
            self._take_trials(self.store.children(self.name))
            self.curves[self.metric] = self._curves(self.metric)
            self.axes = _axes(record, self.trials.values())
        else:
            self._take_points(self.store.points(self.name, until=self._cursor))

    @property
    def is_sweep(self) -> bool:
        """Whether this has trials."""
        return self.record.type == "sweep"

    @property
    def best(self) -> str | None:
        """The name of the best trial."""
        return self.record.properties.get("best_child_run_id")

    def metrics(self) -> list[str]:
        """Return the names of all metrics, the primary one first."""
        names = self.store.metric_keys(self.name) if self.is_sweep else sorted(self.curves)
        return sorted(names, key=lambda name: (name != self.metric, name))

    def curves_of(self, metric: str) -> dict[str, Curve]:
        """Return a metric's points by trial, and keep them up to date from now on."""
        if metric not in self.curves and self.is_sweep:
            self.curves[metric] = self._curves(metric)
        return self.curves.get(metric, {})

    def refresh(self) -> Change | None:
        """Take up what was written since the last look; None when nothing was."""
        changes = self.store.changes(self._cursor, self.name)
        self._cursor = changes.cursor
        moved = self._refresh_progress()
        if not (changes.jobs or changes.points or moved):
            return None
        before = self.record
        for record in changes.jobs:
            if record.name == self.name:
                self._take_itself(record)
        fresh = [record for record in changes.jobs if record.parent == self.name]
        self._take_trials(fresh)
        self._take_points(changes.points)
        if self.is_sweep and (self.record.definition != before.definition or self._leave_the_axes(fresh)):
            self.axes = _axes(self.record, self.trials.values())
        names = {record.name for record in changes.jobs} | {point.job for point in changes.points} | moved
        return Change(frozenset(names & self.trials.keys()), bool(changes.points))

    # What goes to a view

    def header(self) -> dict[str, Any]:
        """Return what stands above the trials, as JSON."""
        record = self.record
        best = self.trials.get(self.best or "")
        return {
            "name": record.name,
            "type": "notebook" if record.type == "command" and record.launch.get("notebook") else record.type,
            "parent": record.parent,
            "status": str(record.status),
            "displayName": record.display_name,
            "experiment": record.experiment_name,
            "description": record.description,
            "reason": record.reason,
            "error": record.error,
            "created": record.created,
            "started": record.started,
            "ended": record.ended,
            "held": record.held,
            "metric": None if self.metric is None else {"name": self.metric, "goal": self.goal},
            "axes": [
                {"name": axis.name, "scale": axis.scale, "categories": list(axis.categories)} for axis in self.axes
            ],
            "counts": self._counts(),
            **self._limits(),
            "best": None if best is None else {"name": best.name, "number": best.number, "score": finite(best.score)},
            "remaining": self._remaining(),
            "params": plain({**record.launch.get("literals", {}), **record.params}),
            "now": time.time(),
        }

    def rows(self, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Return all trials, or those of some names, as JSON in order of their numbers."""
        chosen = self.trials.values() if names is None else (self.trials[name] for name in names)
        return [self._row(trial) for trial in sorted(chosen, key=lambda trial: trial.number or 0)]

    def _row(self, trial: JobRecord) -> dict[str, Any]:
        curve = self.curves.get(self.metric or "", {}).get(trial.name, [])
        values = [value for _, value, _ in curve if math.isfinite(value)]
        diverged = bool(curve) and not math.isfinite(curve[-1][1])
        return {
            "name": trial.name,
            "number": trial.number,
            "status": str(trial.status),
            "params": {name: _short(value) for name, value in trial.params.items()},
            "score": finite(trial.score),
            "last": finite(values[-1]) if values and not diverged else None,
            "diverged": diverged,
            "spark": [finite(value) for value in _thinned(values)],
            "started": trial.started,
            "ended": trial.ended,
            "reason": trial.reason,
            "progress": self._progress.get(trial.name),
            "attempt": trial.attempt,
        }

    # Keeping up

    def _take_itself(self, record: JobRecord) -> None:
        if not self.is_sweep and record.attempt != self.record.attempt:  # tried again: its points have left the store
            self.curves.clear()
        self.record = record

    def _take_trials(self, records: Iterable[JobRecord]) -> None:
        for record in records:
            known = self.trials.get(record.name)
            if known is not None and known.attempt != record.attempt:  # tried again: its points have left the store
                for curves in self.curves.values():
                    curves.pop(record.name, None)
            self.trials[record.name] = record

    def _curves(self, metric: str) -> dict[str, Curve]:
        """Return a metric's points as of the last look: those written since come with the next one, and only then."""
        return self.store.curves(self.name, metric, self._cursor)

    def _take_points(self, points: Iterable[Point]) -> None:
        for point in points:
            curves = self.curves.get(point.key)
            if curves is None:
                if self.is_sweep:
                    continue
                curves = self.curves[point.key] = {}
            curves.setdefault(point.job, []).append((point.step, point.value, point.time))

    def _leave_the_axes(self, trials: Iterable[JobRecord]) -> bool:
        """Whether a trial has a value that an axis has no place for, as one enqueued by hand may."""
        return any(
            axis.scale == "category" and axis.name in trial.params and axis.place(trial.params[axis.name]) is None
            for trial in trials
            for axis in self.axes
        )

    def _refresh_progress(self) -> set[str]:
        """Look how far running notebooks are; return the trials that have come further."""
        members = self.trials.values() if self.is_sweep else (self.record,)
        running = {record.name: record for record in members if str(record.status) == "Running"}
        now = {
            name: str(progress)
            for name, record in running.items()
            if (progress := read_progress(self.workspace.trial(record.folder)))
        }
        moved = {name for name in now.keys() | self._progress.keys() if now.get(name) != self._progress.get(name)}
        self._progress = now
        return moved

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for trial in self.trials.values():
            counts[str(trial.status)] = counts.get(str(trial.status), 0) + 1
        return counts

    def _limits(self) -> dict[str, int | None]:
        limits = self.record.definition.get("limits") or {}
        return {"total": limits.get("max_total_trials"), "concurrent": limits.get("max_concurrent_trials")}

    def _remaining(self) -> float | None:
        """Return about how many seconds are left: the trials to come, by the mean time of those that ended."""
        total = self._limits()["total"]
        took = [trial.duration for trial in self.trials.values() if trial.duration is not None]
        if self.record.status.is_finished or self.record.held or total is None or not took:
            return None
        unfinished = [trial for trial in self.trials.values() if not trial.status.is_finished]
        side_by_side = self._limits()["concurrent"] or max(1, len(unfinished))
        return max(0, total - len(took)) * (sum(took) / len(took)) / side_by_side


def finite(value: float | None) -> float | None:
    """Return a number as JSON can hold it: None in the place of what is none, or endless."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def plain(value: Any) -> Any:
    """Return a value of a parameter as JSON can hold it; numbers as :func:`finite` has them."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return finite(value)
    return value if isinstance(value, int | str | bool) else json.dumps(value)


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """Return at most ``_SPARKS`` values, evenly spaced, the last one among them."""
    if len(values) <= _SPARKS:
        return values
    return [values[round(index * (len(values) - 1) / (_SPARKS - 1))] for index in range(_SPARKS)]


def _axes(record: JobRecord, trials: Iterable[JobRecord]) -> tuple[Axis, ...]:
    sweep = job_from_record(record.definition)
    space: Mapping[str, Distribution] = sweep.search_space if isinstance(sweep, Sweep) else {}
    axes = []
    trials = list(trials)
    for name, distribution in space.items():
        if isinstance(distribution, Choice):
            plain = [value for value in distribution.values if not isinstance(value, Mapping)]
            seen = [_short(trial.params[name]) for trial in trials if name in trial.params]
            axes.append(Axis(name, "category", _in_order(dict.fromkeys([*plain, *seen]))))
        else:
            axes.append(Axis(name, "log" if distribution.log else "linear"))
    return tuple(axes)


def _in_order(values: Iterable[Any]) -> tuple[Any, ...]:
    """Sort what can be compared; text and mixtures stay in the order they came."""
    found = list(values)
    if all(isinstance(value, int | float) for value in found):
        return tuple(sorted(found))
    return tuple(found)
