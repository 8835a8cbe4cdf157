"""What a server loads, whatever it is asked for: MLflow and Optuna are in another process, which comes and goes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import client_of
from tests.server.serving import INSIDE, Contract, Server, Space, running_server
from tests.server.test_worker import is_gone
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.trial.processes import descendants

_MODEL = """
flavors:
  python_function: {loader_module: nothing}
model_uuid: 0123456789abcdef0123456789abcdef
utc_time_created: '2026-01-01 00:00:00.000000'
"""


@pytest.fixture
def client(tmp_path: Path, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(tmp_path / "root" / "work", mlflow_database) as client:
        yield client


@pytest.fixture
def sweep(client: MLClient, tmp_path: Path) -> str:
    return past_sweep(client, tmp_path / "code", 30)


@pytest.fixture
def model(client: MLClient, sweep: str) -> Path:
    """The file that says what model the best trial has."""
    best = client.jobs.record(client.jobs.record(sweep).properties["best_child_run_id"])
    file = client.context.workspace.trial(best.folder).artifacts / "net" / "MLmodel"
    file.parent.mkdir(parents=True)
    file.write_text(_MODEL)
    return file


def space_of(server: Server) -> Space:
    return Space(server, "work", Contract(server.fetch("workbench/api/openapi.json").json))


def workers(server: Server) -> list[int]:
    def is_worker(pid: int) -> bool:
        try:
            return b"workbench.server.worker_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [pid for pid in descendants(server.process.pid) if is_worker(pid)]


def test_a_server_loads_neither_mlflow_nor_optuna(client: MLClient, sweep: str, model: Path) -> None:
    with running_server(client.workspace_folder.parent, INSIDE) as server:
        space = space_of(server)
        assert space.get("jobs")["total"] == 1
        assert (server.heavy(), workers(server)) == (set(), [])  # nothing has needed one
        assert space.get("models") == {"models": []}
        (worker,) = workers(server)
        found = space.get(f"jobs/{sweep}/candidate")
        assert [one["path"] for one in found["models"]] == ["net"]
        assert space.post(f"jobs/{sweep}/register", {"name": "digits"}, 201)["version"] == "1"
        named = space.ask("models/digits/aliases/champion", "PUT", {"version": 1}).json
        assert named["versions"][0]["aliases"] == ["champion"]
        assert space.ask("models/nothing").status == 404
        assert space.get(f"jobs/{sweep}/figures/importance")["data"]
        assert over_the_socket(server, sweep, verb="figure", kind="importance")["data"]
        assert over_the_socket(server, sweep, verb="candidate")["registered"] == [{"name": "digits", "version": "1"}]
        job = "type: command\ncommand: 'true'\ninputs:\n  net: {type: mlflow_model, path: 'azureml:digits:1'}\n"
        assert space.post("jobs", {"yaml": job}, 200, check="true")["problems"] == []
        assert space.post(f"jobs/{sweep}/check-model", {}, 200)["ok"] is False  # in a process of its own
        assert workers(server) == [worker]

        # One that is killed is told to who has asked, and nobody else.
        model.unlink()
        os.mkfifo(model)
        with ThreadPoolExecutor() as threads:
            lost = threads.submit(space.ask, f"jobs/{sweep}/candidate")
            with model.open("w"):  # it is being read
                os.kill(worker, signal.SIGKILL)
                assert lost.result().status == 503
                assert "was killed by SIGKILL" in lost.result().json["message"]
                assert "Try again" in lost.result().json["todo"]
        model.unlink()
        model.write_text(_MODEL)
        assert space.get(f"jobs/{sweep}/candidate")["models"]
        (another,) = workers(server)
        assert another != worker
        assert server.heavy() == set()

        server.process.kill()
        assert is_gone(another)
    assert "workbench/server/" not in server.log.read_text()  # as a traceback of ours would have it


def test_the_worker_ends_when_it_is_idle_and_with_the_server(client: MLClient, sweep: str, model: Path) -> None:
    with running_server(client.workspace_folder.parent, "--WorkbenchExtension.worker_idle=0.5") as server:
        space = space_of(server)
        model.unlink()
        os.mkfifo(model)
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(space.get, f"jobs/{sweep}/candidate")
            with model.open("w") as file:  # it is being read
                (first,) = workers(server)
                file.write(_MODEL)
            assert asked.result()["models"]
        assert is_gone(first)
        with ThreadPoolExecutor() as threads:
            lost = threads.submit(server.fetch, f"workbench/api/jobs/{sweep}/candidate?workspace=work")
            with model.open("w"):  # it is being read, and will be for ever
                (second,) = workers(server)
                server.process.terminate()
                assert server.process.wait(60) == 0
                assert is_gone(second)
            assert lost.exception() is not None or lost.result().status == 503
    assert "workbench/server/" not in server.log.read_text()


def over_the_socket(server: Server, name: str, **asked: Any) -> Any:
    """Return what a view is answered."""
    socket = server.socket(f"workbench/view?name={name}&workspace=work")
    try:
        socket.send(json.dumps({"id": 1, **asked}))
        while (message := json.loads(socket.recv()))["type"] != "reply":
            pass
        assert message["ok"], message
        return message["value"]
    finally:
        socket.close()
