"""MLflow's database file: made once, whoever comes first, and shared by many writers."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow.store.db.utils as mlflow_database
import mlflow.version

from workbench.errors import TrackingError
from workbench.store.files import read_json, write_json
from workbench.tracking.locks import locked

__all__ = ["PATIENCE", "address", "prepare", "schema_remembered"]

PATIENCE = 60.0  # seconds a writer waits for the others
_patching = threading.Lock()


def address(database: Path) -> str:
    """Return the address under which SQLAlchemy opens ``database`` and waits for other writers."""
    return f"sqlite:///{database}?timeout={PATIENCE:g}"


def prepare(database: Path) -> bool:
    """Make MLflow's database unless it is there, in the mode in which readers and writers do not block each other.

    Args:
        database: the SQLite file; processes that come at once wait for the first.

    Returns:
        Whether this call made it.

    Raises:
        TrackingError: the file cannot be made or is no database.
    """
    if _is_ready(database):
        return False
    try:
        with locked(_beside(database, ".lock")):
            return _make_ready(database)
    except (OSError, sqlite3.DatabaseError) as error:
        raise TrackingError(
            f"MLflow's database cannot be made: {error}",
            where=str(database),
            fix="Check that the disk has room and that you may write in that folder",
        ) from error


@contextmanager
def schema_remembered(database: Path) -> Iterator[None]:
    """Spare MLflow the check of its tables when this version of it has passed the check on these tables before.

    The check reads all of MLflow's migrations, which takes longer than everything else that opening a store does.
    """
    note = _beside(database, ".schema")
    found = {"mlflow": mlflow.version.VERSION, "tables": _revision(database)}
    if read_json(note) != found:
        yield
        write_json(note, found)
        return
    with _patching:
        check = mlflow_database._verify_schema
        mlflow_database._verify_schema = lambda _engine: None
        try:
            yield
        finally:
            mlflow_database._verify_schema = check


def _is_ready(database: Path) -> bool:
    """Return whether the file is a database in WAL mode.

    SQLite is asked. Closing a file that one has opened oneself gives up every lock that this process has on it, those
    of SQLite too: another process then takes itself for the last one and throws away the log that is in use here.
    """
    if not database.exists() or database.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=PATIENCE)) as connection:
            return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
    except sqlite3.DatabaseError:
        return False  # whoever makes it ready says why that cannot be


def _make_ready(database: Path) -> bool:
    if _is_ready(database):
        return False
    missing = not database.exists() or database.stat().st_size == 0
    if missing:
        aside = _beside(database, ".new")  # a file that is killed half made is never taken for a database
        for path in (aside, database):
            _forget(path)
        _make_tables(aside)
        _turn_on_wal(aside)
        aside.replace(database)
    else:
        _turn_on_wal(database)  # stock MLflow made it
    return missing


def _forget(database: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):  # a log without its file would be played into the next one
        _beside(database, suffix).unlink(missing_ok=True)


def _make_tables(database: Path) -> None:
    logging.getLogger("mlflow.store.db.utils").addFilter(lambda record: record.levelno > logging.INFO)
    engine = mlflow_database.create_sqlalchemy_engine(address(database))
    try:
        mlflow_database._initialize_tables(engine)
    finally:
        engine.dispose()


def _turn_on_wal(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _revision(database: Path) -> str | None:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:  # no tables: MLflow will say so
            return None
    return row[0] if row else None


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)
