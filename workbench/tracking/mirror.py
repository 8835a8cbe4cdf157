"""Bringing what the store knows to MLflow, off everybody's hot path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import Changes, JobRecord, Point
from workbench.tracking.facts import RunFacts, facts_of_record
from workbench.tracking.locks import locked

if TYPE_CHECKING:
    from workbench.tracking.workspace_store import WorkspaceStore

__all__ = ["CURSOR", "Mirror"]

CURSOR = "mlflow"
_RUNS_AT_ONCE = 200  # in one transaction, so that trials that log a model need not wait long


class Mirror:
    """Writes jobs as MLflow runs, and their points as metrics; MLflow is imported when there is something to write.

    All of it can be repeated, so that one that was killed half-way starts again where MLflow's last answer left it.

    Args:
        workspace: where MLflow's database is.
        store: what is mirrored.
    """

    def __init__(self, workspace: WorkspaceFolder, store: Store) -> None:
        self._workspace, self._store = workspace, store
        self._tracking: WorkspaceStore | None = None
        self._parents: dict[str, JobRecord] = {}
        self._known: set[str] = set()
        self._left_out: set[str] = set()

    def catch_up(self) -> int:
        """Bring all changes since the last time to MLflow; return the cursor that was reached.

        One process at a time does so, the others wait for it.

        Raises:
            StoreError: the store cannot be read.
            TrackingError: MLflow's database cannot be made.
            mlflow.exceptions.MlflowException: MLflow's database cannot be written.
        """
        with locked(self._workspace.mirror_lock):
            tracking = self._open()
            since = 0 if tracking.made else self._store.cursor(CURSOR)
            changes = self._store.changes(since)
            if changes.cursor == since:
                return since
            self._write_runs(tracking, self._concerned(changes))
            tracking.add_points(_run_points(p for p in changes.points if p.job not in self._left_out))
            with self._store.write() as writer:
                writer.set_cursor(CURSOR, changes.cursor)
            tracking.made = False
            return changes.cursor

    def _open(self) -> WorkspaceStore:
        if self._tracking is None:
            from workbench.tracking.workspace_store import WorkspaceStore  # noqa: PLC0415  # imports MLflow

            self._tracking = WorkspaceStore(self._workspace)
        return self._tracking

    def _concerned(self, changes: Changes) -> list[JobRecord]:
        """Return the changed jobs, and those that have points while nobody here has seen their run."""
        records = {record.name: record for record in changes.jobs}
        for name in {point.job for point in changes.points} - self._known - records.keys():
            if (record := self._store.job(name)) is not None:
                records[name] = record
        return sorted(records.values(), key=lambda record: record.parent is not None)  # parents first

    def _write_runs(self, tracking: WorkspaceStore, records: Sequence[JobRecord]) -> None:
        for start in range(0, len(records), _RUNS_AT_ONCE):
            self._write_batch(tracking, records[start : start + _RUNS_AT_ONCE])

    def _write_batch(self, tracking: WorkspaceStore, batch: Sequence[JobRecord]) -> None:
        """Write runs together; if MLflow refuses, one by one: one it cannot keep is no trouble for the others."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second

        try:
            tracking.put_runs([self._facts(record) for record in batch])
            self._known.update(record.name for record in batch)
        except (MlflowException, ValueError) as error:
            if len(batch) == 1:
                self._leave_out(batch[0], error)
            else:
                for record in batch:
                    self._write_batch(tracking, [record])

    def _leave_out(self, record: JobRecord, error: Exception) -> None:
        if record.name not in self._left_out:
            self._left_out.add(record.name)
            with self._store.write() as writer:
                writer.add_event(record.name, "warning", f"MLflow cannot keep this job: {error}")

    def _facts(self, record: JobRecord) -> RunFacts:
        facts = facts_of_record(record, self._parent(record), self._workspace)
        return replace(facts, params={}) if record.name in self._known else facts

    def _parent(self, record: JobRecord) -> JobRecord | None:
        if record.parent is None:
            return None
        if record.parent not in self._parents and (found := self._store.job(record.parent)) is not None:
            self._parents[record.parent] = found  # what is read from it never changes
        return self._parents.get(record.parent)


def _run_points(points: Iterable[Point]) -> Iterable[tuple[str, str, float, int, int]]:
    return ((point.job, point.key, point.value, point.step, point.time) for point in points)
