"""Who runs a trial: the first host to claim its folder and, of a trial in a container, whoever follows a dead one.

A claim is a file that only one process can make. Each host after the first makes the next one, and only once the
host before it is dead: a folder never has two. Standard library only.
"""

from __future__ import annotations

import os
from itertools import count

from workbench.store.files import TrialFolder, read_json, write_json
from workbench.trial.processes import Identity, is_alive

__all__ = ["claim", "claimed_by"]


def claim(folder: TrialFolder, *, may_follow: bool) -> int | None:
    """Write down that this process runs the trial; return how many did before it, or None when another one does.

    A supervisor that was killed may have started a host that nobody knows of.

    Args:
        folder: of the trial.
        may_follow: whether there can be something to go on with after a host has died.
    """
    me = Identity.of(os.getpid())
    aside = folder.root / f".claim.{os.getpid()}"
    write_json(aside, {"host": me.to_record() if me else None})
    try:
        for before in count():
            try:
                os.link(aside, folder.claim(before))
            except FileExistsError:
                other = _written_in(folder, before)
                if not may_follow or other is None or is_alive(other):
                    return None
            else:
                # One that was slow to start can find that all is over.
                return None if before and folder.exit.exists() else before
    finally:
        aside.unlink()
    return None


def claimed_by(folder: TrialFolder) -> Identity | None:
    """Return the host that has claimed a trial last; None when none has, or when that cannot be read."""
    before = 0
    while folder.claim(before + 1).exists():
        before += 1
    return _written_in(folder, before)


def _written_in(folder: TrialFolder, before: int) -> Identity | None:
    try:
        return Identity.from_record((read_json(folder.claim(before)) or {}).get("host"))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # somebody else wrote there
