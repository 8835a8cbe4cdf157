"""Containers outlive whoever cares for them: supervisor, host, and the process that deals with the engine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import supervisor_of
from tests.containers.conftest import containers_of
from tests.environments.test_venvs import log_of
from tests.supervisor.gates import kill_supervisor, until
from workbench import Input, MLClient, command
from workbench.definition.command import Command
from workbench.entities import Environment
from workbench.environments.engine import address, connect
from workbench.store.files import TrialFolder, read_json, write_json
from workbench.testing.devices import InMemoryDevices
from workbench.trial.claims import claimed_by
from workbench.trial.leases import Resource, free_units
from workbench.trial.leases import folder as lease_folder
from workbench.trial.processes import Identity, is_alive
from workbench.views.resources import usage

_CORES = Resource("cores", (os.cpu_count() or 1) * 100)
_SAYS = """
import signal, sys, workbench
print("one", flush=True)
workbench.log(step=0, score=0.5)
said = open(sys.argv[1] + "/gate").read()
print("two", flush=True)
workbench.log(step=1, score=1.5)
sys.exit(int(said))
"""


class Waiting:
    """A job in a container that has said one thing, and says another when it is let through.

    Args:
        client: of the workspace that it runs in.
        job: what is submitted.
        data: the folder with its gate.
    """

    def __init__(self, client: MLClient, job: Command, data: Path) -> None:
        self.client = client
        self._data = data
        self.name = str(client.jobs.create_or_update(job).name)
        until(client, lambda: len(client.context.store.points(self.name)) == 1, self.tell)
        until(client, lambda: client.jobs.record(self.name).status == "Running", self.tell)

    def tell(self) -> str:
        """Return all that is known of it."""
        log = self.folder.host_log
        return f"{self.client.jobs.record(self.name)}\n{log.read_text() if log.exists() else 'no host'}"

    @property
    def folder(self) -> TrialFolder:
        return self.client.context.workspace.trial(self.client.jobs.record(self.name).folder)

    @property
    def host(self) -> Identity:
        found = claimed_by(self.folder)
        assert found is not None
        return found

    @property
    def runner(self) -> int:
        return int((read_json(self.folder.host) or {})["child"]["pid"])

    def let_through(self, code: int) -> None:
        with (self._data / "gate").open("w") as gate:
            gate.write(str(code))

    def wait(self) -> str:
        """Return the reason for which it has ended."""
        until(self.client, lambda: self.client.jobs.record(self.name).status.is_finished, self.tell)
        return self.client.jobs.record(self.name).reason or ""

    def has_run_once(self) -> None:
        said = log_of(self.client, self.name).splitlines()
        assert [line for line in said if not line.startswith("the environment is ready")] == ["one", "two"]
        points = self.client.context.store.points(self.name)
        assert [(point.step, point.value) for point in points] == [(0, 0.5), (1, 1.5)]


@pytest.fixture
def job(in_image: Environment, tmp_path: Path) -> Command:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(_SAYS)
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "gate")
    return command(
        code=str(tmp_path / "code"),
        command="python3 train.py ${{inputs.data}}",
        inputs={"data": Input(type="uri_folder", path=str(tmp_path / "data"))},
        environment=in_image,
        resources={"cpus": 0.5},
    )


@pytest.fixture
def waiting(shared_client: MLClient, job: Command, tmp_path: Path) -> Iterator[Waiting]:
    one = Waiting(shared_client, job, tmp_path / "data")
    yield one
    if not shared_client.jobs.record(one.name).status.is_finished:
        shared_client.jobs.begin_cancel(one.name).result()


def test_the_next_supervisor_adopts(waiting: Waiting) -> None:
    host = waiting.host
    kill_supervisor(waiting.client)
    (running,) = containers_of(waiting.client, job=waiting.name)
    assert running["State"] == "running"
    list(waiting.client.jobs.list())
    waiting.let_through(0)
    assert waiting.wait() == ""
    assert waiting.host == host
    waiting.has_run_once()


def test_another_host_follows_when_one_was_killed_and_so_on(waiting: Waiting) -> None:
    hosts, runners = [], []
    for _ in range(3):
        hosts.append(waiting.host)
        runners.append(waiting.runner)
        os.kill(waiting.host.pid, signal.SIGKILL)
        until(waiting.client, lambda: waiting.host not in hosts and waiting.runner not in runners, waiting.tell)
        assert is_alive(waiting.host)
    assert free_units(_CORES, lease_folder()) == _CORES.units - 50, "it has what it had leased"
    (running,) = containers_of(waiting.client, job=waiting.name)
    assert running["State"] == "running"
    assert usage(waiting.folder, InMemoryDevices())["processes"] >= 3, (
        "what deals with the engine, the first process inside, the script"
    )
    waiting.let_through(3)
    assert waiting.wait() == "exit code 3: two"
    waiting.has_run_once()
    told = [event.text for event in waiting.client.context.store.events(waiting.name) if event.kind == "host"]
    assert told == ["its host was killed; another one follows its container"] * 3
    assert free_units(_CORES, lease_folder()) == _CORES.units


def test_another_process_deals_with_the_engine_when_one_was_killed(waiting: Waiting) -> None:
    host, runner = waiting.host, waiting.runner
    os.kill(runner, signal.SIGKILL)
    until(waiting.client, lambda: waiting.runner != runner, waiting.tell)
    waiting.let_through(0)
    assert waiting.wait() == ""
    assert waiting.host == host
    waiting.has_run_once()


@pytest.mark.parametrize("when", ["it goes on", "it has ended", "it was removed"])
def test_what_happens_while_nobody_cares_is_not_lost(waiting: Waiting, when: str) -> None:
    supervisor = supervisor_of(waiting.client.context.workspace)
    assert supervisor is not None
    victims = [supervisor.pid, waiting.host.pid, waiting.runner]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    (running,) = containers_of(waiting.client, job=waiting.name)
    if when != "it goes on":
        waiting.let_through(4)
        assert connect(address()).wait(running["Id"])["StatusCode"] == 4
    if when == "it was removed":
        connect(address()).remove_container(running["Id"])
    list(waiting.client.jobs.list())  # who looks revives what must live
    if when == "it goes on":
        until(waiting.client, lambda: waiting.host.pid not in victims, waiting.tell)
        waiting.let_through(4)
    lost = "the process that ran the trial was killed, or the machine restarted"
    assert waiting.wait() == (lost if when == "it was removed" else "exit code 4: two")
    waiting.has_run_once()


def test_an_adopted_container_can_be_canceled(waiting: Waiting) -> None:
    host = waiting.host
    os.kill(host.pid, signal.SIGKILL)
    waiting.client.jobs.begin_cancel(waiting.name).result()
    done = waiting.client.jobs.record(waiting.name)
    assert (done.status, containers_of(waiting.client)) == ("Canceled", [])
    assert "nothing of it is left" in (done.reason or "")


@pytest.mark.parametrize("minutes", [30, 60])
def test_an_adopted_container_has_the_time_that_was_left(
    shared_client: MLClient, job: Command, tmp_path: Path, minutes: int
) -> None:
    job.set_limits(timeout=3600)
    one = Waiting(shared_client, job, tmp_path / "data")
    host, runner = one.host, one.runner
    kill_supervisor(shared_client)
    os.kill(host.pid, signal.SIGKILL)
    told = read_json(one.folder.container) or {}
    write_json(one.folder.container, {**told, "started": told["started"] - 60 * minutes})  # so long nobody cared
    list(shared_client.jobs.list())
    if minutes < 60:
        until(shared_client, lambda: one.host != host and one.runner != runner, one.tell)
        one.let_through(0)
        assert one.wait() == ""
        return
    reason = one.wait()
    assert shared_client.jobs.record(one.name).status == "Canceled"
    assert reason.partition(" (")[0] == "its timeout was reached"
