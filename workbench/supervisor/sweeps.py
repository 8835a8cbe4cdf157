"""What one sweep wants next: decisions only, from what its trials have said so far.

Holds nothing that could not be rebuilt from the store, and touches no file and no process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.definition.checks import DEFAULT_MAX_TOTAL_TRIALS
from workbench.definition.objective import Objective
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.errors import ValidationException
from workbench.search.samplers import Observation, make_sampler
from workbench.search.space import key
from workbench.search.stopping import Judge, Stop
from workbench.store.records import JobRecord
from workbench.trial.spec import LOST

__all__ = ["Ending", "Proposal", "SweepRun", "objective_of"]

ALIKE = 3
"""So many first trials that fail with the same error end a sweep: the rest would only fail again."""


@dataclass(frozen=True)
class Proposal:
    """Parameters of the next trial, and where they come from."""

    params: Mapping[str, Any]
    origin: Literal["sampled", "enqueued"]


@dataclass(frozen=True)
class Ending:
    """How a sweep ends once its running trials have: its status, why, and the error of a failed one."""

    status: JobStatus
    reason: str
    error: str | None = None


class SweepRun:
    """The state of a running sweep.

    Args:
        record: the sweep's row.
        sweep: its definition.
        children: the rows of the trials it has so far, in order of their numbers.
        series: values of the primary metric of each trial, in the order they were logged.
    """

    def __init__(
        self,
        record: JobRecord,
        sweep: Sweep,
        children: Iterable[JobRecord] = (),
        series: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.name = record.name
        self._reopened = record.launch.get("reopened")
        self.started: float | None = self._reopened or record.started
        self.concurrency = int(record.launch["concurrency"])
        self.total = sweep.limits.max_total_trials or DEFAULT_MAX_TOTAL_TRIALS
        self.retries = dict(sweep.retries)
        self.enqueued: list[dict[str, Any]] = [dict(params) for params in record.launch.get("enqueued", ())]
        self.timeout = sweep.limits.timeout
        objective = objective_of(sweep)
        self.metric = objective.primary_metric
        self.goal = objective.goal
        self.ending: Ending | None = None
        self.running: set[str] = set()
        self._judge = Judge(sweep.early_termination, self.goal)
        self._sampler = make_sampler(
            sweep.sampling_algorithm, sweep.search_space, self.goal, int(record.launch["seed"])
        )
        self._history: list[Observation] = []
        # Narrowing starts the draws over, in a space of its own, so that what comes depends on the seed alone.
        self._first_draw = int(record.launch.get("narrowed_at", 0))
        self._drawn = 0
        self._names: dict[str, int] = {}
        self._statuses: dict[str, JobStatus] = {}
        self._scores: dict[str, float] = {}
        self._best: str | None = None
        self._ended = self._completed = 0
        self._errors: list[str] = []
        self._exhausted = False
        # Judgements that were due before this process lived were made by the one before it.
        for name, values in (series or {}).items():
            self._take(name, values)
        for child in children:
            self.add(child)
            if child.status.is_finished:
                self.end(child.name, child.status, child.error)

    @property
    def next_number(self) -> int:
        """The number of the next trial: dense from 0."""
        return len(self._history)

    @property
    def wants_trial(self) -> bool:
        """Whether another trial may start now, as far as the sweep itself is concerned."""
        return (
            self.ending is None
            and len(self.running) < self.concurrency
            and (bool(self.enqueued) or (not self._exhausted and self._sampled_left))
        )

    @property
    def _sampled_left(self) -> bool:
        return self.next_number < self.total

    def propose(self) -> Proposal | None:
        """Return the next trial, or None when the search space holds no more."""
        if self.enqueued:
            return Proposal(self.enqueued[0], "enqueued")
        params = self._draw()
        self._exhausted = params is None
        return None if params is None else Proposal(params, "sampled")

    def _draw(self) -> dict[str, Any] | None:
        number = self._drawn - self._first_draw
        if not self._first_draw:
            return self._sampler.propose(number, self._history)
        tried = {key(observation.params) for observation in self._history}
        while (params := self._sampler.propose(number, self._history)) is not None and key(params) in tried:
            number += 1  # a grid that was narrowed comes by combinations that it has been at before
        return params

    def add(self, trial: JobRecord) -> None:
        """Take note of a trial that was started."""
        if trial.origin == "sampled":
            self._drawn += 1
        self._names[trial.name] = self.next_number
        self._statuses[trial.name] = trial.status
        self._history.append(
            Observation(
                number=self.next_number,
                params=dict(trial.params),
                score=self.score(trial.name),
                finished=False,
                failed=False,
            )
        )
        self.running.add(trial.name)
        self._rank(trial.name)

    def report(self, trial: str, values: Sequence[float]) -> Stop | None:
        """Take note of values of the primary metric that ``trial`` logged; return why it must stop, if it must."""
        known = self._take(trial, values)
        self._observe(trial)
        return self._judge.judge(trial, after=known - len(values))

    def end(self, trial: str, status: JobStatus, error: str | None) -> None:
        """Take note that ``trial`` has ended; ends the whole sweep when its first trials all fail alike."""
        self.running.discard(trial)
        self._statuses[trial] = status
        self._observe(trial)
        if status is JobStatus.FAILED:
            self._errors.append(error or "no error was recorded")
        self._ended += 1
        self._completed += status is JobStatus.COMPLETED
        alike = self._ended == len(self._errors) == ALIKE < self.total and len(set(map(_signature, self._errors))) == 1
        # A machine that restarts takes all running trials with it, and says nothing about the next ones.
        if alike and not self._reopened and LOST not in self._errors:
            self.ending = self.ending or Ending(
                JobStatus.FAILED, f"the first {ALIKE} trials all failed with the same error", self._errors[0]
            )

    def score(self, trial: str) -> float | None:
        """Return the best value that ``trial`` has logged of the primary metric, by the goal."""
        return self._scores.get(trial)

    def best(self) -> tuple[str, float] | None:
        """Return name and score of the best trial: of the completed ones, or of the others if none has completed.

        A failed trial is never the best; one that was cut short has the score but not the model.
        """
        return None if self._best is None else (self._best, self._scores[self._best])

    @property
    def completed(self) -> int:
        """How many trials have completed."""
        return self._completed

    def outcome(self) -> Ending | None:
        """Return how the sweep has ended, or None while a trial runs or another one could start."""
        if self.running:
            return None
        if self.ending:
            return self.ending
        if self.enqueued or (self._sampled_left and not self._exhausted):
            return None
        if self.next_number and len(self._errors) == self.next_number:
            return Ending(JobStatus.FAILED, f"all {self.next_number} trials failed", self._errors[0])
        if self._exhausted and self.next_number < self.total:
            return Ending(
                JobStatus.COMPLETED,
                f"the search space is exhausted: its {self.next_number} combinations have all been tried "
                f"({self.total} trials were allowed)",
            )
        return Ending(JobStatus.COMPLETED, f"all {self.next_number} trials have ended")

    def _take(self, trial: str, values: Sequence[float]) -> int:
        """Take in values and return how many the trial has reported in all."""
        count = 0
        for value in values:
            count = self._judge.add(trial, value)
        numbers = [value for value in values if not math.isnan(value)]
        if trial in self._scores:
            numbers.append(self._scores[trial])
        if numbers:
            self._scores[trial] = max(numbers) if self.goal == "maximize" else min(numbers)
        return count

    def _observe(self, trial: str) -> None:
        number = self._names[trial]
        status = self._statuses[trial]
        self._history[number] = Observation(
            number=number,
            params=self._history[number].params,
            score=self.score(trial),
            finished=status.is_finished,
            failed=status is JobStatus.FAILED,
        )
        self._rank(trial)

    def _rank(self, trial: str) -> None:
        """Keep the best one known without looking at all of them, unless the best itself has fallen."""
        if trial == self._best:
            candidates = [name for name in self._names if self._merit(name)]
            self._best = max(candidates, key=self._merit, default=None)
        elif (merit := self._merit(trial)) and (self._best is None or merit > self._merit(self._best)):
            self._best = trial

    def _merit(self, trial: str) -> tuple[bool, float, int] | tuple[()]:
        score = self.score(trial)
        status = self._statuses[trial]
        if score is None or status is JobStatus.FAILED:
            return ()
        signed = score if self.goal == "maximize" else -score
        return status is JobStatus.COMPLETED, signed, -self._names[trial]


def objective_of(sweep: Sweep) -> Objective:
    """Return the objective, which every sweep that passed the checks at submit has.

    Raises:
        ValidationException: it has none.
    """
    if sweep.objective is None:
        raise ValidationException("a sweep needs an objective", "objective", "Set goal and primary_metric")
    return sweep.objective


def _signature(error: str) -> str:
    """Return what two errors of one cause have in common: the last line, numbers aside."""
    lines = error.strip().splitlines()
    return re.sub(r"0x[0-9a-f]+|\d+", "#", lines[-1]) if lines else ""
