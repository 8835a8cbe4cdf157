"""GPUs as the driver shows them: in memory for everybody, and for real where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pynvml
import pytest

from workbench.errors import NotFoundError
from workbench.testing.devices import GIB, InMemoryDevices
from workbench.trial.devices import Devices, FileDevices, Gpu, NvmlDevices, devices_from, nvml_folder
from workbench.trial.gpu_release import ended_since, holders, wait_until_free

REAL = NvmlDevices().gpus()


class Bench(Protocol):
    """A machine with a GPU that the tests may use."""

    @property
    def devices(self) -> Devices:
        """Who answers about it."""

    def occupy(self, uuid: str, size: int) -> int:
        """Start a process that holds ``size`` bytes of a device; return its pid."""

    def leave(self, pid: int) -> None:
        """End that process."""


class MemoryBench:
    def __init__(self) -> None:
        self.devices = InMemoryDevices()
        self.devices.add()
        self._places: dict[int, str] = {}

    def occupy(self, uuid: str, size: int) -> int:
        pid = 4_200_000 + len(self._places)  # above every pid that the kernel gives out
        self.devices.start(uuid, pid, size)
        self._places[pid] = uuid
        return pid

    def leave(self, pid: int) -> None:
        self.devices.stop(self._places[pid], pid)


HOLD = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    if code := getattr(cuda, name)(*arguments):
        sys.exit(f"{name}: CUDA error {code}")
call("cuInit", 0)
device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuDeviceGet", ctypes.byref(device), 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
call("cuCtxSetCurrent", context)
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()
"""


class RealBench:
    def __init__(self) -> None:
        self.devices = NvmlDevices()
        self._running: dict[int, subprocess.Popen[str]] = {}

    def occupy(self, uuid: str, size: int) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(size)],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": uuid},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        self._running[process.pid] = process
        return process.pid

    def leave(self, pid: int) -> None:
        process = self._running.pop(pid)
        process.kill()
        process.communicate(timeout=60)


BENCHES: list[Callable[[], Bench]] = [MemoryBench, *([RealBench] if REAL else [])]


@pytest.fixture(params=BENCHES, ids=lambda bench: bench.__name__)
def bench(request: pytest.FixtureRequest) -> Bench:
    made: Bench = request.param()
    return made


@pytest.fixture
def devices() -> InMemoryDevices:
    return InMemoryDevices()


# Whatever the machine


def test_a_device_is_known_by_its_uuid(bench: Bench) -> None:
    gpus = bench.devices.gpus()
    assert gpus
    assert len({gpu.uuid for gpu in gpus}) == len(gpus)
    for gpu in gpus:
        assert gpu.uuid.startswith(("GPU-", "MIG-"))
        assert gpu.label.startswith(f"GPU {gpu.index}")
        assert gpu.name
        used, free = bench.devices.memory(gpu.uuid)
        assert 0 < used + free <= gpu.memory
        assert gpu.memory > GIB


def test_a_process_is_seen_and_seen_to_leave(bench: Bench) -> None:
    uuid = bench.devices.gpus()[0].uuid
    used_before, _ = bench.devices.memory(uuid)
    shown_before = holders([uuid], bench.devices)
    pid = bench.occupy(uuid, GIB)
    try:
        used, _ = bench.devices.memory(uuid)
        assert used - used_before >= GIB
        fresh = holders([uuid], bench.devices) - shown_before
        # From within a container the driver may show nobody, or numbers that mean nothing here.
        assert pid in fresh or not any(Path(f"/proc/{other}").exists() for other in fresh)
    finally:
        bench.leave(pid)
    assert wait_until_free([uuid], {pid, *fresh}, bench.devices, patience=30) == []
    used_after, _ = bench.devices.memory(uuid)
    assert used_after - used_before < GIB


def test_a_device_that_is_not_there(bench: Bench) -> None:
    for ask in (bench.devices.memory, bench.devices.processes):
        with pytest.raises(NotFoundError, match="GPU-00000000-dead"):
            ask("GPU-00000000-dead-0000-0000-000000000000")
    assert holders(["GPU-00000000-dead-0000-0000-000000000000"], bench.devices) == set()


# Written down


def test_devices_in_memory(devices: InMemoryDevices) -> None:
    first, second = devices.add(), devices.add(24 * GIB, "NVIDIA GeForce RTX 4090")
    assert devices.gpus() == (first, second)
    assert (second.index, second.label, second.name) == (1, "GPU 1", "NVIDIA GeForce RTX 4090")
    devices.start(second.uuid, 77, 6 * GIB)
    devices.start(second.uuid, 78, None)
    assert devices.memory(second.uuid) == (6 * GIB, 18 * GIB)
    assert devices.processes(second.uuid) == {77: 6 * GIB, 78: None}
    devices.stop(second.uuid, 77)
    assert devices.memory(second.uuid) == (0, 24 * GIB)
    devices.remove(second.uuid)
    assert devices.gpus() == (first,)


