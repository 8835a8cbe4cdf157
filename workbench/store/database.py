"""The store: one SQLite file that every process of a workspace meets in.

The supervisor is the only writer of states; clients insert new jobs, requests and assets. Every row of a job, a
point or an event carries the number of the change that wrote it, so that a reader pays for what changed and not
for what is there.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from workbench.definition.status import JobStatus
from workbench.errors import StoreError, ValidationException
from workbench.store.overview import COLUMNS, FINISHED, Overview, Wanted
from workbench.store.records import AssetRecord, Changes, Event, JobRecord, Point, Request
from workbench.store.schema import check_not_newer, migrate

__all__ = ["Store", "Writer"]

_JSON_COLUMNS = frozenset({"definition", "launch", "params", "tags", "properties"})
_COLUMNS = tuple(column.name for column in fields(JobRecord))
_PATIENCE = 60.0  # seconds a writer waits for another one; a write takes well under a millisecond


class Store:
    """A connection to the store of one workspace; may be used from several threads.

    Args:
        path: the SQLite file, made when it is missing.

    Raises:
        StoreError: the file cannot be opened, is no store, or is from a newer workbench.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._writer: Writer | None = None
        with self._told_plainly():
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._end = weakref.finalize(self, self._connection.close)  # few who make a client ever close it
            self._end.atexit = False
            self._connection.row_factory = sqlite3.Row
            migrate(self._connection, str(path))
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._file = _identity(path)

    @property
    def is_current(self) -> bool:
        """Whether the file at its path is still the one that was opened: a workspace may be moved, or made anew."""
        return self._file is not None and _identity(self.path) == self._file

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        self._end()

    # Reading

    def job(self, name: str) -> JobRecord | None:
        """Return the job called ``name``, or None."""
        rows = self._query("SELECT * FROM jobs WHERE name = ?", (name,))
        return _job(rows[0]) if rows else None

    def jobs(self, *, archived: bool | None = False) -> list[JobRecord]:
        """Return the top-level jobs, newest first; ``archived`` None means both kinds."""
        rows = self._query(
            "SELECT * FROM jobs WHERE parent IS NULL AND (?1 IS NULL OR archived = ?1) "
            "ORDER BY created DESC, rowid DESC",
            (None if archived is None else int(archived),),
        )
        return [_job(row) for row in rows]

    def texts_of_kept_jobs(self) -> Iterator[str]:
        """Yield what is written of each job that can still run, or be run again: all but archived ones that ended."""
        yield from (
            row[0]
            for row in self._query(
                "SELECT coalesce(definition, '') || coalesce(launch, '') FROM jobs WHERE parent IS NULL "
                "AND NOT (archived AND status IN ('Completed', 'Failed', 'Canceled'))"
            )
        )

    def children(self, parent: str) -> list[JobRecord]:
        """Return the trials of a sweep in order of their numbers."""
        return [_job(row) for row in self._query("SELECT * FROM jobs WHERE parent = ? ORDER BY number", (parent,))]

    def unfinished(self) -> list[JobRecord]:
        """Return every job and trial that can still change, oldest first."""
        rows = self._query(
            "SELECT * FROM jobs WHERE status NOT IN ('Completed', 'Failed', 'Canceled') ORDER BY created, rowid"
        )
        return [_job(row) for row in rows]

    def overviews(self, wanted: Wanted, limit: int | None = None, offset: int = 0) -> list[Overview]:
        """Return the jobs of a list, each with how its trials stand.

        Args:
            wanted: which, and in which order.
            limit: the most to return.
            offset: how many to pass over.
        """
        where, arguments = wanted.where()
        order, more = wanted.ordering()
        return self._with_counts(
            self._query(
                f"SELECT {COLUMNS} FROM jobs WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
                (*arguments, *more, -1 if limit is None else limit, offset),
            )
        )

    def count(self, wanted: Wanted) -> int:
        """Return how many jobs a list has in all."""
        where, arguments = wanted.where()
        return int(self._query(f"SELECT count(*) FROM jobs WHERE {where}", arguments)[0][0])  # noqa: S608

    def status_counts(self, *, archived: bool | None = False) -> dict[str, int]:
        """Return how many jobs that are no trials are in each status."""
        where, arguments = Wanted(archived=archived).where()
        rows = self._query(f"SELECT status, count(*) FROM jobs WHERE {where} GROUP BY status", arguments)  # noqa: S608
        return {row[0]: row[1] for row in rows}

    def unfinished_overviews(self) -> list[Overview]:
        """Return every job and trial that can still change, oldest first."""
        return self._with_counts(
            self._query(f"SELECT {COLUMNS} FROM jobs WHERE status NOT IN {FINISHED} ORDER BY created, rowid")  # noqa: S608
        )

    def changed_overviews(self, since: int, limit: int = 1000) -> tuple[int, list[Overview]]:
        """Return a cursor, and the jobs and trials that were written between ``since`` and there.

        Args:
            since: a cursor from an earlier answer; 0 for everything.
            limit: about how many to return; what one transaction has written stays together.
        """
        with self._lock, self._told_plainly():
            self._connection.execute("BEGIN")  # one view of all tables
            try:
                now = int(self._connection.execute("SELECT now FROM clock").fetchone()[0])
                if now == since:
                    return now, []
                last = self._connection.execute(
                    "SELECT seq FROM jobs WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?", (since, limit - 1)
                ).fetchone()
                cursor = now if last is None else int(last[0])
                rows = self._connection.execute(
                    f"SELECT {COLUMNS} FROM jobs WHERE seq > ? AND seq <= ? ORDER BY seq, rowid",  # noqa: S608
                    (since, cursor),
                ).fetchall()
                return cursor, self._with_counts(rows)
            finally:
                self._connection.execute("COMMIT")

    def experiments(self) -> list[str]:
        """Return the names of all experiments."""
        return [
            row[0] for row in self._query("SELECT DISTINCT experiment_name FROM jobs WHERE parent IS NULL ORDER BY 1")
        ]

    def points(self, job: str, key: str | None = None, until: int | None = None) -> list[Point]:
        """Return a job's metric points in the order they were logged.

        Args:
            job: its name.
            key: only this metric's.
            until: a cursor of :meth:`changes`: without what was written after it.
        """
        rows = self._query(
            "SELECT * FROM points WHERE job = ?1 AND (?2 IS NULL OR key = ?2) AND (?3 IS NULL OR seq <= ?3) "
            "ORDER BY id",
            (job, key, until),
        )
        return [_point(row) for row in rows]

    def series(self, parent: str, key: str) -> dict[str, list[float]]:
        """Return the values of metric ``key`` of each trial of a sweep, in the order they were logged."""
        rows = self._query(
            "SELECT points.job, points.value FROM points JOIN jobs ON jobs.name = points.job "
            "WHERE jobs.parent = ? AND points.key = ? ORDER BY points.id",
            (parent, key),
        )
        series: dict[str, list[float]] = {}
        for job, value in rows:
            series.setdefault(job, []).append(_number(value))
        return series

    def curves(self, parent: str, key: str, until: int) -> dict[str, list[tuple[int, float, int]]]:
        """Return the points of metric ``key`` of each trial of a sweep: step, value, milliseconds since the epoch.

        Args:
            parent: the sweep.
            key: the metric.
            until: a cursor of :meth:`changes`: without what was written after it.
        """
        rows = self._query(
            "SELECT points.job, points.step, points.value, points.time FROM points JOIN jobs ON jobs.name = points.job "
            "WHERE jobs.parent = ? AND points.key = ? AND points.seq <= ? ORDER BY points.id",
            (parent, key, until),
        )
        curves: dict[str, list[tuple[int, float, int]]] = {}
        for job, step, value, at in rows:
            curves.setdefault(job, []).append((step, _number(value), at))
        return curves

    def metric_keys(self, parent: str) -> list[str]:
        """Return the names of all metrics that the trials of a sweep have logged, or a job of its own."""
        rows = self._query(
            "SELECT DISTINCT key FROM points WHERE job IN (SELECT name FROM jobs WHERE parent = ?1 OR name = ?1) "
            "ORDER BY 1",
            (parent,),
        )
        return [row[0] for row in rows]

    def has_trial_names(self, name: str) -> bool:
        """Return whether a job has a name that a trial of a sweep called ``name`` could have."""
        rows = self._query("SELECT name FROM jobs WHERE name GLOB ? || '_[0-9]*'", (name.replace("[", "[[]"),))
        return any(row[0].removeprefix(f"{name}_").isdigit() for row in rows)

    def events(self, job: str) -> list[Event]:
        """Return the history of a job, and of its trials if it is a sweep, oldest first."""
        rows = self._query(
            "SELECT * FROM events WHERE job = ?1 OR job IN (SELECT name FROM jobs WHERE parent = ?1) ORDER BY id",
            (job,),
        )
        return [_event(row) for row in rows]

    def changes(self, since: int = 0, job: str | None = None) -> Changes:
        """Return all that was written after the cursor ``since``.

        Args:
            since: a cursor from an earlier answer; 0 for everything.
            job: only this job and its trials.
        """
        mine = "(?2 IS NULL OR {0} = ?2 OR {0} IN (SELECT name FROM jobs WHERE parent = ?2))"
        arguments = (since, job)
        with self._lock, self._told_plainly():
            self._connection.execute("BEGIN")  # one view of all tables
            try:
                cursor = self._connection.execute("SELECT now FROM clock").fetchone()[0]
                if cursor == since:
                    return Changes(cursor, (), (), ())
                jobs = self._connection.execute(
                    "SELECT * FROM jobs WHERE seq > ?1 AND (?2 IS NULL OR name = ?2 OR parent = ?2) "
                    "ORDER BY seq, rowid",
                    arguments,
                ).fetchall()
                points, events = (
                    self._connection.execute(
                        f"SELECT * FROM {table} WHERE seq > ?1 AND {mine.format('job')} ORDER BY id",  # noqa: S608
                        arguments,
                    ).fetchall()
                    for table in ("points", "events")
                )
            finally:
                self._connection.execute("COMMIT")
        return Changes(cursor, tuple(map(_job, jobs)), tuple(map(_point, points)), tuple(map(_event, events)))

    def version(self) -> int:
        """Return a number that is different after another process has written."""
        return int(self._query("PRAGMA data_version")[0][0])

    def check_format(self) -> None:
        """See that no newer workbench has changed the tables since the store was opened.

        Raises:
            NewerStoreError: one has.
        """
        with self._lock, self._told_plainly():
            check_not_newer(self._connection, str(self.path))

    def cursor(self, reader: str) -> int:
        """Return how far ``reader`` has come in the changes; 0 when it never read."""
        rows = self._query("SELECT seq FROM cursors WHERE reader = ?", (reader,))
        return int(rows[0][0]) if rows else 0

    def now(self) -> int:
        """Return the number of the last change."""
        return int(self._query("SELECT now FROM clock")[0][0])

    def has_work(self) -> bool:
        """Return whether there is anything for a supervisor to do."""
        return bool(
            self._query(
                f"SELECT EXISTS (SELECT 1 FROM jobs WHERE status NOT IN {FINISHED}) "  # noqa: S608
                "OR EXISTS (SELECT 1 FROM requests WHERE handled IS NULL)"
            )[0][0]
        )

    def waiting_requests(self) -> list[Request]:
        """Return the requests that nobody has handled, oldest first."""
        rows = self._query("SELECT * FROM requests WHERE handled IS NULL ORDER BY id")
        return [Request(row["id"], row["job"], row["verb"], json.loads(row["payload"])) for row in rows]

    def outcome(self, request: int) -> str | None:
        """Return what became of a request: ``""`` when all went well, a message, or None while it waits."""
        rows = self._query("SELECT outcome FROM requests WHERE id = ?", (request,))
        return rows[0][0] if rows else None

    def assets(self, kind: str, name: str | None = None) -> list[AssetRecord]:
        """Return the versions of assets of one kind, in the order they were made."""
        rows = self._query(
            "SELECT * FROM assets WHERE kind = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY created, rowid", (kind, name)
        )
        return [
            AssetRecord(
                kind=row["kind"],
                name=row["name"],
                version=row["version"],
                content=row["content"],
                definition=json.loads(row["definition"]),
                created=row["created"],
                archived=bool(row["archived"]),
            )
            for row in rows
        ]

    # Writing

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Open a transaction: everything written through the yielded writer becomes visible at once, or not at all.

        Inside another one it is a part of that.
        """
        with self._lock, self._told_plainly():
            if self._writer is not None:
                yield self._writer
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._writer = Writer(self._connection)
            try:
                yield self._writer
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk may have ended it already
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._writer = None

    def request(self, job: str, verb: str, payload: Mapping[str, Any] | None = None) -> int:
        """Write down something for the supervisor to do and return its number."""
        with self.write() as writer:
            return writer.request(job, verb, payload or {})

    # Plumbing

    def _with_counts(self, rows: Sequence[sqlite3.Row]) -> list[Overview]:
        sweeps = json.dumps([row["name"] for row in rows if row["type"] == "sweep"])
        counts: dict[str, dict[str, int]] = {}
        for parent, status, count in self._query(
            "SELECT parent, status, count(*) FROM jobs WHERE parent IN (SELECT value FROM json_each(?)) "
            "GROUP BY parent, status",
            (sweeps,),
        ):
            counts.setdefault(parent, {})[status] = count
        return [
            Overview(
                record=_job(row),
                kind=row["kind"],
                total=row["total"],
                literals=_mapping(row["literals"]),
                counts=counts.get(row["name"], {}),
            )
            for row in rows
        ]

    def _query(self, statement: str, arguments: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock, self._told_plainly():
            return self._connection.execute(statement, arguments).fetchall()

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the store cannot be used: {error}", str(self.path), _fix(error)) from error


class Writer:
    """The writes of one transaction; made by :meth:`Store.write`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._number: int | None = None

    @property
    def _seq(self) -> int:
        """The number of this change; only a change that readers can see moves the clock."""
        if self._number is None:
            row = self._connection.execute("UPDATE clock SET now = now + 1 RETURNING now").fetchone()
            self._number = int(row[0])
        return self._number

    def add_job(self, record: JobRecord) -> None:
        """Insert a job.

        Raises:
            ValidationException: the name is taken.
        """
        row = _row({name: getattr(record, name) for name in _COLUMNS} | {"seq": self._seq})
        try:
            self._connection.execute(
                f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
                tuple(row.values()),
            )
        except sqlite3.IntegrityError as error:
            raise ValidationException(
                f"a job named {record.name!r} exists already", "name", "Choose another name, or leave it out"
            ) from error

    def update_job(self, job: str, /, **columns: Any) -> None:
        """Change columns of a job, named as the fields of :class:`JobRecord`."""
        row = _row(columns | {"seq": self._seq})
        assignments = ", ".join(f"{column} = ?" for column in row)
        self._connection.execute(
            f"UPDATE jobs SET {assignments} WHERE name = ?",  # noqa: S608
            (*row.values(), job),
        )

    def patch_properties(self, job: str, patch: Mapping[str, str | None]) -> None:
        """Set some properties of a job and remove those given as None; others may change the rest meanwhile."""
        self._connection.execute(
            "UPDATE jobs SET properties = json_patch(properties, ?), seq = ? WHERE name = ?",
            (json.dumps(dict(patch)), self._seq, job),
        )

    def patch_tags(self, job: str, patch: Mapping[str, str | None]) -> None:
        """Set some tags of a job and remove those given as None."""
        self._connection.execute(
            "UPDATE jobs SET tags = json_patch(tags, ?), seq = ? WHERE name = ?",
            (json.dumps(dict(patch)), self._seq, job),
        )

    def move_job(self, job: str, status: JobStatus, /, **columns: Any) -> bool:
        """Change the status of a job unless it has finished; return whether it did (a compare-and-set)."""
        row = _row(columns | {"status": status, "seq": self._seq})
        assignments = ", ".join(f"{column} = ?" for column in row)
        changed = self._connection.execute(
            f"UPDATE jobs SET {assignments} WHERE name = ? AND status NOT IN ('Completed', 'Failed', 'Canceled')",  # noqa: S608
            (*row.values(), job),
        )
        return changed.rowcount == 1

    def reopen_job(self, job: str, status: JobStatus, /, **columns: Any) -> None:
        """Change the status of a job even if it has finished: it is tried again, or extended."""
        self.update_job(job, **columns, status=status, ended=None)

    def forget_points(self, job: str) -> None:
        """Remove the metric points of a trial that is tried again from the start."""
        self._connection.execute("DELETE FROM points WHERE job = ?", (job,))

    def add_points(self, points: Iterable[Point]) -> None:
        """Append metric points."""
        seq = self._seq
        self._connection.executemany(
            "INSERT INTO points (job, key, value, step, time, seq) VALUES (?, ?, ?, ?, ?, ?)",
            (
                # SQLite has no NaN: it would silently become NULL anyway, and is read back as NaN.
                (p.job, p.key, None if math.isnan(p.value) else p.value, p.step, p.time, seq)
                for p in points
            ),
        )

    def add_event(self, job: str, kind: str, text: str) -> None:
        """Append a line to a job's history."""
        self._connection.execute(
            "INSERT INTO events (job, time, kind, text, seq) VALUES (?, ?, ?, ?, ?)",
            (job, time.time(), kind, text, self._seq),
        )

    def request(self, job: str, verb: str, payload: Mapping[str, Any]) -> int:
        """Insert a request and return its number."""
        cursor = self._connection.execute(
            "INSERT INTO requests (job, verb, payload, created) VALUES (?, ?, ?, ?)",
            (job, verb, json.dumps(dict(payload)), time.time()),
        )
        return int(cursor.lastrowid or 0)

    def handle_request(self, request: int, outcome: str = "") -> None:
        """Mark a request as handled; ``outcome`` is empty when all went well."""
        self._connection.execute(
            "UPDATE requests SET handled = ?, outcome = ? WHERE id = ?", (time.time(), outcome, request)
        )

    def set_cursor(self, reader: str, seq: int) -> None:
        """Remember how far ``reader`` has come."""
        self._connection.execute(
            "INSERT INTO cursors VALUES (?1, ?2) ON CONFLICT (reader) DO UPDATE SET seq = ?2", (reader, seq)
        )

    def add_asset(self, asset: AssetRecord) -> None:
        """Insert a version of an asset, or change what may change of it: its definition and whether it is archived."""
        self._connection.execute(
            "INSERT INTO assets VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name, version) "
            "DO UPDATE SET definition = excluded.definition, archived = excluded.archived",
            (
                asset.kind,
                asset.name,
                asset.version,
                asset.content,
                json.dumps(dict(asset.definition)),
                asset.created,
                int(asset.archived),
            ),
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _row(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _cell(name, value) for name, value in columns.items()}


def _cell(name: str, value: Any) -> Any:
    if name in _JSON_COLUMNS:
        return json.dumps(dict(value)) if value or name in {"params", "tags", "properties"} else None
    if isinstance(value, JobStatus):
        return value.value
    return int(value) if isinstance(value, bool) else value


def _job(row: sqlite3.Row) -> JobRecord:
    cells = {name: row[name] for name in _COLUMNS}
    for name in _JSON_COLUMNS:
        cells[name] = _mapping(cells[name])
    cells["status"] = JobStatus(cells["status"])
    cells["archived"], cells["held"] = bool(cells["archived"]), bool(cells["held"])
    return JobRecord(**cells)


def _mapping(cell: str | None) -> dict[str, Any]:
    """Return what a cell holds; nothing if it cannot be read, so that one bad row does not hide all others."""
    try:
        value = json.loads(cell) if cell else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _point(row: sqlite3.Row) -> Point:
    return Point(row["job"], row["key"], _number(row["value"]), row["step"], row["time"])


def _event(row: sqlite3.Row) -> Event:
    return Event(row["job"], row["time"], row["kind"], row["text"])


def _fix(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "full" in text:
        return "Free some disk space and try again; nothing that was stored is lost"
    if "readonly" in text or "unable to open" in text:
        return "Check that you own the folder and may write in it"
    if "locked" in text:
        return "Another process holds it for very long; look for one with: workbench list"
    return "If it is damaged, move it aside: the trial folders under runs/ keep every result"
