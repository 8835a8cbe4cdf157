"""Where a notebook is and what it prints last, told to the trial that it runs in."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from workbench.trial.progress import Progress
from workbench.trial.report import FOLDER_VARIABLE, WAKE_VARIABLE

__all__ = ["Reporter", "is_executed"]

_EVERY = 0.15  # seconds between two reports while a cell prints
_LINES = 3
_SKIPPED = "skip-execution"  # nbclient's tag
_WIDTH = 200


def is_executed(cell: Any) -> bool:
    """Return whether a cell is run, and so gets a number: code that is not empty, and not tagged to be skipped."""
    return bool(cell.cell_type == "code" and cell.source.strip() and _SKIPPED not in cell.metadata.get("tags", []))


class Reporter:
    """Keeps the trial's ``progress.json`` up to date; outside a trial it only counts.

    Args:
        environment: the variables that tell which trial this is.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = environment.get(FOLDER_VARIABLE)
        self._wake = environment.get(WAKE_VARIABLE)
        self._cells: list[Any] = []
        self.cell = 0
        self.stopped = False
        """Whether the trial was told to stop; an error of a cell is then none of its own."""
        self._line = ""
        self._printed = ""
        self._written = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def where(self, index: int | None = None) -> str:
        """Return what messages call the cell at ``index`` of the notebook, or the running one."""
        number = self.cell if index is None else sum(map(is_executed, self._cells[: index + 1]))
        return f"cell {number} of {sum(map(is_executed, self._cells))}"

    def begin(self, cells: list[Any]) -> None:
        """Report that there is a notebook with these cells, and that its kernel is starting."""
        self._cells = list(cells)
        self._write()

    def cell_begins(self, cell: Any) -> None:
        """Count and report a cell that is run."""
        if not is_executed(cell):
            return
        self.cell += 1
        self._line = _first_line(cell.source)
        self._printed = ""
        self._write()

    def printed(self, text: str) -> None:
        """Report text that the running cell has printed, soon."""
        self._printed = (self._printed + text)[-(_LINES + 1) * _WIDTH * 4 :]
        if self._folder and self._timer is None:
            wait = max(0.0, self._written + _EVERY - time.monotonic())
            with suppress(RuntimeError):  # no loop runs: the next cell's report has it
                self._timer = asyncio.get_running_loop().call_later(wait, self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._written = time.monotonic()
        if not self._folder:
            return
        progress = Progress(
            cell=self.cell,
            cells=sum(map(is_executed, self._cells)),
            line=self._line,
            output=_last_lines(self._printed),
            time=time.time(),
        )
        with suppress(OSError):  # a full disk: nobody sees how far it is, and it goes on
            progress.write(self._folder, self._wake)


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    code = [line for line in lines if line and not line.startswith(("#", "%%"))]
    return (code or [line for line in lines if line] or [""])[0][:_WIDTH]


def _last_lines(text: str) -> list[str]:
    """Return the last lines as a terminal would show them: of a redrawn line only its last state."""
    shown = (line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n"))
    return [line[:_WIDTH] for line in shown if line][-_LINES:]