def test_a_device_in_memory_is_as_busy_as_it_is_said_to_be(devices: InMemoryDevices) -> None:
    gpu = devices.add()
    assert devices.busy(gpu.uuid) is None
    devices.load(gpu.uuid, 40)
    assert devices.busy(gpu.uuid) == 40
    with pytest.raises(NotFoundError):
        devices.load("GPU-9", 1)


def test_a_divided_gpu_is_shown_as_its_instances(devices: InMemoryDevices) -> None:
    whole, other = devices.add(), devices.add()
    one, two = devices.divide(whole.uuid, [40 * GIB, 20 * GIB])
    assert devices.gpus() == (one, two, other)
    assert [gpu.label for gpu in devices.gpus()] == ["GPU 0:0", "GPU 0:1", "GPU 1"]
    assert one.uuid.startswith("MIG-")
    assert devices.memory(two.uuid) == (0, 20 * GIB)


def test_a_file_says_the_same_to_other_processes(devices: InMemoryDevices, tmp_path: Path) -> None:
    path = tmp_path / "gpus.json"
    told = devices_from(str(path))
    assert isinstance(told, FileDevices)
    assert told.gpus() == (), "no file, no driver"
    gpu = devices.add()
    devices.start(gpu.uuid, 77, GIB)
    devices.write(path)
    assert told.gpus() == devices.gpus()
    assert told.processes(gpu.uuid) == {77: GIB}
    devices.start(gpu.uuid, 78, None)
    devices.divide(devices.add().uuid, [GIB])
    devices.write(path)
    assert told.gpus() == devices.gpus()
    assert told.processes(gpu.uuid) == {77: GIB, 78: None}
    assert told.memory(gpu.uuid) == devices.memory(gpu.uuid)
    json.loads(path.read_text())


# The driver


