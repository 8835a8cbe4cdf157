"""Telling everybody who watches that the store has changed."""

from __future__ import annotations

import time
from pathlib import Path

from workbench.trial.report import poke

__all__ = ["ring"]

_NEWBORN = 60.0  # seconds in which a watcher may have made its FIFO and not opened it yet


def ring(watchers: Path) -> None:
    """Write a byte to every FIFO in the folder ``watchers``; clear away those of readers that were killed."""
    for bell in watchers.iterdir() if watchers.is_dir() else ():
        if poke(bell):
            continue
        try:
            if time.time() - bell.stat().st_mtime > _NEWBORN:
                bell.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # its reader has just closed it
