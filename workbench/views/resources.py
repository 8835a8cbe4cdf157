"""What a running trial uses of the machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.store.files import TrialFolder
from workbench.trial.claims import claimed_by
from workbench.trial.processes import descendants, is_alive

__all__ = ["usage"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def usage(folder: TrialFolder) -> dict[str, Any]:
    """Return what the processes of a trial use now.

    Args:
        folder: of the trial.

    Returns:
        ``processes``, their number; ``cpuSeconds``, processor time used so far; ``memory``, resident bytes;
        ``gpus``, for each device in use its name and the bytes there. All zero once its host is gone.
    """
    host = claimed_by(folder)
    pids = descendants(host.pid) if host is not None and is_alive(host) else []
    seconds, memory = 0.0, 0
    for pid in pids:
        with suppress(OSError, ValueError):  # it has just ended
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / _TICKS
            memory += int(fields[21]) * _PAGE
    return {"processes": len(pids), "cpuSeconds": seconds, "memory": memory, "gpus": _gpus(frozenset(pids))}


def _gpus(pids: frozenset[int]) -> list[dict[str, Any]]:
    import pynvml  # noqa: PLC0415 - looks for the driver's library

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
            used = [p for p in pynvml.nvmlDeviceGetComputeRunningProcesses(device) if p.pid in pids]
            if used:
                found.append(
                    {
                        "name": str(pynvml.nvmlDeviceGetName(device)),
                        "index": index,
                        "memory": sum(process.usedGpuMemory or 0 for process in used),
                    }
                )
        return found
    finally:
        pynvml.nvmlShutdown()