class FakeDriver(SimpleNamespace):
    """NVML's functions over made-up handles; its errors and constants are the real ones."""

    NVMLError = pynvml.NVMLError

    def __init__(self, gpus: list[dict[str, Any]]) -> None:
        super().__init__(present=True, ready=0, inits=0, shown=gpus)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("NVMLError_", "NVML_")):
            return getattr(pynvml, name)
        assert not name.startswith("nvml"), f"{name} is called and not faked"
        raise AttributeError(name)

    def _check(self) -> None:
        if not self.ready:
            raise pynvml.NVMLError_Uninitialized

    def reload(self) -> None:
        self.ready = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        if not self.present:
            raise pynvml.NVMLError_LibraryNotFound
        self.inits += 1
        self.ready = 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._check()
        self.ready = 0

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self._check()
        return len(self.shown)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802
        self._check()
        if self.shown[index].get("lost"):
            raise pynvml.NVMLError_GpuIsLost
        return self.shown[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:  # noqa: N802
        self._check()
        for one in self.shown:
            for handle in (one, *(part for part in one.get("parts", ()) if part)):
                if handle["uuid"] == uuid:
                    return handle
        raise pynvml.NVMLError_NotFound

    def nvmlDeviceGetUUID(self, handle: Any) -> str:  # noqa: N802
        return str(handle["uuid"])

    def nvmlDeviceGetName(self, handle: Any) -> str:  # noqa: N802
        return str(handle["name"])

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:  # noqa: N802
        self._check()
        return SimpleNamespace(total=handle["memory"], used=GIB, free=handle["memory"] - GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:  # noqa: N802
        self._check()
        if handle["uuid"].startswith("MIG-"):
            raise pynvml.NVMLError_NotSupported
        return SimpleNamespace(gpu=61, memory=3)

    def nvmlDeviceGetMigMode(self, handle: Any) -> list[int]:  # noqa: N802
        if "parts" not in handle:
            raise pynvml.NVMLError_NotSupported
        return [int(bool(handle["parts"])), 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:  # noqa: N802
        return len(handle["parts"])

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:  # noqa: N802
        if handle["parts"][index] is None:
            raise pynvml.NVMLError_NotFound
        return handle["parts"][index]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in handle.get("compute", {}).items()]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> list[Any]:  # noqa: N802
        if handle["uuid"].startswith("MIG-"):
            raise pynvml.NVMLError_NotSupported
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in handle.get("graphics", {}).items()]


PART = {"uuid": "MIG-a", "name": "A100 MIG 3g.40gb", "memory": 40 * GIB, "compute": {5: None}}
SHOWN: list[dict[str, Any]] = [
    {"uuid": "GPU-0", "name": "RTX", "memory": 24 * GIB, "compute": {1: 10, 2: None}, "graphics": {1: 10, 3: 30}},
    {"uuid": "GPU-1", "name": "A100", "memory": 80 * GIB, "parts": [None, PART, None]},
    {"uuid": "GPU-2", "name": "gone", "memory": 0, "lost": True},
    {"uuid": "GPU-3", "name": "A100", "memory": 80 * GIB, "parts": []},
]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    driver = FakeDriver([dict(one) for one in SHOWN])
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return driver


def test_the_fake_has_the_names_of_the_real_one() -> None:
    assert {name for name in vars(FakeDriver) if name.startswith("nvml")} <= set(vars(pynvml))


def test_mig_instances_stand_in_for_their_gpu_and_a_lost_gpu_is_left_out(driver: FakeDriver) -> None:
    assert NvmlDevices().gpus() == (
        Gpu("GPU-0", 0, "RTX", 24 * GIB),
        Gpu("MIG-a", 1, "A100 MIG 3g.40gb", 40 * GIB, 1),
        Gpu("GPU-3", 3, "A100", 80 * GIB),
    )


def test_those_who_compute_and_those_who_draw(driver: FakeDriver) -> None:
    devices = NvmlDevices()
    assert devices.processes("GPU-0") == {1: 10, 2: None, 3: 30}
    assert devices.processes("MIG-a") == {5: None}
    assert devices.memory("MIG-a") == (GIB, 39 * GIB)


def test_how_busy_a_device_is(driver: FakeDriver) -> None:
    assert NvmlDevices().busy("GPU-0") == 61
    assert NvmlDevices().busy("MIG-a") is None
    with pytest.raises(NotFoundError):
        NvmlDevices().busy("GPU-9")


def test_no_driver_means_no_devices(driver: FakeDriver) -> None:
    driver.present = False
    devices = NvmlDevices()
    assert devices.gpus() == ()
    with pytest.raises(NotFoundError, match="the driver does not answer for GPU-0: NVML Shared Library Not Found"):
        devices.memory("GPU-0")


def test_the_driver_is_loaded_once_and_again_when_it_was_reloaded(driver: FakeDriver) -> None:
    devices = NvmlDevices()
    assert driver.inits == 0, "nothing is loaded before the first question"
    for _ in range(3):
        assert len(devices.gpus()) == 3
    assert driver.inits == 1
    driver.reload()
    assert devices.memory("GPU-0") == (GIB, 23 * GIB)
    assert driver.inits == 2
    driver.present = False
    driver.reload()
    assert devices.gpus() == ()
    driver.present = True
    assert len(devices.gpus()) == 3


def test_the_driver_can_be_asked_where_no_packages_are_on_the_path() -> None:
    package = Path(__file__).resolve().parents[2]
    code = """if True:
        import sys
        sys.path.insert(0, sys.argv[1])
        from workbench.trial.devices import NvmlDevices
        assert "pynvml" not in sys.modules
        before = list(sys.path)
        print(len(NvmlDevices(sys.argv[2]).gpus()), "pynvml" in sys.modules, sys.path == before)
    """
    folder = nvml_folder()
    assert folder is not None
    command = [sys.executable, "-I", "-S", "-c", code, str(package), folder]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert answer.split() == [str(len(REAL)), "True", "True"]


# Released


@pytest.fixture
def gone_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_waiting_ends_with_the_last_of_the_trial(devices: InMemoryDevices) -> None:
    one, two = devices.add(), devices.add()
    devices.start(one.uuid, 77, GIB)
    devices.start(two.uuid, 78, GIB)
    devices.start(two.uuid, 4242, GIB)
    steps: Iterator[Callable[[], None]] = iter(
        [lambda: devices.stop(one.uuid, 77), lambda: None, lambda: devices.stop(two.uuid, 78)]
    )
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        next(steps)()

    assert wait_until_free([one.uuid, two.uuid], {77, 78}, devices, 60, pause) == []
    assert len(paused) == 3
    assert all(0 < seconds <= 0.05 for seconds in paused)


def test_patience_ends_and_says_who_is_left(devices: InMemoryDevices) -> None:
    gpu = devices.add()
    for pid in (79, 77, 4242):
        devices.start(gpu.uuid, pid, None)
    assert wait_until_free([gpu.uuid], lambda pid: pid < 100, devices, 0.02) == [77, 79]
    assert wait_until_free([gpu.uuid], {77}, devices, 0) == [77]


def test_a_device_that_fell_off_holds_nobody(devices: InMemoryDevices) -> None:
    gpu = devices.add()
    devices.remove(gpu.uuid)
    assert wait_until_free([gpu.uuid], {77}, devices, 60) == []


def test_what_is_left_of_a_trial_is_told_from_its_neighbours(devices: InMemoryDevices, gone_pid: int) -> None:
    gpu = devices.add()
    neighbour, outsider = os.getpid(), 4_200_001  # an outsider is in another container: no such pid here
    devices.start(gpu.uuid, outsider, GIB)
    theirs = ended_since(holders([gpu.uuid], devices))
    devices.start(gpu.uuid, neighbour, GIB)
    devices.start(gpu.uuid, gone_pid, GIB)
    assert wait_until_free([gpu.uuid], theirs, devices, 0) == [gone_pid]
