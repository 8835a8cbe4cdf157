"""How full the machine is, and what a trial uses of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.states import nobody_starts, write_states
from workbench import MLClient
from workbench.client.machine import MachineWatch
from workbench.store.files import TrialFolder, write_json
from workbench.testing.devices import GIB, InMemoryDevices
from workbench.trial.processes import Identity
from workbench.views.resources import machine, usage


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdout.read(1)  # it has begun: right after its start a process has no memory yet
        yield process.pid
        process.kill()


def test_slots_and_gpus(ml_client: MLClient, tmp_path: Path) -> None:
    devices = InMemoryDevices()
    gpu, other = devices.add(24 * GIB, "RTX A5000"), devices.add(24 * GIB, "RTX A5000")
    devices.start(gpu.uuid, 1, 3 * GIB)
    devices.load(gpu.uuid, 61)
    workspace = ml_client.context.workspace
    written = tmp_path / "other.json"
    devices.write(written)
    watch = MachineWatch(workspace)
    with nobody_starts(ml_client):
        write_states(ml_client, tmp_path / "code", many=1)
        workspace.settings.write_text(f'devices = "{written}"\nslots = 12\n')
        found = machine(ml_client.context, watch)
        # Two trials run of each of three sweeps, and two jobs run or prepare; one job waits, a sweep needs no slot.
        assert found["slots"] == {"used": 8, "total": 12}
        assert found["gpus"] == [
            {"label": "GPU 0", "name": "RTX A5000", "busy": 61, "used": 3 * GIB, "total": 24 * GIB},
            {"label": "GPU 1", "name": "RTX A5000", "busy": None, "used": 0, "total": 24 * GIB},
        ]
        opened = watch.devices()
        devices.remove(other.uuid)
        devices.write(written)
        assert [one["label"] for one in machine(ml_client.context, watch)["gpus"]] == ["GPU 0"]
        assert watch.devices() is opened, "the driver is opened once"


def test_a_trial_uses_what_its_processes_use(tmp_path: Path, sleeper: int) -> None:
    devices = InMemoryDevices()
    gpu = devices.add(24 * GIB, "RTX A5000")
    devices.start(gpu.uuid, sleeper, 2 * GIB)
    devices.start(gpu.uuid, 4_200_000, 9 * GIB)  # somebody else
    host = Identity.of(os.getpid())
    assert host is not None
    write_json(TrialFolder(tmp_path).host, {"host": host.to_record()})
    used = usage(TrialFolder(tmp_path), devices)
    assert used["processes"] >= 1
    assert used["memory"] > 0
    assert used["gpus"] == [{"label": "GPU 0", "name": "RTX A5000", "memory": 2 * GIB}]
    (tmp_path / "host.json").unlink()
    gone = usage(TrialFolder(tmp_path), devices)
    assert (gone["processes"], gone["memory"], gone["gpus"]) == (0, 0, [])
