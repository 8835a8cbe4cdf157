"""One living trial as the supervisor sees it: its host, and what has been read of its folder."""

from __future__ import annotations

import os
import signal
import time

from workbench.store.files import TrialFolder, read_json
from workbench.trial.processes import Identity, end_tree, is_alive, marked_processes
from workbench.trial.report import FOLDER_VARIABLE, Line, read_points
from workbench.trial.spec import Exit

__all__ = ["TrialHandle"]


class TrialHandle:
    """A trial whose host runs, or ran when we last looked.

    Args:
        name: of the job.
        folder: its trial folder.
        pid: of the host, when this process has just started it.
        metrics_read: bytes of ``metrics.jsonl`` that are in the store.
    """

    def __init__(self, name: str, folder: TrialFolder, pid: int | None, metrics_read: int = 0) -> None:
        self.name = name
        self.folder = folder
        self.metrics_read = metrics_read
        self.host = Identity.of(pid) if pid else Identity.from_record((read_json(folder.host) or {}).get("host"))
        self.watch = self._open_watch()
        self._started: float | None = None

    def close(self) -> None:
        """Stop watching the host, and collect it if it was a child of this process."""
        if self.watch is not None:
            os.close(self.watch)
            self.watch = None
        if self.host is not None:
            try:
                os.waitpid(self.host.pid, os.WNOHANG)
            except ChildProcessError:
                return  # adopted: somebody else's child

    @property
    def started(self) -> float | None:
        """When the user's command started, in seconds since the epoch; None while it has not."""
        if self._started is None:
            record = read_json(self.folder.host)
            self._started = record["child"]["time"] if record and "child" in record else None
        return self._started

    @property
    def host_is_alive(self) -> bool:
        """Whether the very process that was started (or adopted) still runs."""
        return self.host is not None and is_alive(self.host)

    def exit(self) -> Exit | None:
        """Return how the trial ended, or None while its host runs.

        A host that is gone without a word lost its life; whatever it leaves behind is ended here.
        """
        if ending := Exit.read(self.folder):
            return ending
        if self.host_is_alive:
            return None
        # It may have written its last word between the two looks.
        return Exit.read(self.folder) or self._bury()

    def new_points(self) -> list[Line]:
        """Return the metric points written since the last call."""
        points, self.metrics_read = read_points(self.folder.metrics, self.metrics_read)
        return points

    def stop(self) -> None:
        """Ask the host to end the trial; its ``exit.json`` will tell."""
        if self.host is not None and is_alive(self.host):
            os.kill(self.host.pid, signal.SIGTERM)

    def _bury(self) -> Exit:
        needed, left = end_tree(lambda: marked_processes(FOLDER_VARIABLE, str(self.folder.root)), grace=0)
        ending = Exit(
            cause="host_lost",
            code=None,
            started=self.started,
            ended=time.time(),
            needed=needed,
            left=left,
            message="the process that ran the trial was killed or the machine restarted"
            + (f"; {needed} ended what it had left behind" if needed else ""),
        )
        ending.write(self.folder)
        return ending

    def _open_watch(self) -> int | None:
        """Return a descriptor that becomes readable when the host ends, where the system has such a thing."""
        if self.host is None:
            return None
        try:
            watch = os.pidfd_open(self.host.pid)
        except OSError:
            return None
        if is_alive(self.host):
            return watch
        os.close(watch)
        return None
