"""``ml_client.queue``: what runs, what waits, why, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.client import edits
from workbench.client.asking import ask
from workbench.client.context import Context
from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord

__all__ = ["QueueEntry", "QueueOperations", "queue_entries"]


@dataclass(frozen=True)
class QueueEntry:
    """One unfinished job.

    Args:
        place: from 1, in the order in which room is given away.
        running: trials of it that run (1 or 0 for a plain job).
        reason: why it waits, if it does.
    """

    place: int
    name: str
    type: str
    status: JobStatus
    priority: int
    held: bool
    running: int
    reason: str | None


class QueueOperations:
    """The queue of a workspace: first come, first served, within a priority.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def list(self) -> Sequence[QueueEntry]:
        """Return all unfinished jobs in the order in which room is given away."""
        return queue_entries(self._context.store.unfinished())

    def hold(self, name: str) -> None:
        """Start nothing of a job until it is released; what runs goes on."""
        ask(self._context, name, "hold")

    def release(self, name: str) -> None:
        """Let a held job start again."""
        ask(self._context, name, "release")

    def set_priority(self, name: str, priority: str) -> None:
        """Give a job another priority.

        Args:
            name: the job.
            priority: low, medium or high.

        Raises:
            ValidationException: another word.
        """
        edits.apply(self._context, name, edits.priority(priority))

    def move(self, name: str, *, before: str) -> None:
        """Put a job right before another one, with that one's priority.

        Raises:
            ValidationException: one of them is not in the queue.
        """
        edits.apply(self._context, name, edits.place(self._context, name, before))


def queue_entries(unfinished: Sequence[JobRecord]) -> Sequence[QueueEntry]:
    """Return jobs in the order in which room is given away.

    Args:
        unfinished: all jobs and trials that have not ended.
    """
    running: dict[str, int] = {}
    for record in unfinished:
        if record.has_room:
            job = record.parent or record.name
            running[job] = running.get(job, 0) + 1
    jobs = sorted((record for record in unfinished if record.parent is None), key=edits.queue_order)
    return [
        QueueEntry(
            place=place,
            name=job.name,
            type=job.type,
            status=job.status,
            priority=job.priority,
            held=job.held,
            running=running.get(job.name, 0),
            reason=job.reason,
        )
        for place, job in enumerate(jobs, 1)
    ]
