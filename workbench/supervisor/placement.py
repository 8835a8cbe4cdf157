"""From what a job needs to a lease of it, or to the reasons why it has to wait."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import NotFoundError
from workbench.trial.devices import Devices, Gpu
from workbench.trial.leases import Lease, Resource, acquire, free_units

__all__ = ["Machine", "Placement", "Placer", "Request", "Waiting", "free_of_machine", "request_of"]

_GPU_UNITS = 840  # halves to eighths are whole numbers of units
_CORE_UNITS = 100
_GIB = 1 << 30
# What a GPU's memory may lack of a share and still do: the driver's own part, and the desktop on a small card.
_SLACK, _LEAST_SLACK = 0.05, 1 * _GIB  # part of the total, bytes
_MIB_A_GIB = 1 << 10
_FAILURES = 3
_QUARANTINE = 600.0  # seconds
_ATTEMPTS = 3
_NAMED = 3  # processes that a reason names


@dataclass(frozen=True)
class Request:
    """What one run of a job needs.

    Args:
        gpus: whole ones, or a fraction of one.
        cpus: cores.
        memory: MiB of main memory.
    """

    gpus: float = 0.0
    cpus: float = 0.0
    memory: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it needs any of."""
        return tuple(kind for kind in ("gpus", "cpus", "memory") if getattr(self, kind))


@dataclass(frozen=True)
class Machine:
    """What there is besides GPUs.

    Args:
        cores: how many.
        memory: MiB in total.
    """

    cores: int
    memory: int

    @classmethod
    def here(cls) -> Machine:
        """Return what this machine has; the same for every process, whatever it is confined to itself."""
        return cls(os.sysconf("SC_NPROCESSORS_ONLN"), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20)


@dataclass(frozen=True)
class Placement:
    """A place that a trial can start in.

    Args:
        lease: to be handed to the trial's host and then released here.
        gpus: the devices that it may use.
        variables: environment variables that tell the trial so.
    """

    lease: Lease
    gpus: tuple[Gpu, ...]
    variables: dict[str, str]


@dataclass(frozen=True)
class Waiting:
    """No place now.

    Args:
        reasons: what is in the way, one line each.
    """

    reasons: tuple[str, ...]


def request_of(launch: Mapping[str, Any]) -> Request:
    """Return what a job needs, as ``resources`` of its launch facts say; what they do not say is nothing.

    Args:
        launch: with ``{"resources": {"gpus": …, "cpus": …, "memory": MiB}}``.
    """
    resources = launch.get("resources") or {}
    return Request(
        gpus=float(resources.get("gpus") or 0),
        cpus=float(resources.get("cpus") or 0),
        memory=math.ceil(resources.get("memory") or 0),
    )


def free_of_machine(machine: Machine, where: Path) -> tuple[float, int]:
    """Return how many cores and how many MiB of memory nobody has leased.

    Args:
        machine: what there is.
        where: the folder of the leases.

    Raises:
        StoreError: the folder of the leases cannot be used.
    """
    cores, memory = _resources(machine)
    return free_units(cores, where) / _CORE_UNITS, free_units(memory, where)


def _resources(machine: Machine) -> tuple[Resource, Resource]:
    return Resource("cores", machine.cores * _CORE_UNITS), Resource("memory", machine.memory)


