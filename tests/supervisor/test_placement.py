"""Places for trials: which device, what the trial is told, and why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from workbench.supervisor.placement import Machine, Placement, Placer, Request, Waiting, request_of
from workbench.testing.devices import GIB, InMemoryDevices
from workbench.trial.devices import Devices, Gpu, NvmlDevices
from workbench.trial.leases import Resource, acquire, free_units

REAL = NvmlDevices().gpus()
NOON = time.mktime((2026, 3, 1, 13, 55, 0, 0, 0, -1))


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def devices() -> InMemoryDevices:
    return InMemoryDevices()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def placer(devices: InMemoryDevices, tmp_path: Path, clock: Clock) -> Placer:
    trials = {77: "brave_owl_1_3"}
    return Placer(devices, tmp_path, trials.get, Machine(cores=2, memory=24000), clock)


Take = Callable[[Request], Placement]


@pytest.fixture
def take(placer: Placer) -> Iterator[Take]:
    """Take a place that must be there; all are given back in the end."""
    with ExitStack() as taken:

        def place(request: Request) -> Placement:
            placement = placer.place(request)
            assert isinstance(placement, Placement), placement
            taken.enter_context(placement.lease)
            return placement

        yield place


def why(placer: Placer, request: Request) -> list[str]:
    waiting = placer.place(request)
    assert isinstance(waiting, Waiting), waiting
    return list(waiting.reasons)


# What is asked for


def test_a_request_is_read_from_the_launch_facts() -> None:
    launch = {"resources": {"gpus": 0.5, "cpus": 2, "memory": 2048}}
    assert request_of(launch) == Request(0.5, 2.0, 2048)
    assert request_of({"resources": {"gpus": 1}}) == Request(gpus=1.0)
    assert request_of({"resources": {"cpus": None}}) == request_of({"resources": None}) == request_of({}) == Request()


def test_who_asks_for_nothing_gets_a_place(placer: Placer, take: Take) -> None:
    placement = take(Request())
    assert (placement.gpus, placement.variables, placement.lease.fds) == ((), {}, ())


# What is given


def test_whole_gpus_are_the_lowest_and_exclusive(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    gpus = [devices.add() for _ in range(4)]
    assert take(Request(gpus=1)).gpus == (gpus[0],)
    placement = take(Request(gpus=2))
    assert placement.gpus == (gpus[1], gpus[2])
    assert placement.variables == {
        "CUDA_VISIBLE_DEVICES": f"{gpus[1].uuid},{gpus[2].uuid}",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert why(placer, Request(gpus=2)) == ["GPU 0: leased", "GPU 1: leased", "GPU 2: leased"]


def test_shares_go_to_the_fullest_gpu_that_has_room(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    first, second = devices.add(), devices.add()
    assert take(Request(gpus=0.5)).gpus == (first,)
    assert take(Request(gpus=0.75)).gpus == (second,)
    assert take(Request(gpus=0.25)).gpus == (second,), "a quarter is left there, a half on the other"
    assert take(Request(gpus=0.5)).gpus == (first,)
    assert why(placer, Request(gpus=0.5)) == ["GPU 0: 2 of 2 shares leased", "GPU 1: 2 of 2 shares leased"]


def test_whole_gpus_and_shares_keep_off_each_other(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    devices.add()
    with take(Request(gpus=0.1)).lease:
        assert why(placer, Request(gpus=1)) == ["GPU 0: leased"]
    take(Request(gpus=1))
    assert why(placer, Request(gpus=0.1)) == ["GPU 0: 10 of 10 shares leased"]


@pytest.mark.parametrize("count", range(2, 9))
def test_a_gpu_has_as_many_shares_as_the_fraction_says(
    devices: InMemoryDevices, placer: Placer, take: Take, count: int
) -> None:
    devices.add()
    for _ in range(count):
        take(Request(gpus=1 / count))
    assert why(placer, Request(gpus=1 / count)) == [f"GPU 0: {count} of {count} shares leased"]


def test_cores_and_memory(placer: Placer, take: Take, tmp_path: Path) -> None:
    placement = take(Request(cpus=1.5, memory=20480))
    assert placement.variables == dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    assert free_units(Resource("cores", 200), tmp_path) == 50
    assert why(placer, Request(cpus=1)) == ["cores: 1.5 of 2 leased"]
    assert take(Request(cpus=0.5)).variables["OMP_NUM_THREADS"] == "1"
    assert why(placer, Request(cpus=2, memory=4096)) == [
        "cores: 2 of 2 leased",
        "memory: 20.0 of 23.4 GiB leased",
    ]


def test_nothing_is_taken_when_something_is_missing(
    devices: InMemoryDevices, placer: Placer, take: Take, tmp_path: Path
) -> None:
    devices.add()
    take(Request(cpus=2))
    assert why(placer, Request(gpus=1, cpus=1)) == ["cores: 2 of 2 leased"]
    take(Request(gpus=1))


def test_two_placers_share_the_machine(devices: InMemoryDevices, placer: Placer, take: Take, tmp_path: Path) -> None:
    devices.add()
    other = Placer(devices, tmp_path, lambda pid: None, Machine(cores=2, memory=24000))
    with take(Request(gpus=1, cpus=2)).lease:
        assert why(other, Request(gpus=1, cpus=1)) == ["GPU 0: leased", "cores: 2 of 2 leased"]
    placement = other.place(Request(gpus=1, cpus=1))
    assert isinstance(placement, Placement)
    placement.lease.release()


# What is really free


def test_foreign_processes_are_named(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    _, second = devices.add(), devices.add()
    take(Request(gpus=0.5))
    take(Request(gpus=0.5))
    devices.start(second.uuid, 4242, 71 * GIB)
    assert why(placer, Request(gpus=0.5)) == [
        "GPU 0: 2 of 2 shares leased",
        "GPU 1: 71 of 80 GiB used by pid 4242 (not ours)",
    ]
    assert take(Request(gpus=0.125)).gpus == (second,), "an eighth is really free"


def test_our_own_processes_are_named(devices: InMemoryDevices, placer: Placer) -> None:
    _, second = devices.add(), devices.add()
    devices.start(second.uuid, 77, 30 * GIB)
    assert why(placer, Request(gpus=2)) == ["GPU 1: 30 of 80 GiB used by pid 77 (trial brave_owl_1_3)"]


def test_many_users_and_unseen_users(devices: InMemoryDevices, placer: Placer) -> None:
    gpu = devices.add(8 * GIB)
    for pid, size in ((1, 1 * GIB), (2, 2 * GIB), (77, 3 * GIB), (4, GIB // 2), (5, None)):
        devices.start(gpu.uuid, pid, size)
    assert why(placer, Request(gpus=1)) == [
        "GPU 0: 6.5 of 8 GiB used by pid 77 (trial brave_owl_1_3), pid 2 (not ours), pid 1 (not ours) and 2 more"
    ]

    class Unseen(InMemoryDevices):
        def processes(self, uuid: str) -> dict[int, int | None]:
            return {}

    unseen = Unseen()
    unseen.start(unseen.add().uuid, 9, 40 * GIB)
    placer._devices = unseen
    assert why(placer, Request(gpus=1)) == ["GPU 0: 40 of 80 GiB used by a process that cannot be seen from here"]


@pytest.mark.parametrize(("memory", "used", "fits"), [(80, 4, True), (80, 4.1, False), (8, 1, True), (8, 1.1, False)])
def test_the_driver_and_a_desktop_may_have_a_little(
    devices: InMemoryDevices, placer: Placer, memory: int, used: float, fits: bool
) -> None:
    gpu = devices.add(memory * GIB)
    devices.start(gpu.uuid, 1, int(used * GIB))
    placement = placer.place(Request(gpus=1))
    assert isinstance(placement, Placement) == fits
    if isinstance(placement, Placement):
        placement.lease.release()


def test_a_gpu_that_fails_to_answer_is_passed_over(tmp_path: Path) -> None:
    class Lost(InMemoryDevices):
        def memory(self, uuid: str) -> tuple[int, int]:
            return super().memory("GPU-lost" if uuid.endswith("0") else uuid)

    devices = Lost()
    _, second = devices.add(), devices.add()
    placer = Placer(devices, tmp_path, lambda pid: None, Machine(2, 24000))
    assert why(placer, Request(gpus=2)) == ["GPU 0: the driver does not answer for it"]
    placement = placer.place(Request(gpus=1))
    assert isinstance(placement, Placement)
    assert placement.gpus == (second,)
    placement.lease.release()


def test_mig_instances_are_devices_of_their_own(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    one, two = devices.divide(devices.add().uuid, [40 * GIB, 20 * GIB])
    assert take(Request(gpus=1)).variables["CUDA_VISIBLE_DEVICES"] == one.uuid
    devices.start(two.uuid, 4242, 15 * GIB)
    assert why(placer, Request(gpus=1)) == ["GPU 0:0: leased", "GPU 0:1: 15 of 20 GiB used by pid 4242 (not ours)"]
    devices.stop(two.uuid, 4242)
    take(Request(gpus=0.5))
    take(Request(gpus=0.5))
    assert why(placer, Request(gpus=0.5)) == ["GPU 0:0: 2 of 2 shares leased", "GPU 0:1: 2 of 2 shares leased"]


def test_who_is_overtaken_again_and_again_waits(
    devices: InMemoryDevices, placer: Placer, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices.add()
    monkeypatch.setattr("workbench.supervisor.placement.acquire", lambda wanted, where: None)
    assert why(placer, Request(gpus=1)) == ["others took the place while it was being chosen; it is looked for again"]


# Quarantine


def test_a_gpu_on_which_all_fails_at_once_is_left_alone(
    devices: InMemoryDevices, placer: Placer, take: Take, clock: Clock
) -> None:
    first, second = devices.add(), devices.add()
    for failed in (True, True, False, True, True):
        placer.note_end(first.uuid, failed)
    with take(Request(gpus=2)).lease:
        pass
    placer.note_end(first.uuid, True)
    assert take(Request(gpus=1)).gpus == (second,)
    clock.now += 599
    assert why(placer, Request(gpus=1)) == [
        "GPU 0: quarantined after 3 immediate failures, until 14:05",
        "GPU 1: leased",
    ]
    clock.now += 1
    assert take(Request(gpus=1)).gpus == (first,)


def test_a_gpu_can_be_put_into_quarantine(devices: InMemoryDevices, placer: Placer, take: Take) -> None:
    gpu = devices.add()
    placer.quarantine(gpu.uuid, "an uncorrectable memory error", 3600)
    reason = "GPU 0: quarantined after an uncorrectable memory error, until 14:55"
    assert why(placer, Request(gpus=0.5)) == [reason]


# What can never be


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request(gpus=4), "4 GPUs are asked for, this machine has 1: NVIDIA H100 80GB HBM3"),
        (Request(gpus=1.5), "1.5 GPUs are asked for: a fraction is a share of one GPU, more than one are whole ones"),
        (Request(cpus=2.5), "2.5 cores are asked for, this machine has 2"),
        (Request(memory=102400), "100.0 GiB of memory are asked for, this machine has 23.4 GiB"),
        (Request(gpus=1, cpus=2, memory=24000), None),
        (Request(gpus=0.1), None),
        (Request(), None),
    ],
)
def test_impossible_requests(devices: InMemoryDevices, placer: Placer, request_: Request, reason: str | None) -> None:
    devices.add()
    assert placer.impossible(request_) == reason
    if reason:
        assert why(placer, request_) == [reason]


def test_impossible_without_a_gpu(placer: Placer) -> None:
    assert placer.impossible(Request(gpus=1)) == "1 GPU is asked for, the driver of this machine shows none"
    assert placer.impossible(Request(gpus=0.5)) == "0.5 GPU is asked for, the driver of this machine shows none"
    assert placer.impossible(Request(cpus=1)) is None


def test_several_mig_instances_are_impossible(devices: InMemoryDevices, placer: Placer) -> None:
    devices.divide(devices.add().uuid, [20 * GIB] * 3)
    devices.add()
    assert placer.impossible(Request(gpus=2)) == (
        "2 GPUs are asked for, this machine has 1 that are whole; a process can use one MIG instance only"
    )


# For real


@pytest.mark.parametrize("kind", ["in memory", *(["nvml"] if REAL else [])])
def test_every_gpu_can_be_leased_once(devices: InMemoryDevices, kind: str, tmp_path: Path) -> None:
    devices.add()
    chosen: Devices = NvmlDevices() if kind == "nvml" else devices
    placer = Placer(chosen, tmp_path, lambda pid: None)
    given: list[Gpu] = []
    with ExitStack() as taken:
        while isinstance(placement := placer.place(Request(gpus=0.5)), Placement):
            taken.enter_context(placement.lease)
            given.extend(placement.gpus)
            assert placement.variables["CUDA_VISIBLE_DEVICES"] == placement.gpus[0].uuid
        assert all(reason.startswith("GPU ") for reason in placement.reasons)
    assert len(given) <= 2 * len(chosen.gpus())
    assert given.count(given[0]) == 2


def test_this_machine_has_cores_and_memory(tmp_path: Path) -> None:
    here = Machine.here()
    assert here.cores >= 1
    assert here.memory == int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    placer = Placer(InMemoryDevices(), tmp_path, lambda pid: None)
    assert placer.impossible(Request(cpus=here.cores, memory=here.memory)) is None
    lease = acquire([(Resource("cores", here.cores * 100), 1)], tmp_path)
    assert lease is not None
    lease.release()
