"""What a job would do if it were submitted: its first trials, how many there are, and how long it may take."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from workbench.client.context import Context
from workbench.definition.checks import DEFAULT_MAX_TOTAL_TRIALS
from workbench.definition.distributions import combined_size
from workbench.definition.inputs import literals_of
from workbench.definition.records import AnyJob, job_from_record
from workbench.definition.resources import JobResourceConfiguration
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.store.records import JobRecord
from workbench.store.settings import read_settings

__all__ = ["Preview", "like_jobs", "preview_of"]

_LOOKED_AT = 100  # of the newest jobs, to find one like this


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a job would do.

    Args:
        params: the parameters of the first trials, exactly as the sampler will give them with ``seed``; of a single
            job its literal inputs.
        trials: how many trials there will be.
        slots: how many of them run at once.
        seed: what the choices follow from; None where nothing is chosen at random.
        each: seconds that a run of the last like job took on average, if there is one.
        like: that job's name.
    """

    params: Sequence[Mapping[str, Any]]
    trials: int
    slots: int
    seed: int | None = None
    each: float | None = None
    like: str | None = None

    @property
    def seconds(self) -> float | None:
        """Expected time from the first start to the last end, if a like job has run."""
        return None if self.each is None else self.each * math.ceil(self.trials / self.slots)


def preview_of(job: AnyJob, context: Context, most: int = 10) -> Preview:
    """Return what ``job`` would do; nothing is submitted or kept.

    Args:
        job: a checked job.
        context: the workspace it would run in.
        most: of how many trials to choose the parameters.
    """
    like, each = _last_like(job, context)
    if not isinstance(job, Sweep):
        return Preview(params=[literals_of(job.inputs)], trials=1, slots=1, each=each, like=like)
    from workbench.search.samplers import Observation, make_sampler  # noqa: PLC0415 - numpy

    goal = job.objective.goal if job.objective else "maximize"
    seed = getattr(job.sampling_algorithm, "seed", None)
    chosen = secrets.randbelow(2**31) if seed is None else int(seed)
    sampler = make_sampler(job.sampling_algorithm, job.search_space, goal, chosen)
    trials = _how_many(job)
    params: list[dict[str, Any]] = []
    history: list[Observation] = []
    while len(params) < min(most, trials) and (drawn := sampler.propose(len(params), history)) is not None:
        history.append(Observation(len(params), drawn))
        params.append(drawn)
    return Preview(
        params=params,
        trials=trials,
        slots=min(trials, _slots(job, context)),
        seed=chosen if "seed" in type(job.sampling_algorithm).field_names() else None,
        each=each,
        like=like,
    )


def like_jobs(job: AnyJob, context: Context) -> list[JobRecord]:
    """Return earlier jobs that run the same command or notebook, else those of the same experiment; newest first."""
    records = context.store.jobs(archived=None)[:_LOOKED_AT]
    what = _what(job)
    same = [record for record in records if _what(job_from_record(record.definition)) == what]
    return same or [record for record in records if record.experiment_name == job.experiment_name]


def _what(job: AnyJob) -> tuple[str | None, ...]:
    part = job.trial if isinstance(job, Sweep) else job
    command = getattr(part, "command", None)
    plain = None if command is None else command.replace("${{search_space.", "${{inputs.")
    return plain, getattr(part, "notebook", None), part.code


def _last_like(job: AnyJob, context: Context) -> tuple[str | None, float | None]:
    for record in like_jobs(job, context):
        runs = context.store.children(record.name) if record.type == "sweep" else [record]
        took = [run.duration for run in runs if run.status is JobStatus.COMPLETED and run.duration is not None]
        if took:
            return record.name, fmean(took)
    return None, None


def _how_many(job: Sweep) -> int:
    size = combined_size(job.search_space, getattr(job.sampling_algorithm, "base", math.e))
    asked = job.limits.max_total_trials or DEFAULT_MAX_TOTAL_TRIALS
    return asked if size is None else min(asked, size)


def _slots(job: Sweep, context: Context) -> int:
    """Return how many trials run at once: as asked, as the workspace allows, and as the machine has room for."""
    cores = len(os.sched_getaffinity(0))
    wanted = job.resources or job.trial.resources or JobResourceConfiguration()
    room = [job.limits.max_concurrent_trials or cores, read_settings(context.workspace).slots]
    if wanted.cpus:
        room.append(int(cores / wanted.cpus))
    if wanted.gpus:
        from workbench.client.compute import ComputeOperations  # noqa: PLC0415 - asks the driver

        room.append(int(len(ComputeOperations().get("local").gpus) / wanted.gpus))
    return max(1, min(room))
