"""What a running trial uses of the machine, and how full the machine is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.client.context import Context
from workbench.client.machine import MachineWatch
from workbench.errors import NotFoundError
from workbench.store.files import TrialFolder
from workbench.trial.claims import claimed_by
from workbench.trial.devices import Devices
from workbench.trial.processes import descendants, is_alive, marked_processes
from workbench.trial.report import FOLDER_VARIABLE

__all__ = ["machine", "usage"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def machine(context: Context, watch: MachineWatch) -> dict[str, Any]:
    """Return how full the machine is now.

    Args:
        context: the workspace.
        watch: looks at it.

    Returns:
        ``slots`` with ``used`` and ``total`` of the workspace, and ``gpus``: for each what it is called, its model, how
        busy it is in percent (None where the driver does not tell), and bytes ``used`` and ``total``.

    Raises:
        StoreError: the folder of the leases cannot be used.
        ValidationException: the workspace's settings are wrong.
    """
    found = watch.look(context.store.unfinished_overviews())
    return {
        "slots": {"used": found.slots.used, "total": found.slots.total},
        "gpus": [
            {
                "label": one.gpu.label,
                "name": one.gpu.name,
                "busy": one.busy,
                "used": one.used,
                "total": one.gpu.memory,
            }
            for one in found.gpus
        ],
    }


def usage(folder: TrialFolder, devices: Devices) -> dict[str, Any]:
    """Return what the processes of a trial use now.

    Args:
        folder: of the trial.
        devices: who answers about GPUs.

    Returns:
        ``processes``, their number; ``cpuSeconds``, processor time used so far; ``memory``, resident bytes;
        ``gpus``, for each device in use its name and the bytes there. All zero once its host is gone.
    """
    host = claimed_by(folder)
    pids = descendants(host.pid) if host is not None and is_alive(host) else []
    if pids and folder.container.exists():  # the engine's children, not the host's
        pids = sorted({*pids, *marked_processes(FOLDER_VARIABLE, str(folder.root))} - {host.pid if host else 0})
    seconds, memory = 0.0, 0
    for pid in pids:
        with suppress(OSError, ValueError):  # it has just ended
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
            memory += int(fields[21]) * _PAGE
    gpus = _gpus_of(frozenset(pids), devices)
    return {"processes": len(pids), "cpuSeconds": seconds, "memory": memory, "gpus": gpus}


def _gpus_of(pids: frozenset[int], devices: Devices) -> list[dict[str, Any]]:
    found = []
    for gpu in devices.gpus() if pids else ():
        with suppress(NotFoundError):
            sizes = [size for pid, size in devices.processes(gpu.uuid).items() if pid in pids]
            if sizes:
                memory = sum(size or 0 for size in sizes)
                found.append({"label": gpu.label, "name": gpu.name, "memory": memory})
    return found
