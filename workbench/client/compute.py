"""``ml_client.compute``: this machine and its GPUs, under whatever name a job uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from workbench.client.poller import LROPoller
from workbench.definition.compute import AmlCompute, Compute
from workbench.trial.devices import NvmlDevices

__all__ = ["ComputeOperations"]


class ComputeOperations:
    """The one compute there is."""

    def get(self, name: str) -> Compute:
        """Return this machine as ``name``; every name that a job gives as compute means it."""
        return replace(_this_machine(), name=name)

    def list(self, *, compute_type: str | None = None) -> Iterator[Compute]:
        """Yield this machine, whatever type is asked for."""
        del compute_type
        yield _this_machine()

    def begin_create_or_update(self, compute: Compute) -> LROPoller[Compute]:
        """Accept a cluster that Azure's code asks for, and answer with this machine."""
        machine = _this_machine()
        if isinstance(compute, AmlCompute):
            answer: Compute = replace(
                compute, size=machine.size, gpus=machine.gpus, cpus=machine.cpus, memory_gib=machine.memory_gib
            )
        else:
            answer = replace(machine, name=compute.name)
        return LROPoller(lambda _: True, lambda: answer)


def _this_machine() -> Compute:
    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    gpus = tuple(gpu.name for gpu in NvmlDevices().gpus())
    size = f"{cpus} cores, {memory:.0f} GiB" + (f", {', '.join(gpus)}" if gpus else "")
    return Compute(name="local", size=size, gpus=gpus, cpus=cpus, memory_gib=round(memory, 1))
