"""What there is on this machine, how much of it is taken, and which trials have taken it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.errors import NotFoundError
from workbench.store.files import WorkspaceFolder
from workbench.store.overview import Overview
from workbench.store.settings import read_settings
from workbench.supervisor.placement import Machine, free_of_machine
from workbench.trial.devices import Devices, Gpu, devices_from
from workbench.trial.leases import folder as lease_folder

__all__ = ["GpuUse", "MachineUse", "MachineWatch", "Share"]


@dataclass(frozen=True)
class Share:
    """How much of something is taken, by whatever workspace or user."""

    used: float
    total: float


@dataclass(frozen=True)
class GpuUse:
    """A GPU as it now is.

    Args:
        gpu: which.
        used: bytes in use, by whomever.
        holders: trials of this workspace that run on it.
    """

    gpu: Gpu
    used: int
    holders: tuple[str, ...]


@dataclass(frozen=True)
class MachineUse:
    """How full this machine is.

    Args:
        slots: trials of this workspace that run, of those that may.
        cores: leased cores.
        memory: leased MiB of main memory.
        gpus: each GPU.
    """

    slots: Share
    cores: Share
    memory: Share
    gpus: tuple[GpuUse, ...]


class MachineWatch:
    """Looks at this machine again and again, for one workspace.

    Args:
        workspace: its folders, which need not be there yet.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._asked: str | None = None
        self._devices: Devices | None = None

    def look(self, unfinished: Iterable[Overview]) -> MachineUse:
        """Return how full the machine is.

        Args:
            unfinished: the jobs and trials that have not ended.

        Raises:
            StoreError: the folder of the leases cannot be used.
            ValidationException: the workspace's settings are wrong.
        """
        settings = read_settings(self._workspace)
        if self._devices is None or settings.devices != self._asked:
            self._devices, self._asked = devices_from(settings.devices), settings.devices
        started = [one for one in unfinished if one.record.has_room]
        machine, where = Machine.here(), lease_folder()
        free_cores, free_memory = free_of_machine(machine, where)
        return MachineUse(
            slots=Share(len(started), settings.slots),
            cores=Share(machine.cores - free_cores, machine.cores),
            memory=Share(machine.memory - free_memory, machine.memory),
            gpus=tuple(self._use(gpu, started, self._devices) for gpu in self._devices.gpus()),
        )

    def _use(self, gpu: Gpu, started: Iterable[Overview], devices: Devices) -> GpuUse:
        try:
            used, _ = devices.memory(gpu.uuid)
        except NotFoundError:
            used = 0  # it has just gone; the next look will not show it
        holders = (
            one.record.name for one in started if gpu.uuid in one.record.properties.get("workbench.gpus", "").split(",")
        )
        return GpuUse(gpu, used, tuple(holders))
