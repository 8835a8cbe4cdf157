"""Trials that wait at a gate, so that a test decides what happens when."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.definition.command import Command
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep

__all__ = ["Gate", "kill_supervisor", "statuses", "until"]

# Opens the FIFO without waiting for the test, says that it runs, and goes on when its own byte comes.
_TRIAL = """
import os, sys, workbench
x, gates = float(sys.argv[1]), sys.argv[2]
name = os.environ["AZUREML_RUN_ID"]
with open(f"{gates}/starts", "a") as file:
    file.write(f"{name} {x:g}\\n")
workbench.log(score=x)
descriptor = os.open(f"{gates}/{name}", os.O_RDWR) if os.path.exists(f"{gates}/{name}") else os.open(f"{gates}/all", os.O_RDWR)
what = os.read(descriptor, 1)
if what == b"f":
    sys.exit("told to fail")
"""


class Gate:
    """A folder of FIFOs at which trials wait.

    Args:
        folder: an existing one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "code").mkdir()
        (folder / "code" / "train.py").write_text(_TRIAL)
        self._opened: list[int] = []
        self._make("all")

    def job(self, **fields: object) -> Command:
        """Return a job that waits at the gate."""
        return command(
            code=str(self.folder / "code"),
            command=f"python train.py ${{{{inputs.x}}}} {self.folder}",
            inputs={"x": 0},
            **fields,
        )

    def keep(self, *names: str) -> None:
        """Give these trials gates of their own; before they start."""
        for name in names:
            self._make(name)

    def open(self, times: int = 1, *, name: str = "all", fail: bool = False) -> None:
        """Let so many go on that wait now or later at one gate."""
        os.write(self._descriptors[name], (b"f" if fail else b"g") * times)

    def starts(self) -> list[str]:
        """Return name and value of every start, in order."""
        try:
            return (self.folder / "starts").read_text().splitlines()
        except FileNotFoundError:
            return []

    def close(self) -> None:
        """Let go of the FIFOs."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    _descriptors: dict[str, int]

    def _make(self, name: str) -> None:
        if not hasattr(self, "_descriptors"):
            self._descriptors = {}
        os.mkfifo(self.folder / name)
        self._descriptors[name] = os.open(self.folder / name, os.O_RDWR)


