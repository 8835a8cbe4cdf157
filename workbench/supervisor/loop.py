"""The supervisor: the one process that starts, follows and ends the trials of a workspace.

Everything it knows is in the store and in the trial folders, so that one that was killed is replaced by one that reads.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from workbench.definition.records import job_from_record
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.store.database import Store, Writer
from workbench.store.files import WorkspaceFolder
from workbench.store.records import FINAL_STATUS, JobRecord, Point, Request
from workbench.supervisor.endings import Verdict, verdict_of
from workbench.supervisor.launch import specify, start_host
from workbench.supervisor.mirroring import MirrorProcess
from workbench.supervisor.ringing import ring
from workbench.supervisor.sweeps import Ending, SweepRun, objective_of
from workbench.supervisor.trials import TrialHandle
from workbench.trial.spec import Exit

__all__ = ["Supervisor"]

_IDLE = 600.0  # seconds without work after which it leaves
_HEARTBEAT = 1.0  # seconds between looks at the hosts where nothing else tells of a death
_BREATH = 0.004  # seconds in which wake-ups are gathered into one look
_MIRROR_PATIENCE = 60.0  # seconds a job waits in Finalizing for MLflow to have everything

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs a workspace until there has been nothing to do for a while.

    Args:
        workspace: the folder; the caller holds its supervisor lock.
        idle: seconds without work after which :meth:`run` returns.
    """

    def __init__(self, workspace: WorkspaceFolder, idle: float = _IDLE) -> None:
        self.workspace = workspace
        self.store = Store(workspace.database)
        self._idle = idle
        self._mirror = MirrorProcess(workspace)
        self._sweeps: dict[str, SweepRun] = {}
        self._trials: dict[str, TrialHandle] = {}
        self._records: dict[str, JobRecord] = {}
        self._finalizing: dict[str, tuple[int, float, JobStatus]] = {}
        self._selector = selectors.DefaultSelector()
        self._wake: int | None = None
        self._seen_version = -1
        self._told = -1
        self._handlers: Mapping[str, Callable[[Request], str]] = {"cancel": self._cancel}

    def run(self) -> None:
        """Work until idle; returns only when nothing is left that anybody waits for."""
        self._listen()
        self._recover()
        idle_since = time.monotonic()
        while True:
            self._step()
            if self._busy:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._idle and self._may_leave():
                self._mirror.close()
                return
            self._await(self._patience(idle_since))

    # Waiting

    def _listen(self) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self.workspace.wake, 0o600)
        # Open for writing too: with no writer at all a FIFO is readable for ever.
        self._wake = os.open(self.workspace.wake, os.O_RDWR | os.O_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ)

    def _may_leave(self) -> bool:
        """Stop listening, then look once more: who pokes from now on starts a new supervisor."""
        if self._wake is not None:
            self._selector.unregister(self._wake)
            os.close(self._wake)
            self._wake = None
        self._seen_version = -1
        self._step()
        if self._busy:
            self._listen()
            return False
        return True

    @property
    def _busy(self) -> bool:
        return bool(self._trials or self._sweeps or self._finalizing)

    def _patience(self, idle_since: float) -> float:
        if not self._busy:
            return max(0.0, idle_since + self._idle - time.monotonic())
        deadlines = [run.started + run.timeout for run in self._sweeps.values() if run.timeout and run.started]
        return max(0.0, min([_HEARTBEAT, *(deadline - time.time() for deadline in deadlines)]))

    def _await(self, patience: float) -> None:
        if not self._selector.select(patience):
            return
        time.sleep(_BREATH)
        if self._wake is not None:
            with suppress(BlockingIOError):
                while len(os.read(self._wake, 65536)) == 65536:
                    pass

    # One look at everything

    def _step(self) -> None:
        if (version := self.store.version()) != self._seen_version:
            self._seen_version = version
            self._take_requests()
            self._take_new_jobs()
        for trial in list(self._trials.values()):
            self._follow(trial)
        for run in list(self._sweeps.values()):
            self._advance(run)
        self._finalize()
        now = self.store.now()
        if now != self._told:
            self._told = now
            ring(self.workspace.watchers)
        if self.store.cursor("mlflow") < now:
            self._mirror.poke()

    def _recover(self) -> None:
        """Take up what an earlier supervisor left: running trials, sweeps in the middle, jobs about to finish."""
        for record in self.store.unfinished():
            if record.status is JobStatus.NOT_STARTED:
                continue  # taken up as new
            self._records[record.name] = record
            if record.type == "sweep":
                self._sweeps[record.name] = self._resume(record)
            else:
                self._adopt(record)

    def _resume(self, record: JobRecord) -> SweepRun:
        children = self.store.children(record.name)
        sweep = _sweep(record)
        run = SweepRun(
            record,
            sweep,
            int(record.launch["concurrency"]),
            children,
            self.store.series(record.name, objective_of(sweep).primary_metric),
        )
        if record.status is JobStatus.CANCEL_REQUESTED:
            run.ending = Ending(JobStatus.CANCELED, record.reason or "canceled")
        _log.info("took up %s with %d trials", record.name, len(children))
        return run

    def _adopt(self, record: JobRecord) -> None:
        folder = self.workspace.trial(record.folder)
        handle = TrialHandle(record.name, folder, None, record.metrics_read)
        if handle.host is None:
            # No host ever claimed the folder, and only one can: starting it again runs nothing twice.
            job = self._records.get(record.parent or "") or record
            self._start(record, job)
            return
        self._watch(handle)
        if record.status is JobStatus.CANCEL_REQUESTED:
            handle.stop()
        _log.info("adopted %s", record.name)

    # New work

    def _take_new_jobs(self) -> None:
        for record in self.store.unfinished():
            if record.status is JobStatus.NOT_STARTED and record.parent is None:
                self._records[record.name] = record
                if record.type == "sweep":
                    self._begin_sweep(record)
                else:
                    self._start(record, record)

    def _begin_sweep(self, record: JobRecord) -> None:
        now = time.time()
        self._write_move(record, JobStatus.RUNNING, "the sweep has started", started=now)
        record = self._records[record.name]
        self._sweeps[record.name] = SweepRun(record, _sweep(record), int(record.launch["concurrency"]))

    def _advance(self, run: SweepRun) -> None:
        if run.timeout and run.started and not run.ending and time.time() >= run.started + run.timeout:
            reason = f"the sweep's timeout of {run.timeout:g} s was reached"
            self._end_sweep(run, Ending(JobStatus.CANCELED, reason))
        while (params := run.propose()) is not None:
            self._start_trial(run, params)
        if outcome := run.outcome():
            del self._sweeps[run.name]
            self._conclude(run.name, outcome.status, outcome.reason, outcome.error)

    def _start_trial(self, run: SweepRun, params: Mapping[str, Any]) -> None:
        parent = self._records[run.name]
        number = run.next_number
        trial = JobRecord(
            name=f"{run.name}_{number}",
            type="trial",
            parent=run.name,
            number=number,
            status=JobStatus.PREPARING,
            display_name=f"{parent.display_name}_{number}",
            experiment_name=parent.experiment_name,
            folder=f"{parent.folder}/{number:04d}",
            params=params,
            tags=parent.tags,
            created=time.time(),
        )
        with self.store.write() as writer:
            writer.add_job(trial)
        self._records[trial.name] = trial
        run.add(trial)
        self._start(trial, parent)

    def _start(self, record: JobRecord, job: JobRecord) -> None:
        folder = self.workspace.trial(record.folder)
        if record.status is JobStatus.NOT_STARTED:
            self._write_move(record, JobStatus.PREPARING, "")
        try:
            pid = start_host(specify(record, job, self.workspace), folder)
        except OSError as error:
            message = f"the trial could not be started: {error.strerror} ({error.filename})"
            self._end(record.name, Verdict(JobStatus.FAILED, message, message), None)
            return
        self._watch(TrialHandle(record.name, folder, pid, record.metrics_read))

    def _watch(self, handle: TrialHandle) -> None:
        self._trials[handle.name] = handle
        if handle.watch is not None:
            self._selector.register(handle.watch, selectors.EVENT_READ)

    # Following trials

    def _follow(self, trial: TrialHandle) -> None:
        ending = trial.exit()  # before the metrics: what it logged last is then in the file
        record = self._records[trial.name]
        lines = trial.new_points()
        if lines or (record.status is JobStatus.PREPARING and trial.started):
            self._note(trial, [Point(trial.name, *line) for line in lines])
        if ending:
            self._end(trial.name, verdict_of(ending, self._records[trial.name]), ending)

    def _note(self, trial: TrialHandle, points: list[Point]) -> None:
        record = self._records[trial.name]
        run = self._sweeps.get(record.parent or "")
        stop = None
        changes: dict[str, Any] = {"metrics_read": trial.metrics_read}
        if record.status is JobStatus.PREPARING and trial.started:
            changes |= {"status": JobStatus.RUNNING, "started": trial.started}
        with self.store.write() as writer:
            writer.add_points(points)
            if run and (values := [point.value for point in points if point.key == run.metric]):
                before = run.best()
                stop = run.report(trial.name, values)
                changes["score"] = run.score(trial.name)
                self._note_best(writer, run, before)
            writer.update_job(trial.name, **changes)
        self._records[trial.name] = replace(record, **changes)
        if stop and not record.status.is_finished and record.status is not JobStatus.CANCEL_REQUESTED:
            self._stop(trial.name, f"stopped early: {stop.reason}")

    def _note_best(self, writer: Writer, run: SweepRun, before: tuple[str, float] | None) -> None:
        best = run.best()
        if best == before:
            return
        parent = self._records[run.name]
        properties = dict(parent.properties)
        if best is None:
            properties.pop("best_child_run_id", None)
            properties.pop("score", None)
        else:
            properties |= {
                "best_child_run_id": best[0],
                "score": str(best[1]),
                "best_metric_status": "Succeeded",
                "best_data_container_id": f"dcid.{best[0]}",
            }
            writer.add_event(run.name, "best", f"{best[0]} leads with {run.metric} = {best[1]:.6g}")
        changes: dict[str, Any] = {"properties": properties, "score": best[1] if best else None}
        writer.update_job(run.name, **changes)
        self._records[run.name] = replace(parent, **changes)

    # Endings

    def _end(self, name: str, verdict: Verdict, ending: Exit | None) -> None:
        record = self._records[name]
        self._forget(name)
        run = self._sweeps.get(record.parent or "")
        if run is None:
            self._conclude(name, verdict.status, verdict.reason, verdict.error, ending)
            return
        started = record.started or (ending.started if ending else None)
        with self.store.write() as writer:
            writer.move_job(
                name,
                verdict.status,
                reason=verdict.reason,
                error=verdict.error,
                started=started,
                ended=ending.ended if ending else time.time(),
            )
            writer.add_event(name, "ended", verdict.reason)
            before = run.best()
            had_ending = run.ending
            run.end(name, verdict.status, verdict.error)
            self._note_best(writer, run, before)
        del self._records[name]
        if run.ending is not had_ending and run.ending:
            self._end_sweep(run, run.ending)

    def _forget(self, name: str) -> None:
        handle = self._trials.pop(name, None)
        if handle is None:
            return
        if handle.watch is not None:
            self._selector.unregister(handle.watch)
        handle.close()

    def _conclude(
        self, name: str, status: JobStatus, reason: str, error: str | None, ending: Exit | None = None
    ) -> None:
        """Hold a job in Finalizing until MLflow has all of it, so that whoever waits for its end can read it there."""
        record = self._records[name]
        started = record.started or (ending.started if ending else None)
        properties = {**record.properties, FINAL_STATUS: status.value}
        self._write_move(
            record,
            JobStatus.FINALIZING,
            reason,
            started=started,
            ended=ending.ended if ending else time.time(),
            reason=reason,
            error=error,
            properties=properties,
        )
        self._finalizing[name] = (self.store.now(), time.monotonic() + _MIRROR_PATIENCE, status)

    def _finalize(self) -> None:
        for name, (needed, deadline, status) in list(self._finalizing.items()):
            late = time.monotonic() > deadline or self._mirror.failed
            if self.store.cursor("mlflow") < needed and not late:
                continue
            with self.store.write() as writer:
                writer.move_job(name, status)
                if late:
                    writer.add_event(name, "warning", f"MLflow has not everything yet; see {self.workspace.mirror_log}")
            del self._finalizing[name]
            del self._records[name]

    def _end_sweep(self, run: SweepRun, ending: Ending) -> None:
        """Let no more trials start and stop those that run; the sweep ends when they have."""
        run.ending = ending
        self._write_move(self._records[run.name], JobStatus.CANCEL_REQUESTED, ending.reason, reason=ending.reason)
        for name in sorted(run.running):
            self._stop(name, ending.reason)

    def _stop(self, name: str, reason: str) -> None:
        record = self._records[name]
        if record.status is JobStatus.CANCEL_REQUESTED:
            return
        self._write_move(record, JobStatus.CANCEL_REQUESTED, reason, reason=reason)
        if handle := self._trials.get(name):
            handle.stop()

    # Requests

    def _take_requests(self) -> None:
        for request in self.store.waiting_requests():
            handler = self._handlers.get(request.verb)
            outcome = handler(request) if handler else f"this supervisor does not know {request.verb!r}"
            with self.store.write() as writer:
                writer.handle_request(request.id, outcome)

    def _cancel(self, request: Request) -> str:
        reason = str(request.payload.get("reason", "canceled by request"))
        if run := self._sweeps.get(request.job):
            if run.ending is None:
                self._end_sweep(run, Ending(JobStatus.CANCELED, reason))
        elif request.job in self._trials:
            self._stop(request.job, reason)
        elif (record := self.store.job(request.job)) and record.status is JobStatus.NOT_STARTED:
            self._records[record.name] = record
            self._conclude(record.name, JobStatus.CANCELED, reason, None)
        return ""

    # Writing

    def _write_move(self, record: JobRecord, status: JobStatus, event: str, **columns: Any) -> None:
        with self.store.write() as writer:
            writer.move_job(record.name, status, **columns)
            if event:
                writer.add_event(record.name, "status", event)
        self._records[record.name] = replace(record, **columns | {"status": status})


def _sweep(record: JobRecord) -> Sweep:
    job = job_from_record(record.definition)
    if not isinstance(job, Sweep):
        raise TypeError(f"{record.name} is stored as a sweep and holds a {type(job).__name__}")
    return job
