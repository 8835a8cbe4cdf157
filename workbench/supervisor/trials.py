"""One living trial as the supervisor sees it: its host, and what has been read of its folder."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

from workbench.store.files import TrialFolder, read_json
from workbench.trial.claims import claimed_by
from workbench.trial.container import Ending, end_container, ending_of
from workbench.trial.preparing import preparation_of
from workbench.trial.processes import Identity, end_tree, is_alive, is_marked, marked_processes, sees_our_files
from workbench.trial.progress import Progress, read_progress
from workbench.trial.report import FOLDER_VARIABLE, Line, read_points
from workbench.trial.spec import LOST, Exit

__all__ = ["TrialHandle"]

_PAUSE = 1.0  # seconds until an engine that has not ended a container is asked again


class TrialHandle:
    """A trial whose host runs, or ran when we last looked.

    Args:
        name: of the job.
        folder: its trial folder.
        pid: of the host, when this process has just started it.
        metrics_read: bytes of ``metrics.jsonl`` that are in the store.
        gpus: UUIDs of the GPUs it has leased.
        engine: address of the engine that runs its container; empty for one without.
    """

    def __init__(
        self,
        name: str,
        folder: TrialFolder,
        pid: int | None,
        metrics_read: int = 0,
        gpus: tuple[str, ...] = (),
        engine: str = "",
    ) -> None:
        self.name = name
        self.folder = folder
        self.metrics_read = metrics_read
        self.gpus = gpus
        self.engine = engine
        self.host = Identity.of(pid) if pid else claimed_by(folder)
        self.watch = self._open_watch()
        self._progress: Progress | None = None
        self._preparation: dict[str, Any] = {}
        self._child: dict[str, Any] | None = None
        self._container_end: _ContainerEnd | None = None
        self._processes_ended: tuple[str | None, list[int]] = (None, [])

    def close(self) -> None:
        """Stop watching the host, and collect it if it was a child of this process."""
        if self.watch is not None:
            os.close(self.watch)
            self.watch = None
        if self.host is not None:
            with suppress(ChildProcessError):  # adopted: somebody else's child
                os.waitpid(self.host.pid, os.WNOHANG)

    @property
    def started(self) -> float | None:
        """When the user's command started, in seconds since the epoch; None while it has not."""
        if self._child is None:
            child = self._read_host().get("child")
            self._child = child if isinstance(child, dict) and isinstance(child.get("time"), float) else None
        return self._child["time"] if self._child else None

    @property
    def host_is_alive(self) -> bool:
        """Whether the very process that was started (or adopted) still runs."""
        return self.host is not None and is_alive(self.host)

    def exit(self) -> Exit | None:
        """Return how the trial ended, or None while its host runs.

        Only when the host is gone is its lease free. One that is gone without a word lost its life; whatever it leaves
        behind is ended here, and it has not ended before its container is gone.
        """
        return None if self.host_is_alive else self._last_word() or self._bury()

    @property
    def has_lost_its_host(self) -> bool:
        """Whether its host was killed and may have left a container, which another host can go on with."""
        if not self.engine or self.host is None or self.host_is_alive:
            return False
        return self.folder.root.is_dir() and not self.folder.exit.exists()

    def end_helpers(self) -> None:
        """End what a host that was killed has left on this side of its container; what it had leased is then free."""
        met: set[Identity] = set()

        def those_left() -> list[int]:
            found = [pid for pid in marked_processes(FOLDER_VARIABLE, str(self.folder.root)) if sees_our_files(pid)]
            met.update(filter(None, map(Identity.of, found)))
            # One that dies gives up its memory, where the mark is, before its files, which are the lease.
            return found or [one.pid for one in met if is_alive(one)]

        end_tree(those_left, grace=0)

    def new_points(self) -> list[Line]:
        """Return the metric points written since the last call."""
        points, self.metrics_read = read_points(self.folder.metrics, self.metrics_read)
        return points

    def new_progress(self) -> Progress | None:
        """Return how far a notebook is, if that has changed since the last call."""
        now = read_progress(self.folder)
        if now == self._progress:
            return None
        self._progress = now
        return now

    def new_preparation(self) -> str | None:
        """Return what is done to its environment, if that has changed since the last call."""
        now = preparation_of(self.folder)
        if now == self._preparation or "error" in now:
            return None
        self._preparation = now
        if "seconds" in now:
            done = "built" if now.get("built") else "built by another job"
            return f"the environment is ready: {done} in {now['seconds']:.1f} s"
        return str(now.get("text") or "")

    @property
    def trouble(self) -> str:
        """Why its container cannot be followed or ended at the moment; empty when nothing is in the way."""
        told = ending_of(self.folder) if self.engine else None
        return told.trouble if told else ""

    def stop(self) -> None:
        """Ask the host to end the trial; its ``exit.json`` will tell."""
        if self.host is not None and is_alive(self.host):
            with suppress(ProcessLookupError):
                os.kill(self.host.pid, signal.SIGTERM)

    def owns(self, pid: int) -> bool:
        """Return whether the process ``pid`` was started by this trial."""
        return is_marked(pid, FOLDER_VARIABLE, str(self.folder.root))

    @property
    def was_too_late(self) -> bool:
        """Whether another host, which lives, had claimed the folder before ours could.

        A supervisor that was killed can have started one that nobody saw before this one started its own.
        """
        if self.host_is_alive or self.folder.exit.exists():
            return False
        other = claimed_by(self.folder)
        return other is not None and other != self.host and is_alive(other)

    def _read_host(self) -> dict[str, Any]:
        try:
            record = read_json(self.folder.host)
        except ValueError:
            return {}  # somebody else wrote there; the pid that we know of is still right
        return record if isinstance(record, dict) else {}

    def _last_word(self) -> Exit | None:
        try:
            return Exit.read(self.folder)
        except (ValueError, TypeError) as error:
            return Exit(
                cause="host_error",
                code=None,
                ended=time.time(),
                started=self.started,
                message=f"{self.folder.exit} cannot be read: {error}",
            )

    def end_what_is_left(self) -> bool:
        """End every process of the trial, its host included, and its container; return whether all that is done.

        The engine may take its time or be away, so its container is ended aside: call again to learn whether it is.
        """
        if self._container_end is None:
            by_mark = lambda: marked_processes(FOLDER_VARIABLE, str(self.folder.root))  # noqa: E731
            self._processes_ended = end_tree(by_mark, grace=0)
            if self.engine:
                self._container_end = _ContainerEnd(self.folder, self.engine)
        return self._container_end is None or self._container_end.told is not None

    def _bury(self) -> Exit | None:
        if not self.end_what_is_left():
            return None
        needed, left = self._processes_ended
        if self._container_end and (told := self._container_end.told):
            needed, left = told.needed or needed, left + told.left
        there = self.folder.root.is_dir()
        ending = Exit(
            cause="host_lost",
            code=None,
            started=self.started,
            ended=time.time(),
            needed=needed,
            left=left,
            message=LOST if there else f"its folder {self.folder.root} was deleted while it ran",
        )
        if there:
            with suppress(OSError):  # the store keeps it too; this is for people, and for a supervisor after this one
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


class _ContainerEnd:
    """Ends a trial's container in a thread of its own, trying until the engine says that it is gone.

    Args:
        folder: of the trial; it may be gone.
        engine: address of the engine.
    """

    def __init__(self, folder: TrialFolder, engine: str) -> None:
        self.told: Ending | None = None
        threading.Thread(target=self._work, args=(folder, engine), daemon=True).start()

    def _work(self, folder: TrialFolder, engine: str) -> None:
        while not (told := end_container(folder, engine)).gone:
            time.sleep(_PAUSE)  # nothing tells when the engine can
        self.told = told
