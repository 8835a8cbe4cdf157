"""``python -m workbench.supervisor WORKSPACE``: detach, become the only one, run until there is nothing to do."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from pathlib import Path

from workbench.store.files import WorkspaceFolder
from workbench.trial.report import poke

__all__ = ["main"]

_HANDOVER = 10.0  # seconds in which a supervisor that is leaving lets go of the lock


def main(root: str) -> None:
    """Run the supervisor of the workspace at ``root``, unless one is there already."""
    workspace = WorkspaceFolder(Path(root))
    if os.fork():
        os._exit(0)
    os.setsid()
    _redirect(workspace)
    lock = _take_lock(workspace)
    if lock is None:
        return
    # Only now: whoever loses the race for the lock should not pay for the imports.
    from workbench.supervisor.loop import Supervisor  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        Supervisor(workspace).run()
    finally:
        os.close(lock)


def _redirect(workspace: WorkspaceFolder) -> None:
    log = os.open(workspace.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)


def _take_lock(workspace: WorkspaceFolder) -> int | None:
    """Return a descriptor that holds the lock, or None when a living supervisor has it and listens."""
    lock = os.open(workspace.supervisor_lock, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if poke(workspace.wake):
                return None
            # It has the lock but no longer (or not yet) listens: it is leaving, or starting. Wait for its word.
            if not _wait_for_lock(lock):
                return None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        return lock


def _wait_for_lock(lock: int) -> bool:
    """Wait for the lock for as long as a hand-over takes; return whether it is ours."""
    import signal  # noqa: PLC0415

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, _HANDOVER)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except TimeoutError:
        return False
    else:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main(sys.argv[1])
