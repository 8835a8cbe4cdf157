"""Jobs that have ended and wait for MLflow to have all of them, so that whoever waits for the end can read it there."""

from __future__ import annotations

import time
from dataclasses import dataclass

from workbench.definition.status import JobStatus
from workbench.store.records import FINAL_STATUS
from workbench.supervisor.board import Board
from workbench.supervisor.mirroring import MirrorProcess

__all__ = ["Finalizing"]

_PATIENCE = 60.0  # seconds after which a job ends although MLflow has not everything


@dataclass(frozen=True)
class _Waiting:
    needed: int
    deadline: float
    status: JobStatus


class Finalizing:
    """The last step of every top-level job.

    Args:
        board: where jobs are written down.
        mirror: the process that brings them to MLflow.
    """

    def __init__(self, board: Board, mirror: MirrorProcess) -> None:
        self._board = board
        self._mirror = mirror
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, name: str) -> bool:
        return name in self._waiting

    def begin(self, name: str, status: JobStatus, reason: str, error: str | None, ended: float | None = None) -> None:
        """Let a job wait in Finalizing, with the status that it will have."""
        record = self._board[name]
        self._board.move(
            name,
            JobStatus.FINALIZING,
            reason or f"{status} soon: MLflow is being told",
            ended=ended or record.ended or time.time(),
            reason=reason,
            error=error,
            properties={**record.properties, FINAL_STATUS: status.value},
        )
        self.resume(name, status)

    def resume(self, name: str, status: JobStatus) -> None:
        """Wait for a job that is in Finalizing already."""
        self._waiting[name] = _Waiting(self._board.store.now(), time.monotonic() + _PATIENCE, status)

    def end_those_that_can(self) -> None:
        """End the jobs that MLflow knows all of, and those that have waited too long for it."""
        if not self._waiting:
            return
        reached = self._board.store.cursor("mlflow")
        for name, waiting in list(self._waiting.items()):
            late = time.monotonic() > waiting.deadline or self._mirror.failed
            if reached >= waiting.needed or late:
                warning = ("warning", f"MLflow has not everything yet; see {self._board.workspace.mirror_log}")
                self._board.change(name, warning if late else None, status=waiting.status)
                self._board.drop(name)
                del self._waiting[name]
