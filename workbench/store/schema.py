"""The tables, and the way from one version of them to the next."""

from __future__ import annotations

import sqlite3
import time

from workbench.errors import StoreError

__all__ = ["VERSION", "NewerStoreError", "check_not_newer", "migrate"]


class NewerStoreError(StoreError):
    """The store was written by a newer workbench."""


# Each entry brings a store from the version that is its index to the next one. Never edit an entry that was
# released: add one.
_STEPS = (
    """
    CREATE TABLE clock (now INTEGER NOT NULL);
    INSERT INTO clock VALUES (0);

    CREATE TABLE jobs (
        name TEXT PRIMARY KEY,
        parent TEXT,
        number INTEGER,
        type TEXT NOT NULL,
        status TEXT NOT NULL,
        display_name TEXT NOT NULL,
        experiment_name TEXT NOT NULL,
        description TEXT,
        definition TEXT,
        launch TEXT,
        params TEXT NOT NULL,
        tags TEXT NOT NULL,
        properties TEXT NOT NULL,
        folder TEXT NOT NULL,
        score REAL,
        reason TEXT,
        error TEXT,
        created REAL NOT NULL,
        started REAL,
        ended REAL,
        archived INTEGER NOT NULL DEFAULT 0,
        metrics_read INTEGER NOT NULL DEFAULT 0,
        origin TEXT NOT NULL DEFAULT 'sampled',
        attempt INTEGER NOT NULL DEFAULT 1,
        priority INTEGER NOT NULL DEFAULT 0,
        position REAL NOT NULL,
        held INTEGER NOT NULL DEFAULT 0,
        seq INTEGER NOT NULL,
        UNIQUE (parent, number)
    ) STRICT;
    CREATE INDEX jobs_by_change ON jobs (seq);
    CREATE INDEX jobs_by_status ON jobs (status) WHERE status NOT IN ('Completed', 'Failed', 'Canceled');

    CREATE TABLE points (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        key TEXT NOT NULL,
        value REAL,
        step INTEGER NOT NULL,
        time INTEGER NOT NULL,
        seq INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX points_by_job ON points (job, key);
    CREATE INDEX points_by_change ON points (seq);

    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        time REAL NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        seq INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX events_by_job ON events (job);
    CREATE INDEX events_by_change ON events (seq);

    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL,
        verb TEXT NOT NULL,
        payload TEXT NOT NULL,
        created REAL NOT NULL,
        handled REAL,
        outcome TEXT
    ) STRICT;
    CREATE INDEX requests_waiting ON requests (id) WHERE handled IS NULL;

    CREATE TABLE assets (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        content TEXT NOT NULL,
        definition TEXT NOT NULL,
        created REAL NOT NULL,
        archived INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (kind, name, version)
    ) STRICT;

    CREATE TABLE cursors (reader TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
    """,
    # How many trials of a sweep are in each status, without reading the trials.
    "CREATE INDEX jobs_by_parent ON jobs (parent, status)",
)

VERSION = len(_STEPS)

_PATIENCE = 60.0  # seconds in which others that find the store new at the same moment have made it


def migrate(connection: sqlite3.Connection, where: str) -> None:
    """Bring the store behind ``connection`` to this version of the tables.

    Args:
        connection: in autocommit mode.
        where: path of the store, for the message.

    Raises:
        NewerStoreError: the store was written by a newer workbench.
    """
    if _version(connection) == VERSION:
        return
    _log_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")  # several processes may find the store new at once
    try:
        check_not_newer(connection, where)
        for step in _STEPS[_version(connection) :]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have the store keep a write-ahead log; SQLite refuses that, without waiting, while another does the same."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        connection.execute("BEGIN IMMEDIATE")  # this waits for whoever is in the way
        connection.execute("ROLLBACK")


def check_not_newer(connection: sqlite3.Connection, where: str) -> None:
    """See that the store behind ``connection`` is none from the future.

    Args:
        connection: to the store.
        where: path of the store, for the message.

    Raises:
        NewerStoreError: it is.
    """
    found = _version(connection)
    if found > VERSION:
        raise NewerStoreError(
            f"the store has format {found}, this workbench reads up to {VERSION}",
            where=where,
            fix="Upgrade it: pip install --upgrade workbench",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
