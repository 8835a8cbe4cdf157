"""The supervisor: the one process that starts, follows and ends the trials of a workspace.

Everything it knows is in the store and in the trial folders, so that one that was killed is replaced by one that
reads; it does the same to itself when the disk is full or the store cannot be written for a while.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
import time
from collections.abc import Callable
from contextlib import suppress

from workbench.errors import StoreError, ValidationException
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.housekeeping import clear_unused
from workbench.store.schema import NewerStoreError
from workbench.store.settings import Settings, read_settings
from workbench.supervisor.board import Board
from workbench.supervisor.engine_starts import EngineStarts
from workbench.supervisor.finalizing import Finalizing
from workbench.supervisor.jobs import Jobs
from workbench.supervisor.mirroring import MirrorProcess
from workbench.supervisor.placement import Placer
from workbench.supervisor.queue import Queue
from workbench.supervisor.requests import Requests
from workbench.supervisor.ringing import ring
from workbench.supervisor.serving import ServedMlflow
from workbench.supervisor.trials import TrialHandle
from workbench.supervisor.warm import WarmStarts
from workbench.trial.devices import devices_from
from workbench.trial.leases import folder as lease_folder

__all__ = ["Supervisor"]

_IDLE = 600.0  # seconds without work after which it leaves
_HEARTBEAT = 1.0  # seconds between looks where nothing tells of a change: at a hung host, at the GPUs of other users
_BREATH = 0.004  # seconds in which wake-ups are gathered into one look
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before it starts over, doubled each time in a row

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs a workspace until there has been nothing to do for a while.

    Args:
        workspace: the folder; the caller holds its supervisor lock.
        wake: the FIFO of the workspace, open for reading and writing.
        idle: seconds without work after which :meth:`run` returns.
    """

    def __init__(self, workspace: WorkspaceFolder, wake: int, idle: float = _IDLE) -> None:
        self._workspace = workspace
        self._idle = idle
        self._wake: int | None = wake
        self._selector = selectors.DefaultSelector()
        self._mirror = MirrorProcess(workspace)

    def run(self) -> None:
        """Work until idle; returns only when nothing is left that anybody waits for, or the workspace is gone."""
        pause = _FIRST_PAUSE
        self._selector.register(self._wake_descriptor(), selectors.EVENT_READ)
        while self._workspace.database.exists():
            began = time.monotonic()
            try:
                self._work(_Shift(self._workspace, self._selector, self._mirror))
                return
            except NewerStoreError as error:
                _log.warning("leaving: %s", error)  # whoever upgraded it starts a newer supervisor
                return
            except (StoreError, OSError):
                pause = _FIRST_PAUSE if time.monotonic() - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
                _log.exception("starting over in %g s", pause)
            self._selector.close()
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._wake_descriptor(), selectors.EVENT_READ)
            time.sleep(pause)  # what must change is a disk or a permission, and nothing tells of that

    def _work(self, shift: _Shift) -> None:
        idle_since = time.monotonic()
        try:
            while self._workspace.database.exists():
                shift.look()
                if shift.busy:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= self._idle and self._may_leave(shift):
                    return
                until_idle = max(0.0, idle_since + self._idle - time.monotonic())
                self._await(shift.patience if shift.busy else min(until_idle, shift.idle_patience))
        finally:
            if not self._workspace.database.exists():
                shift.stop_everything()
            shift.close()
            self._mirror.close()

    def _wake_descriptor(self) -> int:
        if self._wake is None:
            self._wake = os.open(self._workspace.wake, os.O_RDWR | os.O_NONBLOCK)
        return self._wake

    def _may_leave(self, shift: _Shift) -> bool:
        """Stop listening, then look once more: who pokes from now on starts a new supervisor."""
        wake = self._wake_descriptor()
        self._selector.unregister(wake)
        os.close(wake)
        self._wake = None
        shift.look(thorough=True)
        if shift.busy:
            self._selector.register(self._wake_descriptor(), selectors.EVENT_READ)
            return False
        shift.tidy()
        return True

    def _await(self, patience: float) -> None:
        if not self._selector.select(patience):
            return
        time.sleep(_BREATH)
        if self._wake is not None:
            with suppress(BlockingIOError):
                while len(os.read(self._wake, 65536)) == 65536:
                    pass


def _time_of(workspace: WorkspaceFolder) -> int | None:
    """Return when the settings were written; None where there are none."""
    try:
        return workspace.settings.stat().st_mtime_ns
    except OSError:
        return None


