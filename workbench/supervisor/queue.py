"""Who starts next: first come, first served within a priority, on what the machine has left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.store.records import JobRecord
from workbench.supervisor.board import Board
from workbench.supervisor.jobs import Jobs
from workbench.supervisor.placement import Placement, Placer, Request, Waiting, request_of
from workbench.supervisor.sweeps import SweepRun

__all__ = ["Queue"]


@dataclass
class _Turn:
    """What is left to give away in one look at the queue."""

    slots: int
    taken_kinds: dict[str, str]
    """Kinds of resource that an earlier job waits for, and who that is: later ones must not overtake it."""


class Queue:
    """The order of starts.

    Args:
        board: the rows.
        jobs: what wants to start.
        placer: what finds room on the machine.
        slots: most trials at once, whatever they ask for.
    """

    def __init__(self, board: Board, jobs: Jobs, placer: Placer, slots: int) -> None:
        self._board = board
        self._jobs = jobs
        self._placer = placer
        self.slots = slots
        self.waits_for_machine = False
        """Whether something waits for room that may appear without anybody telling."""

    def start_what_can(self) -> None:
        """Start as many waiting jobs and trials as there is room for, in order."""
        turn = _Turn(self.slots - self._jobs.slots_taken, {})
        self.waits_for_machine = False
        for job in self._order():
            with self._jobs.answering_for(job.name):
                self._start_of(job, turn)

    def _start_of(self, job: JobRecord, turn: _Turn) -> None:
        if job.held:
            self._board.wait_because(job.name, "held: nothing of it starts until it is released")
            return
        for name in self._starts_of(job):
            if not self._start(name, job, turn):
                return

    def _order(self) -> list[JobRecord]:
        names = {self._board[name].parent or name for name in self._jobs.waiting}
        names |= {run.name for run in self._jobs.sweeps.values() if run.wants_trial}
        return sorted((self._board[name] for name in names), key=lambda job: (-job.priority, job.position, job.name))

    def _starts_of(self, job: JobRecord) -> Iterator[str | SweepRun]:
        """Yield what of ``job`` waits, then the sweep itself for as long as it wants another trial."""
        waiting = [name for name in self._jobs.waiting if name == job.name or self._board[name].parent == job.name]
        yield from sorted(waiting, key=lambda name: self._board[name].number or 0)
        run = self._jobs.sweeps.get(job.name)
        while run and run.wants_trial:
            yield run

    def _start(self, what: str | SweepRun, job: JobRecord, turn: _Turn) -> bool:
        name = what if isinstance(what, str) else what.name
        request = request_of(job.launch)
        placement = self._room_for(request, job, turn)
        if isinstance(placement, Waiting):
            self._board.wait_because(name, "; ".join(placement.reasons))
            return False
        started = what if isinstance(what, str) else self._jobs.new_trial(what)
        if started is None:
            placement.lease.release()
            return False
        turn.slots -= 1
        self._jobs.start(started, placement)
        if job.reason and job.type == "sweep" and name == job.name:
            self._board.change(name, reason=None)
        return True

    def _room_for(self, request: Request, job: JobRecord, turn: _Turn) -> Placement | Waiting:
        if turn.slots <= 0:
            return Waiting((f"{self.slots} of {self.slots} slots in use",))
        behind = {turn.taken_kinds[kind] for kind in request.kinds if kind in turn.taken_kinds}
        if behind:
            return Waiting(tuple(f"behind {name}" for name in sorted(behind)))
        placement = self._placer.place(request)
        if isinstance(placement, Waiting):
            self.waits_for_machine = True
            turn.taken_kinds |= dict.fromkeys(request.kinds, job.name)
        return placement
