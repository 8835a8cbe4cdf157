"""GPUs and cores that jobs share, with devices that a file tells of: what trials see, why jobs wait, what is freed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import client_of
from tests.supervisor.gates import Gate, until
from tests.supervisor.test_sweeps_end_to_end import finish, wait
from workbench import MLClient, command
from workbench.definition.resources import JobResourceConfiguration
from workbench.errors import ValidationException
from workbench.store.files import read_json
from workbench.sweep import Choice
from workbench.testing.devices import GIB, InMemoryDevices

TWO_OF_TWO = "GPU 0: 2 of 2 shares leased"


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leases").mkdir()
    monkeypatch.setenv("WORKBENCH_LEASES", str(tmp_path / "leases"))


@pytest.fixture
def devices(tmp_path: Path) -> InMemoryDevices:
    devices = InMemoryDevices()
    devices.add()
    devices.write(tmp_path / "devices.json")
    return devices


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture
def gpu_client(tmp_path: Path, mlflow_database: Path, devices: InMemoryDevices) -> Iterator[MLClient]:
    with client_of(tmp_path / "workspace", mlflow_database) as client:
        use_devices(client, tmp_path)
        yield client


def use_devices(client: MLClient, tmp_path: Path) -> None:
    client.context.workspace.settings.write_text(f'devices = "{tmp_path / "devices.json"}"\nslots = 8\n')


def submit(client: MLClient, gate: Gate, **resources: float) -> str:
    return str(client.create_or_update(gate.job(resources=JobResourceConfiguration(**resources))).name)


def waits_because(client: MLClient, name: str, reason: str) -> None:
    until(client, lambda: client.jobs.record(name).reason == reason, lambda: client.jobs.record(name))
    assert client.jobs.record(name).status == "Queued"
    assert [entry.reason for entry in client.queue.list() if entry.name == name] == [reason]


def runs(client: MLClient, name: str) -> None:
    until(client, lambda: client.jobs.record(name).status == "Running", lambda: client.jobs.record(name))


def seen(client: MLClient, job: object) -> dict[str, str]:
    text = Path(str(client.jobs.get(str(job)).log_files["user_logs/std_log.txt"])).read_text()  # type: ignore[index]
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_a_job_sees_the_gpus_that_are_leased_for_it(
    gpu_client: MLClient, devices: InMemoryDevices, tmp_path: Path
) -> None:
    devices.add()
    devices.write(tmp_path / "devices.json")
    both = finish(gpu_client, command(command="env", resources=JobResourceConfiguration(gpus=2, cpus=1)))
    variables = seen(gpu_client, both.name)
    assert variables["CUDA_VISIBLE_DEVICES"] == ",".join(gpu.uuid for gpu in devices.gpus())
    assert variables["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert variables["OMP_NUM_THREADS"] == "1"
    one = finish(gpu_client, command(command="env", resources=JobResourceConfiguration(gpus=1)))
    assert seen(gpu_client, one.name)["CUDA_VISIBLE_DEVICES"] in [gpu.uuid for gpu in devices.gpus()]


def test_leased_cores_are_the_threads_of_numeric_libraries(gpu_client: MLClient) -> None:
    cores = os.sysconf("SC_NPROCESSORS_ONLN")
    done = finish(gpu_client, command(command="env", resources=JobResourceConfiguration(cpus=cores)))
    variables = seen(gpu_client, done.name)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    assert [variables[name] for name in names] == [str(cores)] * 3


def test_two_halves_share_a_gpu_and_a_third_waits_for_one(gpu_client: MLClient, gate: Gate) -> None:
    names = [submit(gpu_client, gate, gpus=0.5) for _ in range(3)]
    for name in names[:2]:
        runs(gpu_client, name)
    waits_because(gpu_client, names[2], TWO_OF_TWO)
    gate.open()
    runs(gpu_client, names[2])
    gate.open(2)
    for name in names:
        wait(gpu_client, name)
        assert gpu_client.jobs.record(name).status == "Completed"


def test_two_workspaces_share_one_machine(
    gpu_client: MLClient, gate: Gate, tmp_path: Path, mlflow_database: Path
) -> None:
    with client_of(tmp_path / "other", mlflow_database) as other:
        use_devices(other, tmp_path)
        mine = [submit(gpu_client, gate, gpus=0.5) for _ in range(2)]
        for name in mine:
            runs(gpu_client, name)
        theirs = submit(other, gate, gpus=0.5)
        waits_because(other, theirs, TWO_OF_TWO)
        gate.open()
        runs(other, theirs)
        gate.open(2)
        wait(other, theirs)
        for name in mine:
            wait(gpu_client, name)


def test_memory_that_somebody_else_holds_is_waited_for(
    gpu_client: MLClient, gate: Gate, devices: InMemoryDevices, tmp_path: Path
) -> None:
    (gpu,) = devices.gpus()
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        devices.start(gpu.uuid, stranger.pid, 71 * GIB)
        devices.write(tmp_path / "devices.json")
        name = submit(gpu_client, gate, gpus=1)
        waits_because(gpu_client, name, f"GPU 0: 71 of 80 GiB used by pid {stranger.pid} (not ours)")
        stranger.kill()
    devices.stop(gpu.uuid, stranger.pid)
    devices.write(tmp_path / "devices.json")
    gate.open()
    wait(gpu_client, name)
    assert gpu_client.jobs.record(name).status == "Completed"


def test_a_killed_host_frees_its_share(gpu_client: MLClient, gate: Gate) -> None:
    first = submit(gpu_client, gate, gpus=1)
    runs(gpu_client, first)
    second = submit(gpu_client, gate, gpus=1)
    waits_because(gpu_client, second, "GPU 0: leased")
    record = read_json(gpu_client.context.workspace.trial(first).host)
    assert record is not None
    os.kill(record["host"]["pid"], signal.SIGKILL)
    runs(gpu_client, second)
    wait(gpu_client, first)
    assert gpu_client.jobs.record(first).status == "Failed"
    gate.open()
    wait(gpu_client, second)


def test_a_sweep_has_as_many_trials_at_once_as_the_machine_has_room_for(gpu_client: MLClient, gate: Gate) -> None:
    sweep = gate.job()(x=Choice([1, 2, 3])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=3
    )
    sweep.set_resources(gpus=0.5)
    name = str(gpu_client.create_or_update(sweep).name)
    until(gpu_client, lambda: gpu_client.jobs.record(name).reason == TWO_OF_TWO)
    assert [child.status.value for child in gpu_client.context.store.children(name)].count("Queued") <= 1
    gate.open()
    until(gpu_client, lambda: len(gate.starts) == 3)
    gate.open(2)
    wait(gpu_client, name)
    assert gpu_client.jobs.record(name).status == "Completed"


def test_what_the_machine_can_never_give_is_refused_at_once(gpu_client: MLClient) -> None:
    before = gpu_client.context.store.now()
    for resources, message in (
        ({"gpus": 2}, "2 GPUs are asked for, this machine has 1"),
        ({"gpus": 1.5}, "a fraction is a share of one GPU"),
        ({"cpus": 1e6}, "1e\\+06 cores are asked for"),
        ({"memory": "900t"}, "GiB of memory are asked for"),
    ):
        job = command(command="true", resources=JobResourceConfiguration(**resources))
        with pytest.raises(ValidationException, match=message):
            gpu_client.create_or_update(job)
    assert gpu_client.context.store.now() == before
