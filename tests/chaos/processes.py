"""Finding the parts of a workspace among the processes of the machine, and killing them."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.client.context import Context
from workbench.store.files import TrialFolder
from workbench.trial.claims import claimed_by
from workbench.trial.container import ending_of
from workbench.trial.processes import Identity, descendants, is_alive, marked_processes
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.spec import Exit

__all__ = ["Host", "children", "fork_servers", "has_ended", "kill", "living_hosts", "running_module"]


@dataclass(frozen=True)
class Host:
    """A living trial host.

    Args:
        trial: whose.
        attempt: which attempt at it.
        folder: the trial folder.
        identity: the process.
    """

    trial: str
    attempt: int
    folder: TrialFolder
    identity: Identity

    @property
    def lost(self) -> bool:
        """Whether the host, which is dead, had no time to say how the trial ended."""
        try:
            ending = Exit.read(self.folder)
        except (ValueError, TypeError):
            return True
        return ending is None or ending.cause == "host_lost"

    @property
    def has_container(self) -> bool:
        """Whether it is known that the trial's container was started; it then goes on without its host."""
        ending = ending_of(self.folder)
        return ending is not None and ending.started is not None and not ending.gone

    def users(self) -> list[int]:
        """Return the processes of the user's code; of a trial in a container also what deals with the engine."""
        below = descendants(self.identity.pid)
        if not self.has_container:
            return below
        return sorted({*below, *marked_processes(FOLDER_VARIABLE, str(self.folder.root))} - {self.identity.pid})


def living_hosts(context: Context) -> list[Host]:
    """Return the hosts of all trials that the store takes for unfinished."""
    found = []
    for record in context.store.unfinished():
        folder = context.workspace.trial(record.folder)
        identity = claimed_by(folder) if record.type == "trial" else None
        if identity and is_alive(identity):
            found.append(Host(record.name, record.attempt, folder, identity))
    return found


def running_module(module: str, root: Path) -> list[int]:
    """Return the pids of ``python -m module root``."""
    wanted = [b"-m", module.encode(), str(root).encode()]
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "cmdline").read_bytes().split(b"\0")[1:4] == wanted:
                found.append(int(process.name))
    return found


def fork_servers(supervisor: int) -> list[int]:
    """Return the pids of the processes that are kept ready to be forked for trials."""
    found = []
    for pid in children(supervisor):
        with suppress(OSError):
            if b"fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def children(parent: int) -> list[int]:
    """Return the pids of the children of a process."""
    try:
        tasks = list(Path(f"/proc/{parent}/task").iterdir())
        return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []


def has_ended(pid: int, patience: float = 60) -> bool:
    """Return whether a process has ended within ``patience`` seconds, or had before."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:  # and whoever started it has collected it
        return True
    try:
        return bool(select.select([watch], [], [], patience)[0])
    finally:
        os.close(watch)


def kill(*pids: int) -> None:
    """Kill -9."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
