"""What there is on this machine, how much of it is taken, and which trials have taken it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from workbench.errors import NotFoundError
from workbench.store.files import WorkspaceFolder
from workbench.store.overview import Overview
from workbench.store.settings import Settings, read_settings
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
        busy: for how many percent of the last moment it computed; None where the driver does not tell.
        holders: trials of this workspace that run on it.
    """

    gpu: Gpu
    used: int
    busy: int | None
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
    """Looks at this machine again and again, for one workspace; the driver takes its time to open, once.

    Args:
        workspace: its folders, which need not be there yet.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._opened: tuple[str | None, Devices] | None = None

    def devices(self) -> Devices:
        """Return who answers about GPUs, as the settings have it.

        Raises:
            ValidationException: the workspace's settings are wrong.
        """
        return self._devices(read_settings(self._workspace))

    def look(self, unfinished: Iterable[Overview]) -> MachineUse:
        """Return how full the machine is.

        Args:
            unfinished: the jobs and trials that have not ended.

        Raises:
            StoreError: the folder of the leases cannot be used.
            ValidationException: the workspace's settings are wrong.
        """
        settings = read_settings(self._workspace)
        started = [one for one in unfinished if one.record.has_room]
        machine, where = Machine.here(), lease_folder()
        free_cores, free_memory = free_of_machine(machine, where)
        return MachineUse(
            slots=Share(len(started), settings.slots),
            cores=Share(machine.cores - free_cores, machine.cores),
            memory=Share(machine.memory - free_memory, machine.memory),
            gpus=tuple(_uses(self._devices(settings), started)),
        )

    def _devices(self, settings: Settings) -> Devices:
        if self._opened is None or self._opened[0] != settings.devices:
            self._opened = settings.devices, devices_from(settings.devices)
        return self._opened[1]


def _uses(devices: Devices, started: Sequence[Overview]) -> Iterator[GpuUse]:
    for gpu in devices.gpus():
        with suppress(NotFoundError):  # it has just fallen off the bus
            used, _ = devices.memory(gpu.uuid)
            held = (
                one.record for one in started if gpu.uuid in one.record.properties.get("workbench.gpus", "").split(",")
            )
            yield GpuUse(gpu, used, devices.busy(gpu.uuid), tuple(record.name for record in held))
