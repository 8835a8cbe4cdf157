"""A workspace with MLflow's database in it, and processes that run as trials do."""

from __future__ import annotations

import os
import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.processes import Forked, fork
from workbench.definition.status import JobStatus
from workbench.store.database import Store
from workbench.store.files import TrialFolder, WorkspaceFolder, write_json
from workbench.store.records import JobRecord, Point
from workbench.tracking.mirror import Mirror
from workbench.trial.report import read_points

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; making one takes seconds."""
    from workbench.tracking.database import prepare

    database = tmp_path_factory.mktemp("template") / "mlflow.db"
    prepare(database)
    return database


@pytest.fixture
def workspace(tmp_path: Path, template: Path) -> WorkspaceFolder:
    folder = WorkspaceFolder(tmp_path / "my work")  # a space: addresses must stand it
    folder.create()
    shutil.copy(template, folder.mlflow_database)
    return folder


@pytest.fixture
def store(workspace: WorkspaceFolder) -> Iterator[Store]:
    store = Store(workspace.database)
    yield store
    store.close()


@pytest.fixture
def mirror(workspace: WorkspaceFolder, store: Store) -> Mirror:
    return Mirror(workspace, store)


class House:
    """What supervisor and host do around a trial, as far as tracking sees it."""

    def __init__(self, workspace: WorkspaceFolder, store: Store) -> None:
        self.workspace, self.store = workspace, store

    def add(self, name: str, **facts: Any) -> JobRecord:
        """Write a job into the store, and its folder and ``trial.json``."""
        parent = facts.get("parent")
        record = JobRecord(
            **{
                "name": name,
                "type": "trial" if parent else "command",
                "status": JobStatus.RUNNING,
                "display_name": name,
                "experiment_name": "digits",
                "folder": f"{parent}/{name}" if parent else name,
                "created": time.time(),
                **facts,
            }
        )
        with self.store.write() as writer:
            writer.add_job(record)
        folder = self.folder(record)
        folder.artifacts.mkdir(parents=True, exist_ok=True)
        spec = {
            "name": record.name,
            "parent": record.parent,
            "number": record.number,
            "experiment_name": record.experiment_name,
            "display_name": record.display_name,
            "params": dict(record.params),
            "inputs": {},
            "tags": dict(record.tags),
            "created": record.created,
            "folder": record.folder,
        }
        write_json(folder.spec, spec)
        return record

    def folder(self, record: JobRecord) -> TrialFolder:
        return self.workspace.trial(record.folder)

    def environment(self, record: JobRecord) -> dict[str, str]:
        database = self.workspace.mlflow_database
        return {
            **os.environ,
            "MLFLOW_RUN_ID": record.name,
            "MLFLOW_EXPERIMENT_NAME": record.experiment_name,
            "MLFLOW_TRACKING_URI": f"workbench://{database}",
            "MLFLOW_REGISTRY_URI": f"sqlite:///{database}",
            "WORKBENCH_TRIAL_FOLDER": str(self.folder(record).root),
            "WORKBENCH_WORKSPACE": str(self.workspace.root),
            "WORKBENCH_WAKE": str(self.workspace.wake),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def start(self, record: JobRecord, code: str) -> Forked:
        return fork(textwrap.dedent(code), self.environment(record), self.folder(record).root)

    def run(self, record: JobRecord, code: str) -> str:
        """Run ``code`` as the trial's process and return what it printed."""
        return self.start(record, code).finish()

    def collect(self, record: JobRecord) -> int:
        """Bring the trial's new lines to the store, as the supervisor does; return how many there were."""
        now = self.store.job(record.name)
        assert now is not None
        lines, offset = read_points(self.folder(record).metrics, now.metrics_read)
        if lines:
            with self.store.write() as writer:
                writer.add_points(Point(record.name, *line) for line in lines)
                writer.update_job(record.name, metrics_read=offset)
        return len(lines)

    def update(self, record: JobRecord, **columns: Any) -> JobRecord:
        with self.store.write() as writer:
            writer.update_job(record.name, **columns)
        return replace(record, **columns)


@pytest.fixture
def house(workspace: WorkspaceFolder, store: Store) -> House:
    return House(workspace, store)


@pytest.fixture
def stock(workspace: WorkspaceFolder) -> Callable[[], Any]:
    """Return stock MLflow's client on the workspace."""

    def client() -> Any:
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=workspace.mlflow_uri, registry_uri=workspace.mlflow_uri)

    return client
