"""Compute as Azure's code speaks of it; here every name means this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AmlCompute", "Compute"]


@dataclass(kw_only=True)
class Compute:
    """This machine under the name that a job uses for it.

    Args:
        name: any name; all of them mean this machine.
        type: Azure's kind of compute; kept.
        size: what the machine has.
        gpus: model names of its GPUs.
        cpus: cores that trials may use.
        memory_gib: main memory in GiB.
    """

    name: str
    type: str = "local"
    size: str = ""
    gpus: tuple[str, ...] = ()
    cpus: int = 0
    memory_gib: float = 0.0
    provisioning_state: str = "Succeeded"


@dataclass(kw_only=True)
class AmlCompute(Compute):
    """A cluster as Azure's tutorial asks for it; accepted, and answered with this machine.

    Args:
        min_instances, max_instances: kept, without effect here.
        idle_time_before_scale_down: seconds; kept, without effect here.
        tier: kept, without effect here.
    """

    type: str = "amlcompute"
    min_instances: int = 0
    max_instances: int = 1
    idle_time_before_scale_down: int | None = None
    tier: str | None = None
    location: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