class Placer:
    """Finds places on this machine.

    Args:
        devices: who answers about GPUs.
        where: the folder of the leases.
        ours: returns the trial that a pid belongs to, or None.
        machine: cores and memory; None to look.
        clock: returns seconds since the epoch.
    """

    def __init__(
        self,
        devices: Devices,
        where: Path,
        ours: Callable[[int], str | None],
        machine: Machine | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._devices = devices
        self._where = where
        self._ours = ours
        self._clock = clock
        machine = machine or Machine.here()
        self._cores, self._memory = _resources(machine)
        self._failures: dict[str, int] = {}
        self._quarantined: dict[str, tuple[float, str]] = {}

    def place(self, request: Request) -> Placement | Waiting:
        """Take a place for one trial, or say why there is none now; never waits.

        Raises:
            StoreError: the folder of the leases cannot be used.
        """
        for _ in range(_ATTEMPTS):
            gpus = self._devices.gpus() if request.gpus else ()
            if why := self._impossible(request, gpus):
                return Waiting((why,))
            chosen, reasons = self._choose(request, gpus)
            reasons += self._short_of(request)
            if reasons:
                return Waiting(tuple(reasons))
            lease = acquire(self._wanted(request, chosen), self._where)
            if lease is not None:
                return Placement(lease, chosen, _variables(request, chosen))
        return Waiting(("others took the place while it was being chosen; it is looked for again",))

    def again(self, request: Request, gpus: Sequence[str]) -> Lease | None:
        """Take what a trial had leased whose host was killed, or return None if others have some of it now.

        Args:
            request: what the trial needs.
            gpus: UUIDs of the devices that it uses.

        Raises:
            StoreError: the folder of the leases cannot be used.
        """
        chosen = [gpu for gpu in self._devices.gpus() if gpu.uuid in gpus] if gpus else []
        return acquire(self._wanted(request, chosen), self._where)

    def impossible(self, request: Request) -> str | None:
        """Return why this machine can never run such a trial, or None when it can."""
        return self._impossible(request, self._devices.gpus() if request.gpus else ())

    def quarantine(self, uuid: str, reason: str, seconds: float) -> None:
        """Start nothing on a device for a while.

        Args:
            uuid: of the device.
            reason: after what, such as ``3 immediate failures``.
            seconds: how long, from now.
        """
        self._quarantined[uuid] = (self._clock() + seconds, reason)

    def note_end(self, uuid: str, immediate_failure: bool) -> None:
        """Take note of a trial that ended on a device; three immediate failures in a row quarantine it.

        Args:
            uuid: of the device.
            immediate_failure: whether the trial failed before it can have done anything.
        """
        failures = self._failures.get(uuid, 0) + 1 if immediate_failure else 0
        if failures >= _FAILURES:
            self.quarantine(uuid, f"{failures} immediate failures", _QUARANTINE)
            failures = 0
        self._failures[uuid] = failures

    # Choosing

    def _choose(self, request: Request, gpus: Sequence[Gpu]) -> tuple[tuple[Gpu, ...], list[str]]:
        """Return the devices to use, or why those that do not do so do not."""
        if not request.gpus:
            return (), []
        fit: list[tuple[int, Gpu]] = []
        reasons = []
        for gpu in _usable(request, gpus):
            free = free_units(_resource(gpu), self._where)
            if reason := self._obstacle(gpu, request, free):
                reasons.append(f"{gpu.label}: {reason}")
            else:
                fit.append((free, gpu))
        if len(fit) < math.ceil(request.gpus):
            return (), reasons
        if request.gpus < 1:  # the fullest that fits: whole ones are left for those who need them
            fit.sort(key=lambda pair: pair[0])
        return tuple(gpu for _, gpu in fit[: math.ceil(request.gpus)]), []

    def _obstacle(self, gpu: Gpu, request: Request, free: int) -> str | None:
        return self._why_quarantined(gpu.uuid) or _why_leased(_gpu_units(request), free) or self._why_full(gpu, request)

    def _why_quarantined(self, uuid: str) -> str | None:
        until, reason = self._quarantined.get(uuid, (0.0, ""))
        if self._clock() >= until:
            return None
        return f"quarantined after {reason}, until {time.strftime('%H:%M', time.localtime(until))}"

    def _why_full(self, gpu: Gpu, request: Request) -> str | None:
        try:
            used, free = self._devices.memory(gpu.uuid)
            if free >= min(1.0, request.gpus) * gpu.memory - max(_SLACK * gpu.memory, _LEAST_SLACK):
                return None
            users = self._devices.processes(gpu.uuid)
        except NotFoundError:
            return "the driver does not answer for it"
        return f"{_gib(used)} of {_gib(gpu.memory)} GiB used by {self._name_users(users)}"

    def _name_users(self, users: Mapping[int, int | None]) -> str:
        if not users:
            return "a process that cannot be seen from here"
        largest_first = sorted(users, key=lambda pid: (-(users[pid] or 0), pid))
        named = [f"pid {pid} ({self._describe(pid)})" for pid in largest_first[:_NAMED]]
        more = len(users) - len(named)
        return ", ".join(named) + (f" and {more} more" if more else "")

    def _describe(self, pid: int) -> str:
        trial = self._ours(pid)
        return f"trial {trial}" if trial else "not ours"

    def _short_of(self, request: Request) -> list[str]:
        reasons = []
        wanted = _core_units(request)
        if wanted and (free := free_units(self._cores, self._where)) < wanted:
            leased = (self._cores.units - free) / _CORE_UNITS
            reasons.append(f"cores: {leased:g} of {self._cores.units // _CORE_UNITS} leased")
        if request.memory and (free := free_units(self._memory, self._where)) < request.memory:
            leased = (self._memory.units - free) / _MIB_A_GIB
            reasons.append(f"memory: {leased:.1f} of {self._memory.units / _MIB_A_GIB:.1f} GiB leased")
        return reasons

    def _wanted(self, request: Request, gpus: Sequence[Gpu]) -> list[tuple[Resource, int]]:
        units = _gpu_units(request)
        return [
            *((_resource(gpu), units) for gpu in gpus),
            (self._cores, _core_units(request)),
            (self._memory, request.memory),
        ]

    # What can never be

    def _impossible(self, request: Request, gpus: Sequence[Gpu]) -> str | None:
        cores = self._cores.units // _CORE_UNITS
        if _core_units(request) > self._cores.units:
            return f"{_count(request.cpus, 'core')} asked for, this machine has {cores}"
        if request.memory > self._memory.units:
            asked, there = request.memory / _MIB_A_GIB, self._memory.units / _MIB_A_GIB
            return f"{asked:.1f} GiB of memory are asked for, this machine has {there:.1f} GiB"
        return _impossible_gpus(request, gpus) if request.gpus else None


def _impossible_gpus(request: Request, gpus: Sequence[Gpu]) -> str | None:
    asked = f"{_count(request.gpus, 'GPU')} asked for"
    if request.gpus > 1 and request.gpus != int(request.gpus):
        return f"{asked}: a fraction is a share of one GPU, more than one are whole ones"
    if not gpus:
        return f"{asked}, the driver of this machine shows none"
    usable = _usable(request, gpus)
    if len(usable) >= request.gpus:
        return None
    if len(usable) < len(gpus):
        return f"{asked}, this machine has {len(usable)} that are whole; a process can use one MIG instance only"
    return f"{asked}, this machine has {len(gpus)}: {', '.join(gpu.name for gpu in gpus)}"


def _usable(request: Request, gpus: Sequence[Gpu]) -> Sequence[Gpu]:
    # CUDA shows a process the first MIG instance that it may use and none of the others.
    return gpus if request.gpus <= 1 else [gpu for gpu in gpus if gpu.instance is None]


def _why_leased(needed: int, free: int) -> str | None:
    if free >= needed:
        return None
    if needed == _GPU_UNITS:
        return "leased"
    shares = _GPU_UNITS // needed
    return f"{shares - free // needed} of {shares} shares leased"


def _resource(gpu: Gpu) -> Resource:
    return Resource(f"gpu-{gpu.uuid}", _GPU_UNITS)


def _gpu_units(request: Request) -> int:
    return _units(min(1.0, request.gpus), _GPU_UNITS)


def _core_units(request: Request) -> int:
    return _units(request.cpus, _CORE_UNITS)


def _units(amount: float, units: int) -> int:
    return math.ceil(amount * units - 1e-6)


def _variables(request: Request, gpus: Sequence[Gpu]) -> dict[str, str]:
    variables: dict[str, str] = {}
    if gpus:
        variables |= {
            "CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in gpus),
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        }
    if request.cpus:
        threads = str(max(1, int(request.cpus)))
        variables |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    return variables


def _gib(size: int) -> str:
    amount = size / _GIB
    return f"{amount:.0f}" if amount >= 10 else f"{round(amount, 1):g}"


def _count(amount: float, what: str) -> str:
    return f"{amount:g} {what} is" if amount <= 1 else f"{amount:g} {what}s are"
