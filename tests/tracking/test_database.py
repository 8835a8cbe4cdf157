"""MLflow's database file: made once and whole, checked once, imported late."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.conftest import House
from workbench.errors import TrackingError
from workbench.store.files import WorkspaceFolder
from workbench.tracking.mirror import Mirror


def test_the_database_is_made_once_and_past_all_leftovers(tmp_path: Path) -> None:
    from workbench.tracking.database import prepare

    database = tmp_path / "mlflow.db"
    for leftover in ("mlflow.db-wal", "mlflow.db.new", "mlflow.db.new-wal"):
        (tmp_path / leftover).write_bytes(b"killed half-way")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(prepare, [database] * 4))
    assert sorted(made) == [False, False, False, True]
    assert not list(tmp_path.glob("*.new*"))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_a_database_of_stock_mlflow_is_taken_over(workspace: WorkspaceFolder) -> None:
    from workbench.tracking.database import prepare

    with closing(sqlite3.connect(workspace.mlflow_database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    assert prepare(workspace.mlflow_database) is False
    with closing(sqlite3.connect(workspace.mlflow_database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    from workbench.tracking.database import prepare

    (tmp_path / "mlflow.db").write_text("a letter to a friend, and rather long, so that nobody takes it for empty" * 10)
    with pytest.raises(TrackingError, match="cannot be made"):
        prepare(tmp_path / "mlflow.db")


def test_the_tables_are_checked_again_when_they_changed(workspace: WorkspaceFolder) -> None:
    from mlflow.exceptions import MlflowException

    from workbench.tracking.workspace_store import WorkspaceStore

    WorkspaceStore(workspace)
    WorkspaceStore(workspace)  # this time from the note
    with closing(sqlite3.connect(workspace.mlflow_database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of another MLflow'")
        connection.commit()
    with pytest.raises(MlflowException, match="out-of-date"):
        WorkspaceStore(workspace)


def test_warming_up_leaves_no_connection_behind(house: House, mirror: Mirror, workspace: WorkspaceFolder) -> None:
    from workbench.tracking.warm import warm_up
    from workbench.tracking.workspace_store import WorkspaceStore

    warm_up(workspace)
    house.add("job")
    mirror.catch_up()
    warm_up(workspace)
    pool: Any = WorkspaceStore(workspace).engine.pool
    warm_up(workspace)
    assert pool is not WorkspaceStore(workspace).engine.pool  # thrown away, with whatever it held


def test_mlflow_is_not_imported_before_it_is_needed() -> None:
    code = """
import sys
import workbench.tracking.plugin, workbench.tracking.mirror, workbench.tracking.registry, workbench.tracking.git
import workbench.tracking.__main__
print({"mlflow", "sqlalchemy", "pandas"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_looking_at_the_database_again_does_not_give_up_its_locks(workspace: WorkspaceFolder) -> None:
    """A process loses its locks on a file when it closes any descriptor of it; others then throw away its log."""
    from workbench.tracking.database import prepare

    prepare(workspace.mlflow_database)
    log = workspace.mlflow_database.with_name("mlflow.db-wal")
    with closing(sqlite3.connect(workspace.mlflow_database)) as ours:
        ours.execute("CREATE TABLE mine (x)")
        ours.commit()
        assert log.exists()
        prepare(workspace.mlflow_database)
        look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM mine'); c.close()"
        subprocess.run([sys.executable, "-c", look, str(workspace.mlflow_database)], check=True)
        assert log.exists(), "the other process took itself for the last one"
