"""What the supervisor knows of unfinished jobs, and its way of writing it down: never one without the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from workbench.definition.status import JobStatus
from workbench.store.database import Store, Writer
from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.store.records import JobRecord

__all__ = ["Board", "write_columns"]


class Board:
    """The rows of unfinished jobs and trials.

    Args:
        workspace: the folder.
        store: its store; the supervisor is the only one that changes states there.
    """

    def __init__(self, workspace: WorkspaceFolder, store: Store) -> None:
        self.workspace = workspace
        self.store = store
        self._records: dict[str, JobRecord] = {}

    def __getitem__(self, name: str) -> JobRecord:
        return self._records[name]

    def get(self, name: str) -> JobRecord | None:
        """Return a row that is up, or None."""
        return self._records.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._records

    def take(self, record: JobRecord) -> None:
        """Put up a row that is in the store already."""
        self._records[record.name] = record

    def drop(self, name: str) -> None:
        """Take down a row that can change no more."""
        self._records.pop(name, None)

    def job_of(self, record: JobRecord) -> JobRecord:
        """Return the row with the launch facts of ``record``: its sweep's, or its own."""
        return self._records[record.parent] if record.parent else record

    def folder_of(self, record: JobRecord) -> TrialFolder:
        """Return the trial folder of ``record``."""
        return self.workspace.trial(record.folder)

    def add(self, record: JobRecord) -> None:
        """Write down and put up a new trial.

        Raises:
            ValidationException: its name is taken.
        """
        with self.store.write() as writer:
            writer.add_job(record)
        self.take(record)

    def change(self, name: str, event: tuple[str, str] | None = None, **columns: Any) -> None:
        """Change columns of a job, and add a line (kind, text) to its history."""
        with self.writing(name, columns) as writer:
            if event:
                writer.add_event(name, *event)

    def move(self, name: str, status: JobStatus, event: str = "", **columns: Any) -> None:
        """Change the status of a job, and say why in its history."""
        self.change(name, ("status", event) if event else None, status=status, **columns)

    @contextmanager
    def writing(self, name: str, columns: dict[str, Any]) -> Iterator[Writer]:
        """Change columns of a job in one transaction with whatever else is written through the yielded writer.

        The columns may be added to until the block ends.
        """
        with self.store.write() as writer:
            yield writer
            write_columns(writer, name, columns, self._records.get(name))
        if columns and name in self._records:
            self._records[name] = replace(self._records[name], **columns)

    def wait_because(self, name: str, reason: str) -> None:
        """Write down why a job waits, if that is news."""
        if self._records[name].reason != reason:
            self.change(name, reason=reason)


def write_columns(writer: Writer, name: str, columns: Mapping[str, Any], before: JobRecord | None) -> None:
    """Write columns of a job; of its properties only what differs from ``before``, for clients write there too."""
    plain = {column: value for column, value in columns.items() if column != "properties"}
    if plain:
        writer.update_job(name, **plain)
    if "properties" in columns:
        old = before.properties if before else {}
        new = columns["properties"]
        patch: dict[str, str | None] = {key: value for key, value in new.items() if old.get(key) != value}
        writer.patch_properties(name, patch | dict.fromkeys(old.keys() - new.keys()))
