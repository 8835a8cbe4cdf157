"""The machine and the queue as JSON: what runs, what waits and why, and how full everything is."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from workbench.client.machine import MachineUse, Share
from workbench.client.queueing import queue_entries
from workbench.store.overview import Overview

__all__ = ["Gpu", "Queue", "Queued", "Running", "Used", "queue_as_json"]


class Used(TypedDict):
    """How much of something is taken."""

    used: float
    total: float


class Gpu(TypedDict):
    """A GPU; memory in bytes, ``holders`` are trials of this workspace that run on it.

    How busy it is is not told: that is another number at each look, which would be news each time.
    """

    name: str
    label: str
    index: int
    memoryUsed: int
    memoryTotal: int
    holders: list[str]


class Running(TypedDict):
    """A job of which something runs: ``trials`` so many."""

    name: str
    displayName: str
    trials: int


class Queued(TypedDict):
    """A job of which nothing runs yet: its place among them, from 1, and what it waits for."""

    name: str
    displayName: str
    position: int
    waitsFor: str | None
    held: bool
    priority: int


class Queue(TypedDict):
    """The machine and the queue; memory in MiB."""

    slots: Used
    cores: Used
    memory: Used
    gpus: list[Gpu]
    running: list[Running]
    queued: list[Queued]


def queue_as_json(unfinished: Sequence[Overview], machine: MachineUse) -> Queue:
    """Return machine and queue.

    Args:
        unfinished: all jobs and trials that have not ended.
        machine: how full it is.
    """
    names = {one.record.name: one.record.display_name for one in unfinished}
    entries = queue_entries([one.record for one in unfinished])
    waiting = [entry for entry in entries if not entry.running]
    return {
        "slots": _used(machine.slots),
        "cores": _used(machine.cores),
        "memory": _used(machine.memory),
        "gpus": [
            {
                "name": one.gpu.name,
                "label": one.gpu.label,
                "index": one.gpu.index,
                "memoryUsed": one.used,
                "memoryTotal": one.gpu.memory,
                "holders": list(one.holders),
            }
            for one in machine.gpus
        ],
        "running": [
            {"name": entry.name, "displayName": names[entry.name], "trials": entry.running}
            for entry in entries
            if entry.running
        ],
        "queued": [
            {
                "name": entry.name,
                "displayName": names[entry.name],
                "position": place,
                "waitsFor": entry.reason,
                "held": entry.held,
                "priority": entry.priority,
            }
            for place, entry in enumerate(waiting, 1)
        ],
    }


def _used(share: Share) -> Used:
    return {"used": share.used, "total": share.total}
