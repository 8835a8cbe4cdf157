"""How often a failed run is tried again, and after which failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.definition.checking import one_of, plain, show
from workbench.errors import ValidationException

__all__ = ["ANY", "CAUSES", "HOST_LOST", "OUT_OF_MEMORY", "as_retries"]

ANY = "any"
HOST_LOST = "host_lost"
OUT_OF_MEMORY = "out_of_memory"
CAUSES = (ANY, HOST_LOST, OUT_OF_MEMORY)


def as_retries(value: Any) -> dict[str, int]:
    """Return how often to try again after each cause.

    Args:
        value: a number, meant for any failure, or a mapping from ``host_lost`` (the machine restarted or the process
            that ran it was killed), ``out_of_memory`` (of the machine or a GPU) and ``any`` to numbers.

    Raises:
        ValidationException: it is neither, a cause is unknown, or a number is negative.
    """
    value = plain(value)
    if value is None:
        return {}
    given = value if isinstance(value, Mapping) else {ANY: value}
    return {one_of(cause, CAUSES, "cause of a retry"): _count(number) for cause, number in given.items()}


def _count(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValidationException(f"{show(number)} is no number of retries", fix="Write retries=2 or {'host_lost': 2}")
    return number
