"""What the store hands out: snapshots that later writes never alter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.definition.status import JobStatus

__all__ = [
    "FINAL_STATUS",
    "STOPPED_EARLY",
    "AssetRecord",
    "Changes",
    "Event",
    "JobRecord",
    "JobType",
    "Point",
    "Request",
]

FINAL_STATUS = "workbench.final_status"
"""Property of a job in Finalizing: the status it will have."""
STOPPED_EARLY = "stopped early: "
"""How the reason of a trial begins that a policy has ended; what the policy saw follows."""

JobType = Literal["command", "sweep", "trial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job, a sweep, or one trial of a sweep.

    Args:
        name: unique in the workspace; a trial's is ``<sweep>_<number>``.
        parent: the sweep a trial belongs to.
        number: a trial's place in its sweep, from 0.
        definition: the job as :mod:`workbench.definition.records` writes it; empty for a trial, which has its parent's.
        launch: what was true where it was submitted: interpreter, folder, snapshots, surroundings.
        params: a trial's values of the search space.
        folder: its folder, relative to the workspace's ``runs``.
        score: best value of the primary metric so far.
        reason: why it ended, or why it waits, for people.
        created, started, ended: seconds since the epoch.
        metrics_read: bytes of its ``metrics.jsonl`` that are in the store.
        origin: of a trial: ``sampled``, or ``enqueued`` by hand.
        attempt: 1, and one more for each time it was tried again.
        priority: larger goes first in the queue.
        position: among equal priorities, smaller goes first; when it was submitted, unless it was moved.
        held: nothing of it starts until it is released; what runs goes on.
        seq: number of the change that wrote this row last.
    """

    name: str
    type: JobType
    status: JobStatus
    display_name: str
    experiment_name: str
    folder: str
    created: float
    parent: str | None = None
    number: int | None = None
    description: str | None = None
    definition: Mapping[str, Any] = field(default_factory=dict)
    launch: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    score: float | None = None
    reason: str | None = None
    error: str | None = None
    started: float | None = None
    ended: float | None = None
    archived: bool = False
    metrics_read: int = 0
    origin: Literal["sampled", "enqueued"] = "sampled"
    attempt: int = 1
    priority: int = 0
    position: float = 0.0
    held: bool = False
    seq: int = 0

    @property
    def is_stopped_early(self) -> bool:
        """Whether a policy has ended it, and not the user or an error."""
        return (self.reason or "").startswith(STOPPED_EARLY)

    @property
    def has_room(self) -> bool:
        """Whether it has been given a place on the machine and has not ended; a sweep has none of its own."""
        waits = self.status in (JobStatus.NOT_STARTED, JobStatus.QUEUED)
        return self.type != "sweep" and not waits and not self.status.is_finished

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, once it has ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric: ``step`` as logged (0 when none was), ``time`` in milliseconds since the epoch."""

    job: str
    key: str
    value: float
    step: int
    time: int


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's history; ``time`` in seconds since the epoch."""

    job: str
    time: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """Something a client asks of the supervisor."""

    id: int
    job: str
    verb: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """One version of an environment, data asset or model; ``content`` is the identity of what it holds."""

    kind: str
    name: str
    version: str
    content: str
    definition: Mapping[str, Any]
    created: float
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """All rows written after a cursor, and the cursor to ask with next."""

    cursor: int
    jobs: tuple[JobRecord, ...]
    points: tuple[Point, ...]
    events: tuple[Event, ...]