def _settings(workspace: WorkspaceFolder) -> Settings:
    try:
        return read_settings(workspace)
    except ValidationException:
        _log.exception("the defaults are used")  # whoever submits is told
        return Settings()


class _Shift:
    """One run over a workspace, from reading everything to leaving or starting over."""

    def __init__(self, workspace: WorkspaceFolder, selector: selectors.BaseSelector, mirror: MirrorProcess) -> None:
        self._settings_read = _time_of(workspace)
        settings = _settings(workspace)
        self._workspace = workspace
        self._selector = selector
        self._mirror = mirror
        self._store = Store(workspace.database)
        self._seen = self._told = -1
        board = Board(workspace, self._store)
        self._finalizing = Finalizing(board, mirror)
        placer = Placer(devices_from(settings.devices), lease_folder(), self._trial_of)
        self._warm = WarmStarts(workspace, enabled=settings.warm)
        self._engine_starts = EngineStarts(workspace, enabled=settings.warm)
        self._served = ServedMlflow(workspace)
        self._jobs = Jobs(
            board,
            self._finalizing,
            placer,
            self._watch,
            self._warm,
            self._engine_starts,
            self._served,
            settings.devices,
        )
        self._queue = Queue(board, self._jobs, placer, settings.slots)
        self._requests = Requests(board, self._jobs, self._finalizing)
        self._jobs.take_up()

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return self._jobs.busy

    @property
    def patience(self) -> float:
        """Seconds until the next look, if nothing happens before."""
        runs = self._jobs.sweeps.values()
        deadlines = [run.started + run.timeout - time.time() for run in runs if run.timeout and run.started]
        return max(0.0, min([_HEARTBEAT, *deadlines]))

    @property
    def idle_patience(self) -> float:
        """Seconds until MLflow must be told the rest, or what was kept ready for more trials be ended."""
        mirror = math.inf if self._store.cursor("mlflow") >= self._store.now() else _HEARTBEAT
        return min(mirror, self._warm.patience, self._engine_starts.patience)

    def look(self, *, thorough: bool = False) -> None:
        """Look at everything once, and do what is to be done.

        Args:
            thorough: look for requests and new jobs even if nobody seems to have written any.
        """
        handled = False
        self._heed_settings()
        if (version := self._store.version()) != self._seen or thorough:
            self._seen = version
            self._store.check_format()
            handled = self._requests.handle()
            self._jobs.take_new()
        self._jobs.follow()
        self._jobs.start_warmed()
        self._queue.start_what_can()
        self._jobs.advance()
        self._finalizing.end_those_that_can()
        self._warm.end_idle()
        self._engine_starts.end_idle()
        self._jobs.serve()
        self._tell(handled=handled)

    def _heed_settings(self) -> None:
        """Go on by what the settings say now; ``devices`` alone is for as long as this runs."""
        if (read := _time_of(self._workspace)) != self._settings_read:
            self._settings_read = read
            settings = _settings(self._workspace)
            self._warm.enabled = self._engine_starts.enabled = settings.warm
            self._queue.slots = settings.slots

    def tidy(self) -> None:
        """Clear away what no job needs any more; what cannot be removed is left."""
        try:
            removed = clear_unused(self._workspace, self._store)
        except OSError:
            _log.exception("what no job needs any more could not be removed")
            return
        if removed:
            _log.info("removed %d cells and variables that no job needs any more", len(removed))

    def stop_everything(self) -> None:
        """End all trials: their workspace was deleted."""
        for handle in self._jobs.alive.values():
            handle.stop()

    def close(self) -> None:
        """Let go of the store and of every handle; the trials run on."""
        for handle in self._jobs.alive.values():
            handle.close()
        self._jobs.close()
        self._warm.close()
        self._engine_starts.close()
        self._served.close()
        self._store.close()

    def _tell(self, *, handled: bool) -> None:
        now = self._store.now()
        if now != self._told or handled:
            self._told = now
            ring(self._workspace.watchers)
        if self._store.cursor("mlflow") < now:
            self._mirror.poke()

    def _watch(self, handle: TrialHandle) -> Callable[[], None]:
        watch = handle.watch
        if watch is None:
            return lambda: None
        self._selector.register(watch, selectors.EVENT_READ)
        return lambda: self._selector.unregister(watch) and None

    def _trial_of(self, pid: int) -> str | None:
        """Return the name of our trial that the process ``pid`` belongs to."""
        for handle in self._jobs.alive.values():
            if handle.owns(pid):
                return handle.name
        return None
