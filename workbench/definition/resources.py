"""What a job needs of the machine, and its place in the queue."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainValidator

from workbench.definition.checking import Checked, Count, Number, Positive, Text, one_of, plain, show
from workbench.errors import ValidationException

__all__ = ["JobResourceConfiguration", "QueueSettings"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|kb?|mb?|gb?|tb?)?", re.IGNORECASE)


def _size(value: Any) -> str | int | None:
    value = plain(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    matched = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if matched is None or float(matched[1]) == 0:
        raise ValidationException(f"{show(value)} is not a size", fix="Write a number and b, k, m or g, such as '2g'")
    return str(value)


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValidationException(f"must not be negative; got {show(value)}", fix="Write 0 for none")
    return value


def _docker_args(value: Any) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(argument, str) for argument in value):
        return list(value)
    raise ValidationException(f"must be text or a list of texts; got {show(value)}", fix="Write ['--ipc=host']")


def _priority(value: Any) -> Any:
    # Azure's REST form numbers the priorities.
    return {1: "low", 2: "medium", 3: "high"}.get(value, value) if isinstance(value, int) else value


_Size = Annotated[str | int | None, PlainValidator(_size)]


class JobResourceConfiguration(Checked):
    """What one run of the job may use.

    Args:
        instance_count: how many machines; locally 1.
        instance_type: Azure's machine size; kept, without effect here.
        max_instance_count: kept, without effect here.
        locations: kept, without effect here.
        properties: kept, without effect here.
        shm_size: shared memory of a container, as number and ``b|k|m|g``.
        docker_args: more arguments for ``docker run``, as text or list.
        gpus: GPUs for each run, fractions allowed; not in Azure.
        cpus: CPU cores for each run; not in Azure.
        memory: main memory for each run, as bytes or number and ``b|k|m|g``; not in Azure.
    """

    instance_count: Count | None = None
    instance_type: str | None = None
    max_instance_count: Count | None = None
    locations: list[str] | None = None
    properties: dict[str, Any] | None = None
    shm_size: _Size = None
    docker_args: Annotated[str | list[str] | None, PlainValidator(_docker_args)] = None
    gpus: Annotated[Number, AfterValidator(_not_negative)] | None = None
    cpus: Positive | None = None
    memory: _Size = None

    @property
    def memory_bytes(self) -> int | None:
        """``memory`` in bytes."""
        if self.memory is None or isinstance(self.memory, int):
            return self.memory
        matched = _SIZE.fullmatch(self.memory.strip())
        if matched is None:
            raise ValidationException(f"{show(self.memory)} is not a size", "memory")
        power = "bkmgt".index((matched[2] or "b")[0].lower())
        return int(float(matched[1]) * 1024**power)


class QueueSettings(Checked):
    """The place of a job in the queue.

    Args:
        job_tier: spot, basic, standard or premium; kept, without effect here.
        priority: low, medium or high.
    """

    job_tier: (
        Annotated[
            Text, BeforeValidator(lambda value: one_of(value, ("spot", "basic", "standard", "premium"), "job tier"))
        ]
        | None
    ) = None
    priority: (
        Annotated[Text, BeforeValidator(lambda value: one_of(_priority(value), ("low", "medium", "high"), "priority"))]
        | None
    ) = None
