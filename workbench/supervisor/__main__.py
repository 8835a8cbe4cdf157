"""``python -m workbench.supervisor WORKSPACE``: detach, become the only one, run until there is nothing to do."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from workbench.store.files import WorkspaceFolder
from workbench.supervisor.start import CANNOT_GO_ON
from workbench.trial.report import poke

__all__ = ["main"]

_HANDOVER = 10.0  # seconds in which a supervisor that is leaving lets go of the lock
_TICK = 0.02  # seconds between two tries


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
    wake = _listen(workspace)  # before the imports: from here on, whoever pokes is heard
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        # Only now: whoever loses the race for the lock should not pay for the imports.
        from workbench.supervisor.loop import Supervisor  # noqa: PLC0415

        Supervisor(workspace, wake).run()
    except Exception:
        logging.exception(CANNOT_GO_ON)
        raise
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
    give_up = time.monotonic() + _HANDOVER
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Who has the lock and does not listen is leaving, or is just about to: neither tells anybody.
            if poke(workspace.wake) or time.monotonic() > give_up:
                return None
            time.sleep(_TICK)
        else:
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            return lock


def _listen(workspace: WorkspaceFolder) -> int:
    with suppress(FileExistsError):
        os.mkfifo(workspace.wake, 0o600)
    # Open for writing too: with no writer at all a FIFO is readable for ever.
    return os.open(workspace.wake, os.O_RDWR | os.O_NONBLOCK)


if __name__ == "__main__":
    main(sys.argv[1])
