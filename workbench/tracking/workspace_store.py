"""MLflow's tracking store on the workspace's database, with runs that bear the names of jobs.

Imports MLflow: import this module only where MLflow is needed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text, tuple_
from sqlalchemy.dialects.sqlite import insert

from workbench.store.files import WorkspaceFolder
from workbench.tracking.database import PATIENCE, address, prepare, schema_remembered
from workbench.tracking.facts import RunFacts
from workbench.tracking.names import acceptable_key, folder_name

__all__ = ["RunPoint", "WorkspaceStore", "storable"]

RunPoint = tuple[str, str, float, int, int]
"""Run id, key, value, step, time in milliseconds."""

_LARGEST = 2**63 - 1  # of SQLite's integers
_INFINITY = sys.float_info.max  # MLflow's tables hold no infinity
_AT_ONCE = 5000  # points in one transaction: others may write every tenth of a second


class WorkspaceStore(SqlAlchemyStore):  # type: ignore[misc]  # MLflow is untyped
    """MLflow's SQL store of a workspace; every write can be repeated and may race with the same write elsewhere.

    Args:
        workspace: whose database is made when it is missing.

    Attributes:
        made: whether this object made the database.

    Raises:
        TrackingError: the database cannot be made.
        mlflow.exceptions.MlflowException: it was made by another version of MLflow.
    """

    ManagedSessionMaker: Callable[..., AbstractContextManager[Any]]

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self.workspace = workspace
        self.made = prepare(workspace.mlflow_database)
        self._experiments: dict[str, str] = {}
        with schema_remembered(workspace.mlflow_database):
            super().__init__(address(workspace.mlflow_database), workspace.models.as_uri())
        if self.made:
            self.engine.dispose()  # MLflow may have kept connections to a file of that name that was deleted
        self.ManagedSessionMaker = _patient(self.ManagedSessionMaker)

    def ensure_experiment(self, name: str) -> str:
        """Return the id of the experiment called ``name``, made or restored when it is not there."""
        if name not in self._experiments:
            self._experiments[name] = self._find_experiment(name) or self._make_experiment(name)
        return self._experiments[name]

    def ensure_run(self, run: RunFacts) -> None:
        """Insert ``run`` unless a run of that id is there."""
        if not self._first("SELECT 1 FROM runs WHERE run_uuid = :id", id=run.run_id):
            self._write_runs([run], known_too=False)

    def put_runs(self, runs: Sequence[RunFacts]) -> None:
        """Insert the runs, or bring status, times and tags of those that are there up to date."""
        self._write_runs(runs, known_too=True)

    def add_points(self, points: Iterable[RunPoint]) -> None:
        """Insert metric points and bring the latest values up to date; a point that is there is not added again.

        Args:
            points: of runs that exist. Infinite values and keys that MLflow refuses are changed as MLflow would have
                it, points with numbers beyond 64 bits are left out.
        """
        rows = [row for point in points if (row := _metric_row(*point)) is not None]
        for start in range(0, len(rows), _AT_ONCE):
            self._insert_metrics(rows[start : start + _AT_ONCE])

    def _initialize_store_state(self) -> None:
        # MLflow looks for its default experiment in the slow way, once in every trial.
        if not self._first("SELECT 1 FROM experiments WHERE experiment_id = 0"):
            super()._initialize_store_state()

    def _find_experiment(self, name: str) -> str | None:
        found = self._first("SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = :name", name=name)
        if found is None:
            return None
        if found[1] != "active":  # it would refuse the models of the new run
            self.restore_experiment(str(found[0]))
        return str(found[0])

    def _first(self, statement: str, **values: object) -> Any:
        with self.ManagedSessionMaker() as session:
            return session.execute(text(statement), values).first()

    def _make_experiment(self, name: str) -> str:
        try:
            return str(self.create_experiment(name, (self.workspace.models / folder_name(name)).as_uri()))
        except MlflowException:
            if (made_meanwhile := self._find_experiment(name)) is not None:
                return made_meanwhile
            raise

    def _write_runs(self, runs: Sequence[RunFacts], *, known_too: bool) -> None:
        if not runs:
            return
        rows = [_run_row(run, self.ensure_experiment(run.experiment)) for run in runs]
        names = [_tag_row(run, "mlflow.runName", run.name) for run in runs]
        tags = [_tag_row(run, key, value) for run in runs for key, value in run.tags.items()]
        params = [_tag_row(run, key, value) for run in runs for key, value in run.params.items()]
        insert_run, insert_tag = insert(SqlRun.__table__), insert(SqlTag.__table__)
        if known_too:
            changing = {column: insert_run.excluded[column] for column in ("status", "start_time", "end_time")}
            write_run = insert_run.on_conflict_do_update(index_elements=["run_uuid"], set_=changing)
            write_tag = insert_tag.on_conflict_do_update(
                index_elements=["key", "run_uuid"], set_={"value": insert_tag.excluded.value}
            )
        else:
            write_run, write_tag = insert_run.on_conflict_do_nothing(), insert_tag.on_conflict_do_nothing()
        with self.ManagedSessionMaker(read_only=False) as session:
            session.execute(write_run, rows)
            session.execute(insert_tag.on_conflict_do_nothing(), names)  # the user's code may have renamed its run
            if tags:
                session.execute(write_tag, tags)
            if params:
                session.execute(insert(SqlParam.__table__).on_conflict_do_nothing(), params)

    def _insert_metrics(self, rows: Sequence[dict[str, Any]]) -> None:
        latest = insert(SqlLatestMetric.__table__)
        order = ("step", "timestamp", "value")  # as MLflow decides which point is the latest
        write_latest = latest.on_conflict_do_update(
            index_elements=["key", "run_uuid"],
            set_={column: latest.excluded[column] for column in (*order, "is_nan")},
            where=tuple_(*(latest.excluded[column] for column in order))
            > tuple_(*(SqlLatestMetric.__table__.c[column] for column in order)),
        )
        with self.ManagedSessionMaker(read_only=False) as session:
            session.execute(insert(SqlMetric.__table__).on_conflict_do_nothing(), rows)
            session.execute(write_latest, _latest_of(rows))


def _patient(make_session: Callable[..., AbstractContextManager[Any]]) -> Callable[..., AbstractContextManager[Any]]:
    """Return MLflow's session factory with our patience instead of its 20 s, and one disk flush less a commit."""

    @contextmanager
    def managed(*args: Any, **options: Any) -> Iterator[Any]:
        with make_session(*args, **options) as session:
            session.execute(text(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}"))
            session.execute(text("PRAGMA synchronous = NORMAL"))  # with WAL a power cut costs the last moments only
            yield session

    return managed


def _run_row(run: RunFacts, experiment_id: str) -> dict[str, Any]:
    return {
        "run_uuid": run.run_id,
        "experiment_id": int(experiment_id),
        "name": run.name,
        "artifact_uri": run.artifacts.as_uri(),
        "status": run.status,
        "start_time": run.start,
        "end_time": run.end,
        "deleted_time": None,
        "lifecycle_stage": "active",
        "user_id": run.tags.get("mlflow.user", ""),
        "source_type": "LOCAL",
        "source_name": "",
        "source_version": "",
        "entry_point_name": "",
    }


def _tag_row(run: RunFacts, key: str, value: str) -> dict[str, str]:
    return {"run_uuid": run.run_id, "key": key, "value": value}


def _metric_row(run: str, key: str, value: float, step: int, time: int) -> dict[str, Any] | None:
    if not (-_LARGEST <= step <= _LARGEST and 0 <= time <= _LARGEST):
        return None
    is_nan, stored = storable(value)
    return {
        "run_uuid": run,
        "key": acceptable_key(key),
        "value": stored,
        "step": step,
        "timestamp": time,
        "is_nan": is_nan,
    }


def storable(value: float) -> tuple[bool, float]:
    """Return whether ``value`` is NaN, and the finite number that MLflow's tables hold for it."""
    if math.isnan(value):
        return True, 0.0
    return False, math.copysign(_INFINITY, value) if math.isinf(value) else value


def _latest_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        place = row["run_uuid"], row["key"]
        if place not in latest or _rank(row) > _rank(latest[place]):
            latest[place] = row
    return list(latest.values())


def _rank(row: dict[str, Any]) -> tuple[int, int, float]:
    return row["step"], row["timestamp"], row["value"]
