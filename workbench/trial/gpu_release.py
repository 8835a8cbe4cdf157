"""That a trial is gone from its GPUs: the driver may show a process for a while after it has ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from workbench.errors import NotFoundError

if TYPE_CHECKING:
    from workbench.trial.devices import Devices

__all__ = ["ended_since", "holders", "wait_until_free"]

_TICK = 0.05  # seconds between two questions to the driver, which tells of nothing by itself


def holders(uuids: Iterable[str], devices: Devices) -> set[int]:
    """Return the pids that the driver shows on any of these devices now.

    Args:
        uuids: of the devices; one that the driver does not show has nobody.
        devices: who answers about them.
    """
    found: set[int] = set()
    for uuid in uuids:
        try:
            found.update(devices.processes(uuid))
        except NotFoundError:
            continue
    return found


def ended_since(before: Collection[int]) -> Callable[[int], bool]:
    """Return a predicate for pids that are shown on a device and belong to nobody who lives.

    On a device that a trial shares, this tells what is left of a trial from those who work beside it.

    Args:
        before: pids that were shown there before the trial started.
    """
    known = frozenset(before)
    return lambda pid: pid not in known and not os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - asked many times


def wait_until_free(
    uuids: Collection[str],
    whose: Collection[int] | Callable[[int], bool],
    devices: Devices,
    patience: float,
    pause: Callable[[float], object] = time.sleep,
) -> list[int]:
    """Wait until the driver shows none of a trial's processes on its devices.

    Args:
        uuids: the devices that the trial had.
        whose: the trial's pids, or a function that knows them.
        devices: who answers about GPUs.
        patience: seconds to wait at most.
        pause: waits for that many seconds, or less.

    Returns:
        The pids that are still shown when patience has ended; none when all is well.
    """
    is_theirs = whose if callable(whose) else frozenset(whose).__contains__
    deadline = time.monotonic() + patience
    while left := sorted(pid for pid in holders(uuids, devices) if is_theirs(pid)):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return left
        pause(min(_TICK, remaining))
    return []
