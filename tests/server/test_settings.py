"""Which workspace a server shows, and what it does when it starts and ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import websocket

from tests.conftest import client_of, supervisor_of
from tests.server.serving import Contract, Space, running_server
from tests.server.test_view import environment_of_kernel
from tests.supervisor.gates import Gate, kill_supervisor, until
from workbench import MLClient
from workbench.server.desk import Desk
from workbench.server.extension import WorkbenchExtension
from workbench.server.places import OutsideError
from workbench.store.watch import Watch
from workbench.store.workspace import SERVED_VARIABLE, VARIABLE, default_workspace
from workbench.trial.processes import is_alive


def test_the_workspace_is_a_setting_and_unfinished_work_goes_on_when_the_server_starts(
    tmp_path: Path, mlflow_database: Path, contract: Contract
) -> None:
    root = tmp_path / "root"
    gate = Gate(tmp_path / "gate")
    with client_of(root / "deep" / "work", mlflow_database) as client:
        name = client.jobs.create_or_update(gate.job()).name
        assert name is not None
        until(client, lambda: str(client.jobs.record(name).status) == "Running")
        kill_supervisor(client)
        gate.open()
        options = (
            "--WorkbenchExtension.workspace=deep/work",
            "--ServerApp.authorizer_class=tests.server.authorizers.LookOnly",
        )
        with running_server(root, *options) as server:
            # Nobody has opened anything: the server itself saw that there is work.
            with Watch(client.context.workspace) as watch:
                give_up = time.monotonic() + 60
                while not client.jobs.record(name).status.is_finished and time.monotonic() < give_up:
                    watch.wait(0.5)
            assert str(client.jobs.record(name).status) == "Completed"
            assert supervisor_of(client.context.workspace) is not None
            facts = server.fetch("workbench/api/workspace").json
            assert (facts["relative"], facts["exists"]) == ("deep/work", True)
            assert [job["name"] for job in server.fetch("workbench/api/jobs").json["jobs"]] == [name]
            assert Space(server, "", contract).get("workspace")["relative"] == "deep/work"
            kernel = server.fetch("api/kernels", "POST", {}).json["id"]
            assert environment_of_kernel(server.process.pid, kernel)[VARIABLE] == str(root / "deep" / "work")
            server.fetch(f"api/kernels/{kernel}", "DELETE")
            # The server's own rules of who may do what hold here too.
            assert server.fetch(f"workbench/api/jobs/{name}/rerun", "POST", {}).status == 403
            assert server.fetch("workbench/api/models/m/aliases/a", "DELETE").status == 403
            with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                server.socket(f"workbench/view?name={name}")
            socket = server.socket("workbench/changes")
            assert name in socket.recv()
        socket.shutdown()
        assert server.process.returncode == 0
        assert list((root / "deep" / "work" / ".workbench" / "watchers").iterdir()) == []
        assert "workbench/server" not in server.log.read_text()  # as a traceback of ours would have it
        supervisor = supervisor_of(client.context.workspace)
        assert supervisor is None or is_alive(supervisor)
        gate.close()


class Unlinked(WorkbenchExtension):
    """The extension of a server that is none."""

    serverapp: Any = None

    def of(self, root: Path, workspace: str) -> Desk:
        self.serverapp = SimpleNamespace(root_dir=str(root))
        self.workspace = workspace
        self.initialize_handlers()
        self.desk.close()
        return self.desk


def test_a_workspace_that_cannot_be_shown_is_refused_and_no_other_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = (tmp_path / "root").resolve()
    root.mkdir()
    for name in (VARIABLE, SERVED_VARIABLE):
        monkeypatch.setenv(name, "")
    for setting, variable, told in (
        (str(tmp_path), "", "WorkbenchExtension.workspace"),
        ("..", "", "WorkbenchExtension.workspace"),
        ("~no-such-user/work", "", "WorkbenchExtension.workspace"),
        ("", str(tmp_path), VARIABLE),
    ):
        monkeypatch.setenv(VARIABLE, variable)
        desk = Unlinked().of(root, setting)
        for nothing in (None, ""):
            with pytest.raises(OutsideError, match=told) as refused:
                desk.place(nothing)
            assert str(root) in str(refused.value.fix)
        assert desk.place("work") == root / "work"  # who names one is shown it
        assert (os.environ[VARIABLE], os.environ[SERVED_VARIABLE]) == (variable, "")  # kernels are told of no other
    monkeypatch.setenv(VARIABLE, "")
    assert Unlinked().of(root, "work").place(None) == root / "work"
    assert os.environ[VARIABLE] == str(root / "work")


def test_a_notebook_finds_a_workspace_above_it_before_that_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "near" / ".workbench").mkdir(parents=True)
    (tmp_path / "far").mkdir()
    monkeypatch.setenv(SERVED_VARIABLE, str(tmp_path / "served"))
    monkeypatch.chdir(tmp_path / "near")
    assert default_workspace() == tmp_path / "near"
    monkeypatch.chdir(tmp_path / "far")
    assert default_workspace() == tmp_path / "served"
    assert MLClient().workspace_folder == tmp_path / "served"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named"))
    assert default_workspace() == tmp_path / "named"
    monkeypatch.delenv(SERVED_VARIABLE)
    monkeypatch.delenv(VARIABLE)
    assert default_workspace() == Path.cwd()
    assert VARIABLE not in os.environ
