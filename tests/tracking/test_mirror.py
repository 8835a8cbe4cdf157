"""The store's jobs and points in MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.tracking.conftest import House
from workbench.definition.status import JobStatus
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import Point
from workbench.tracking.mirror import CURSOR, Mirror
from workbench.tracking.names import acceptable_key, folder_name

Stock = Callable[[], Any]
SWEEP: dict[str, Any] = {
    "type": "sweep",
    "definition": {
        "type": "sweep",
        "objective": {"goal": "maximize", "primary_metric": "acc"},
        "trial": {
            "command": "python train.py",
            "inputs": {"epochs": 3, "lr": "${{search_space.lr}}", "data": {"type": "uri_folder", "path": "."}},
        },
    },
    "launch": {"snapshot": "abc", "environment": "local", "seed": 7, "python": "/usr/bin/python"},
    "properties": {"mlflow.source.git.commit": "c0ffee", "azureml.git.dirty": "True"},
}


def add_points(store: Store, *points: Point) -> None:
    with store.write() as writer:
        writer.add_points(points)


def test_a_sweep_and_its_trials_become_nested_runs(house: House, mirror: Mirror, stock: Stock) -> None:
    house.add("sw", display_name="my sweep", description="why", tags={"team": "a"}, **SWEEP)
    child = house.add("sw_0", parent="sw", number=0, display_name="my sweep_0", params={"lr": 0.1, "big": "x" * 9000})
    queued = house.add("sw_1", parent="sw", number=1, status=JobStatus.QUEUED, params={"lr": 1e-05})
    mirror.catch_up()
    client = stock()
    parent, first = client.get_run("sw"), client.get_run("sw_0")
    assert parent.info.run_name == "my sweep"
    assert parent.data.tags["team"] == "a"
    assert parent.data.tags["mlflow.note.content"] == "why"
    assert parent.data.params == {"epochs": "3"}
    assert first.info.run_name == "my sweep_0"
    assert first.info.status == "RUNNING"
    assert first.data.params["lr"] == "0.1"
    assert first.data.params["epochs"] == "3"
    assert len(first.data.params["big"]) == 6000
    assert first.data.tags["mlflow.parentRunId"] == "sw"
    assert first.data.tags["mlflow.source.name"] == "python train.py"
    assert first.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert {key: value for key, value in first.data.tags.items() if key.startswith("workbench.")} == {
        "workbench.type": "trial",
        "workbench.sweep": "sw",
        "workbench.snapshot": "abc",
        "workbench.environment": "local",
        "workbench.seed": "7",
    }
    assert client.get_run("sw_1").info.status == "SCHEDULED"

    house.update(child, status=JobStatus.COMPLETED, started=100.5, ended=200.25, score=0.9, reason="done")
    house.update(queued, status=JobStatus.CANCELED, ended=201.0)
    mirror.catch_up()
    first = client.get_run("sw_0")
    assert (first.info.status, first.info.start_time, first.info.end_time) == ("FINISHED", 100500, 200250)
    assert first.data.tags["workbench.score"] == "0.9"
    assert first.data.tags["workbench.reason"] == "done"
    assert client.get_run("sw_1").info.status == "KILLED"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (JobStatus.NOT_STARTED, "SCHEDULED"),
        (JobStatus.FINALIZING, "RUNNING"),
        (JobStatus.CANCEL_REQUESTED, "RUNNING"),
        (JobStatus.FAILED, "FAILED"),
    ],
)
def test_states_have_mlflow_s_words(house: House, mirror: Mirror, stock: Stock, status: JobStatus, shown: str) -> None:
    house.add("job", status=status)
    mirror.catch_up()
    assert stock().get_run("job").info.status == shown


def test_points_arrive_once_with_the_latest_values(house: House, mirror: Mirror, stock: Stock) -> None:
    house.add("job")
    points = [Point("job", "a", float(n % 7), n % 5, n) for n in range(100)]
    points += [Point("job", "nan", float("nan"), 0, 1), Point("job", "inf", float("-inf"), 0, 1)]
    points += [Point("job", "acc@5 (top)", 1.0, 0, 1)]  # from printed text: MLflow would refuse the name
    add_points(house.store, *points)
    mirror.catch_up()
    with house.store.write() as writer:  # as if it had been killed before it could note how far it came
        writer.set_cursor(CURSOR, 0)
    mirror.catch_up()
    Mirror(house.workspace, house.store).catch_up()
    client = stock()
    assert len(client.get_metric_history("job", "a")) == 100
    metrics = client.get_run("job").data.metrics
    assert metrics["a"] == 99 % 7
    assert metrics["nan"] != metrics["nan"]
    assert metrics["inf"] < -1e308
    assert metrics["acc_5 _top_"] == 1.0


def test_nothing_new_moves_nothing(house: House, mirror: Mirror) -> None:
    house.add("job")
    reached = mirror.catch_up()
    assert mirror.catch_up() == reached == house.store.cursor(CURSOR)
    now = house.store.now()
    mirror.catch_up()
    assert house.store.now() == now


def test_a_lost_mlflow_database_is_written_again(house: House, mirror: Mirror, stock: Stock) -> None:
    house.add("job")
    add_points(house.store, Point("job", "a", 1.0, 0, 1))
    mirror.catch_up()
    for path in house.workspace.hidden.glob("mlflow.db*"):
        path.rename(path.with_name(path.name.replace("mlflow", "lost")))
    Mirror(house.workspace, house.store).catch_up()
    assert stock().get_run("job").data.metrics == {"a": 1.0}


def test_a_deleted_experiment_comes_back_with_its_next_job(house: House, mirror: Mirror, stock: Stock) -> None:
    house.add("job")
    mirror.catch_up()
    client = stock()
    client.delete_experiment(client.get_experiment_by_name("digits").experiment_id)
    house.add("next")
    Mirror(house.workspace, house.store).catch_up()
    assert client.get_experiment_by_name("digits").lifecycle_stage == "active"


def test_many_points_at_once(house: House, mirror: Mirror, stock: Stock) -> None:
    names = [house.add(f"sw_{n}", parent="sw", number=n).name for n in range(20)]
    mirror.catch_up()
    add_points(house.store, *(Point(name, f"k{n % 3}", n, n, n) for n in range(1000) for name in names))
    mirror.catch_up()
    client = stock()
    for name in names:
        assert sum(len(client.get_metric_history(name, key)) for key in ("k0", "k1", "k2")) == 1000


def test_names_that_mlflow_or_a_disk_would_refuse() -> None:
    assert acceptable_key("loss/train: 1.5-a b") == "loss/train: 1.5-a b"
    assert acceptable_key("../x") == "___x"
    assert acceptable_key("a//b") == "a__b"
    assert len(acceptable_key("é" * 300)) == 250
    assert folder_name("digits") == "digits"
    assert folder_name("a/b") != folder_name("a-b")
    assert "/" not in folder_name("../etc")


def test_the_process_mirrors_on_a_byte_and_leaves_with_its_starter(
    house: House, workspace: WorkspaceFolder, stock: Stock
) -> None:
    house.add("job")
    os.mkfifo(workspace.wake)
    wake = os.open(workspace.wake, os.O_RDWR)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "workbench.tracking", str(workspace.root)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    assert os.read(wake, 100)  # it waits: the first round is done
    client = stock()
    assert client.get_run("job").info.status == "RUNNING"
    add_points(house.store, Point("job", "a", 1.0, 0, 1))
    process.stdin.write(b"!!!")
    assert os.read(wake, 100)
    assert client.get_run("job").data.metrics == {"a": 1.0}
    add_points(house.store, Point("job", "a", 2.0, 1, 1))
    process.stdin.close()
    assert process.wait(300) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert client.get_run("job").data.metrics == {"a": 2.0}
    os.close(wake)


def test_the_process_leaves_when_nothing_happens(house: House, workspace: WorkspaceFolder) -> None:
    house.add("job")
    read, write = os.pipe()
    code = "import sys, pathlib; from workbench.tracking.__main__ import main; main(pathlib.Path(sys.argv[1]), 0.1)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(workspace.root)],
        stdin=read,
        timeout=300,
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert house.store.cursor(CURSOR) > 0
    os.close(read)
    os.close(write)


def test_a_job_that_mlflow_cannot_keep_is_no_trouble_for_the_others(house: House, stock: Stock) -> None:
    house.add("before")
    house.add("bad", experiment_name="x" * 600)
    house.add("after")
    Mirror(house.workspace, house.store).catch_up()
    assert {run.info.run_id for run in (stock().get_run("before"), stock().get_run("after"))} == {"before", "after"}
    assert "MLflow cannot keep this job" in house.store.events("bad")[-1].text
    house.add("later")
    Mirror(house.workspace, house.store).catch_up()
    assert stock().get_run("later").info.run_id == "later"
