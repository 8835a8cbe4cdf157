"""Trials that wait at a gate, so that a test decides what happens when."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import supervisor_of
from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.definition.command import Command
from workbench.trial.processes import is_alive

__all__ = ["Gate", "kill_supervisor", "statuses", "until"]

# Says that it runs and what it runs with, then waits for one byte at a FIFO: its own if there is one, else everybody's.
_TRIAL = """
import os, sys, workbench
x, gates = float(sys.argv[1]), sys.argv[2]
name = os.environ["AZUREML_RUN_ID"]
workbench.log(score=x)
with open(f"{gates}/starts", "a") as file:
    file.write(f"{name} {x:g}\\n")
own = f"{gates}/{name}"
descriptor = os.open(own if os.path.exists(own) else f"{gates}/all", os.O_RDWR)
if os.read(descriptor, 1) == b"f":
    sys.exit("told to fail")
"""


class Gate:
    """A folder of FIFOs at which trials wait.

    Args:
        folder: made here.
        own: trials that have a gate of their own.
    """

    def __init__(self, folder: Path, *own: str) -> None:
        self._folder = folder
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "train.py").write_text(_TRIAL)
        self._fifos: dict[str, int] = {}
        for name in ("all", *own):
            os.mkfifo(folder / name)
            self._fifos[name] = os.open(folder / name, os.O_RDWR)

    def job(self, **fields: Any) -> Command:
        """Return a job that waits at the gate."""
        text = f"python train.py ${{{{inputs.x}}}} {self._folder}"
        return command(code=str(self._folder / "code"), command=text, inputs={"x": 0}, **fields)

    def open(self, times: int = 1, *, name: str = "all", fail: bool = False) -> None:
        """Let so many trials go on that wait at a gate, now or later."""
        os.write(self._fifos[name], (b"f" if fail else b"g") * times)

    @property
    def starts(self) -> list[str]:
        """Name and value of every start so far, in order."""
        file = self._folder / "starts"
        return file.read_text().splitlines() if file.exists() else []

    def close(self) -> None:
        """Let go of the FIFOs."""
        for fifo in self._fifos.values():
            os.close(fifo)


def until(client: MLClient, done: Callable[[], bool], what: object = None) -> None:
    """Wait until ``done()``; what else there is is told when it never is."""
    assert wait_until(done, client.context, 300), what() if callable(what) else what


def statuses(client: MLClient, sweep: str) -> list[str]:
    """Return the statuses of the trials of a sweep, in order."""
    return [child.status.value for child in client.context.store.children(sweep)]


def kill_supervisor(client: MLClient) -> None:
    """Kill -9 the supervisor and see it dead."""
    supervisor = supervisor_of(client.context.workspace)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    while is_alive(supervisor):
        pass
