"""How far a notebook trial is, on its way to whoever looks.

Standard library only: the supervisor reads it at every look.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workbench.store.files import TrialFolder, read_json, write_json
from workbench.trial.report import poke

__all__ = ["Progress", "read_progress"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a notebook is doing.

    Args:
        cell, cells: number of the running code cell, from 1 and as its prompt shows it, and how many there are; cell is
            0 while the kernel starts.
        line: the running cell's first line of code.
        output: the last lines that it printed.
        time: when that was so, in seconds since the epoch.
    """

    cell: int
    cells: int
    time: float
    line: str = ""
    output: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return this as one line for people."""
        if self.cell == 0:
            return "the kernel is starting"
        last = self.output[-1:] if self.output else []
        return " · ".join([f"cell {self.cell} of {self.cells}: {self.line}", *last])

    def write(self, root: str | os.PathLike[str], wake: str | None) -> None:
        """Write this into the trial folder ``root``, whole or not at all, and wake the supervisor.

        Raises:
            OSError: the file cannot be written.
        """
        write_json(TrialFolder(Path(root)).progress, asdict(self))
        if wake:
            poke(wake)


def read_progress(folder: TrialFolder) -> Progress | None:
    """Return how far the notebook in ``folder`` is; None where there is none, or nothing to be understood."""
    try:
        record = read_json(folder.progress)
        return None if record is None else Progress(**record)
    except (OSError, ValueError, TypeError):  # the folder is the trial's own: whatever it writes there must not matter
        return None
