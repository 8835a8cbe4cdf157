"""The life of jobs, sweeps and trials between the store and the hosts: begin, follow, judge, stop, end, try again."""

from __future__ import annotations

import errno
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from workbench.definition.records import job_from_record
from workbench.definition.retries import ANY
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.errors import StoreError, WorkbenchError
from workbench.store.database import Writer
from workbench.store.files import OWNER_ONLY
from workbench.store.records import FINAL_STATUS, STOPPED_EARLY, JobRecord, Point
from workbench.supervisor.board import Board, write_columns
from workbench.supervisor.endings import Verdict, verdict_of
from workbench.supervisor.engine_starts import EngineStarts
from workbench.supervisor.finalizing import Finalizing
from workbench.supervisor.launch import specify, start_host
from workbench.supervisor.placement import Placement, Placer, request_of
from workbench.supervisor.serving import ServedMlflow
from workbench.supervisor.sweeps import Ending, SweepRun, objective_of
from workbench.supervisor.trials import TrialHandle
from workbench.supervisor.warm import WarmStarts
from workbench.trial.leases import Lease
from workbench.trial.spec import Exit, TrialSpec

__all__ = ["Jobs", "sweep_of"]

_MOST_HOSTS_LOST = 5  # of one trial, before something must be wrong with it
_IMMEDIATE = 2.0  # seconds in which a failure counts as the machine's rather than the training's

_log = logging.getLogger(__name__)


class Jobs:
    """All unfinished jobs of a workspace.

    Args:
        board: where they are written down.
        finalizing: what holds the ones that have ended until MLflow knows.
        placer: what is told how trials on a GPU ended.
        watch: called with each new handle, to wake up when its host ends; returns how to stop that.
        warm: what starts hosts in no time, where it can.
        engine_starts: the same for trials in containers.
        served: MLflow for trials that cannot open its database.
        devices: the file that stands in for the driver of the GPUs, if one does.
    """

    def __init__(
        self,
        board: Board,
        finalizing: Finalizing,
        placer: Placer,
        watch: Callable[[TrialHandle], Callable[[], None]],
        warm: WarmStarts,
        engine_starts: EngineStarts,
        served: ServedMlflow,
        devices: str | None = None,
    ) -> None:
        self._warm = warm
        self._engine_starts = engine_starts
        self._served = served
        self._devices = devices
        self._board = board
        self._finalizing = finalizing
        self._placer = placer
        self._watch = watch
        self._unwatch: dict[str, Callable[[], None]] = {}
        self.sweeps: dict[str, SweepRun] = {}
        self.alive: dict[str, TrialHandle] = {}
        self._warming: dict[str, tuple[TrialSpec, Placement]] = {}
        self._hosts_lost: Counter[str] = Counter()
        self.waiting: set[str] = set()
        """Jobs and trials that have a row and no host: the queue starts them."""

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self.sweeps or self.alive or self._warming or self.waiting or self._finalizing)

    @property
    def slots_taken(self) -> int:
        """How many trials have a host, or a place that one is about to start in."""
        return len(self.alive) + len(self._warming)

    # Beginning

    def take_new(self) -> None:
        """Take up jobs that were submitted since the last look."""
        for record in self._board.store.unfinished():
            # One that is on the board already was edited before anybody had begun it.
            if record.status is JobStatus.NOT_STARTED and record.name not in self._finalizing:
                self._board.take(record)
                with self.answering_for(record.name):
                    self._begin(record)

    def take_up(self) -> None:
        """Take up what an earlier supervisor left: running trials, sweeps in the middle, jobs about to finish."""
        records = [one for one in self._board.store.unfinished() if one.status is not JobStatus.NOT_STARTED]
        for record in records:
            self._board.take(record)
        for record in records:
            if record.name in self._board:
                with self.answering_for(record.name):
                    self._continue(record)
        for run in list(self.sweeps.values()):
            if run.ending:  # the one before this may have been killed between ending the sweep and stopping its trials
                self._stop_all_of(run, run.ending)

    def resume_sweep(self, record: JobRecord) -> SweepRun:
        """Rebuild the state of a sweep from the store."""
        store = self._board.store
        sweep = sweep_of(record)
        series = store.series(record.name, objective_of(sweep).primary_metric)
        run = SweepRun(record, sweep, store.children(record.name), series)
        if record.status is JobStatus.CANCEL_REQUESTED and run.ending is None:
            final = JobStatus(record.properties.get(FINAL_STATUS, JobStatus.CANCELED))
            run.ending = Ending(final, record.reason or "canceled", record.error)
        self.sweeps[record.name] = run
        return run

    def _begin(self, record: JobRecord) -> None:
        if record.type == "sweep":
            self._board.move(record.name, JobStatus.RUNNING, "the sweep has started", started=time.time())
            record = self._board[record.name]
            self.sweeps[record.name] = SweepRun(record, sweep_of(record))
        else:
            self._board.move(record.name, JobStatus.QUEUED, "queued")
            self.waiting.add(record.name)

    def _continue(self, record: JobRecord) -> None:
        if record.status is JobStatus.FINALIZING:
            final = JobStatus(record.properties.get(FINAL_STATUS, JobStatus.FAILED))
            self._finalizing.resume(record.name, final)
        elif record.type == "sweep":
            self.resume_sweep(record)
        elif record.parent and record.parent not in self.sweeps:
            self._adopt(record)
            self.stop(record.name, "its sweep has ended")
        else:
            self._adopt(record)

    def _adopt(self, record: JobRecord) -> None:
        workspace = self._board.workspace
        if (
            not workspace.trial(record.folder).root.is_dir()
            and workspace.attempt(record.folder, record.attempt).is_dir()
        ):
            self.retry(record, f"attempt {record.attempt + 1}")  # the one before this was killed in the middle of that
            return
        handle = self._handle(record, None, _gpus(record))
        lost_its_folder = record.status is JobStatus.PREPARING and not handle.folder.root.is_dir()
        if handle.host is None and record.status in _NOT_BEGUN and not lost_its_folder:
            # No host ever claimed the folder, and only one can: starting it again runs nothing twice. One that has
            # lost its folder before it could is ended.
            handle.end_what_is_left()
            self.waiting.add(record.name)
        elif handle.host is None and record.started is None and record.status is JobStatus.CANCEL_REQUESTED:
            handle.end_what_is_left()
            self._end(record.name, Verdict(JobStatus.CANCELED, record.reason or "canceled"), None)
        else:
            self._keep(handle)
            if record.status is JobStatus.CANCEL_REQUESTED:
                handle.stop()
            _log.info("adopted %s", record.name)

    # Starting

    def new_trial(self, run: SweepRun) -> str | None:
        """Write down the next trial of a sweep and return its name; None when its search space is exhausted."""
        proposal = run.propose()
        if proposal is None:
            return None
        parent = self._board[run.name]
        number = run.next_number
        trial = JobRecord(
            name=f"{run.name}_{number}",
            type="trial",
            parent=run.name,
            number=number,
            status=JobStatus.QUEUED,
            display_name=f"{parent.display_name}_{number}",
            experiment_name=parent.experiment_name,
            folder=f"{parent.folder}/{number:04d}",
            params=proposal.params,
            tags=parent.tags,
            origin=proposal.origin,
            created=time.time(),
        )
        with self._board.store.write():  # a trial that was enqueued once must not start twice
            self._board.add(trial)
            if proposal.origin == "enqueued":
                run.enqueued.pop(0)
                self._board.change(run.name, launch={**parent.launch, "enqueued": list(run.enqueued)})
        run.add(trial)
        self.waiting.add(trial.name)
        return trial.name

    def start(self, name: str, placement: Placement) -> None:
        """Start a host for a waiting job or trial on what was leased for it."""
        with self._starting(name, placement):
            record = self._board[name]
            gpus = tuple(gpu.uuid for gpu in placement.gpus)
            properties = {**record.properties, **({"workbench.gpus": ",".join(gpus)} if gpus else {})}
            folder = self._board.folder_of(record)
            spec = specify(
                record,
                self._board.job_of(record),
                self._board.workspace,
                placement.variables,
                gpus,
                self._devices,
                self._port_for(record),
            )
            # The folder first: one that is Preparing and has none has lost it, and must not run a second time.
            folder.root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            self.waiting.discard(name)
            self._board.move(name, JobStatus.PREPARING, reason=None, properties=properties)
            spec.write_into(folder)
            self._start_host(name, spec, placement)

    def start_warmed(self) -> None:
        """Start hosts for those that have waited for a process to be forked from and wait no longer."""
        for name, (spec, placement) in list(self._warming.items()):
            with self.answering_for(name), self._starting(name, placement):
                self._start_host(name, spec, placement)

    def _start_host(self, name: str, spec: TrialSpec, placement: Placement) -> None:
        record = self._board[name]
        folder = self._board.folder_of(record)
        launch = self._board.job_of(record).launch
        is_warming = self._warm.is_warming(spec, launch)
        pid = None if is_warming else self._warm.start_host(spec, launch, folder, placement.lease.fds)
        if is_warming or (pid is None and self._warm.is_warming(spec, launch)):  # what was ready had grown old
            if name not in self._warming:
                self._board.change(name, reason=_WARMING)
                self._warming[name] = spec, placement
            return
        if self._warming.pop(name, None):
            self._board.change(name, reason=None)
        if pid is None and self._warm.trouble:
            self._board.change(name, ("start", f"it starts cold: {self._warm.trouble}"))
        pid = pid or self._engine_starts.start_host(spec, folder, placement.lease.fds)
        pid = pid or start_host(folder, placement.lease.fds)
        self._keep(self._handle(record, pid, tuple(gpu.uuid for gpu in placement.gpus)))
        self.serve()

    @contextmanager
    def _starting(self, name: str, placement: Placement) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise  # the workspace's trouble: it starts when there is room again
            self.waiting.discard(name)
            self._warming.pop(name, None)
            message = f"it could not be started: {error.strerror} ({error.filename})"
            self._end(name, Verdict(JobStatus.FAILED, message, message), None)
        finally:
            if name not in self._warming:
                placement.lease.release()  # the host has its own copy of the descriptors by now

    def close(self) -> None:
        """Let go of what is leased for trials that have no host yet; whoever comes next starts them."""
        for _, placement in self._warming.values():
            placement.lease.release()
        self._warming.clear()

    def serve(self) -> None:
        """See that MLflow is served if a living trial needs that, and only then."""
        places = [self._runs_in(self._board[name]) for name in self.alive]
        self._served.keep({str(place.get("engine") or "") for place in places if place})

    def _port_for(self, record: JobRecord) -> int | None:
        """Return where a job reaches MLflow, if it cannot open the workspace's database."""
        if not self._runs_in(record):
            return None
        self.serve()  # for those that live already: the port they know must not be chosen anew
        return self._served.port

    def _handle(self, record: JobRecord, pid: int | None, gpus: tuple[str, ...] = ()) -> TrialHandle:
        engine = str((self._runs_in(record) or {}).get("engine") or "")
        return TrialHandle(record.name, self._board.folder_of(record), pid, record.metrics_read, gpus, engine=engine)

    def _runs_in(self, record: JobRecord) -> Mapping[str, Any] | None:
        """Return the facts of a job's environment."""
        return self._launch_of(record).get("runs_in")

    def _launch_of(self, record: JobRecord) -> Mapping[str, Any]:
        """Return the launch facts of a job; of a trial those of its sweep, which may have ended already."""
        parent = record.parent and (self._board.get(record.parent) or self._board.store.job(record.parent))
        return (parent or record).launch

    def _keep(self, handle: TrialHandle) -> None:
        self.alive[handle.name] = handle
        self._unwatch[handle.name] = self._watch(handle)

    # Following

    def follow(self) -> None:
        """Look at every living trial: new metric points, its start, its end."""
        for name, handle in list(self.alive.items()):
            if name in self.alive:
                with self.answering_for(name):
                    self._look_at(handle)

    def advance(self) -> None:
        """Cancel sweeps that are out of time, and end those that have nothing left to do."""
        for run in list(self.sweeps.values()):
            with self.answering_for(run.name):
                self._advance(run)

    def _look_at(self, trial: TrialHandle) -> None:
        if trial.was_too_late:
            self._let_go_of(trial)
            self._keep(TrialHandle(trial.name, trial.folder, None, trial.metrics_read, trial.gpus, engine=trial.engine))
            return
        if trial.has_lost_its_host and self._go_on_with(trial):
            return
        ending = trial.exit()  # before the metrics: what it logged last is then in the file
        record = self._board[trial.name]
        lines = trial.new_points()
        if record.status is JobStatus.PREPARING and (text := trial.new_preparation()):
            self._board.change(trial.name, ("environment", text), reason=text)
        if lines or (record.status is JobStatus.PREPARING and trial.started):
            self._note(trial, [Point(trial.name, *line) for line in lines])
        if (progress := trial.new_progress()) and self._board[trial.name].status is JobStatus.RUNNING:
            self._board.change(trial.name, reason=str(progress))
        self._tell_trouble(trial, over=ending is not None)
        if ending:
            self._end(trial.name, verdict_of(ending, self._board[trial.name]), ending)

    def _tell_trouble(self, trial: TrialHandle, *, over: bool) -> None:
        """Show why a trial's container cannot be followed or ended, beside the reason for which it is to stop."""
        record = self._board[trial.name]
        if not trial.engine or record.status is JobStatus.PREPARING:
            return
        own = (record.reason or "").partition(_TROUBLE)[0].removesuffix("; ")
        trouble = "" if over else trial.trouble
        wanted = "; ".join(filter(None, [own, trouble and f"{_TROUBLE}{trouble}"]))
        if wanted != (record.reason or ""):
            told = ("engine", trouble) if trouble else None
            self._board.change(trial.name, told, reason=wanted or None)

    def _go_on_with(self, trial: TrialHandle) -> bool:
        """Start another host for a trial in a container whose host was killed; return False once too many were."""
        record = self._board[trial.name]
        try:
            spec = TrialSpec.read(trial.folder)
        except (ValueError, TypeError):  # the folder is the trial's own, and it has written there
            return False
        self._hosts_lost[trial.name] += 1
        if self._hosts_lost[trial.name] > _MOST_HOSTS_LOST:
            return False
        trial.end_helpers()
        lease = self._placer.again(request_of(self._launch_of(record)), trial.gpus)
        beside = "" if lease else "; others have leased its place meanwhile, and it goes on beside them"
        with lease or Lease() as held:
            pid = self._engine_starts.start_host(spec, trial.folder, held.fds) or start_host(trial.folder, held.fds)
        self._let_go_of(trial)
        self._keep(TrialHandle(trial.name, trial.folder, pid, trial.metrics_read, trial.gpus, engine=trial.engine))
        self._board.change(trial.name, ("host", f"its host was killed; another one follows its container{beside}"))
        if record.status is JobStatus.CANCEL_REQUESTED:
            self.alive[trial.name].stop()
        return True

    def _note(self, trial: TrialHandle, points: list[Point]) -> None:
        record = self._board[trial.name]
        run = self.sweeps.get(record.parent or "")
        stop = None
        changes: dict[str, Any] = {"metrics_read": trial.metrics_read}
        if record.status is JobStatus.PREPARING and trial.started:
            changes |= {"status": JobStatus.RUNNING, "started": trial.started, "reason": None}
        with self._board.writing(trial.name, changes) as writer:
            writer.add_points(points)
            if run and (values := [point.value for point in points if point.key == run.metric]):
                stop = run.report(trial.name, values)
                changes["score"] = run.score(trial.name)
                self._note_best(writer, run)
            if stop and record.status is not JobStatus.CANCEL_REQUESTED:
                # With the points that decided it: no crash can fall between what was seen and what follows from it.
                reason = f"{STOPPED_EARLY}{stop.reason}"
                changes |= {"status": JobStatus.CANCEL_REQUESTED, "reason": reason}
                writer.add_event(trial.name, "status", reason)
        if stop:
            trial.stop()

    def _note_best(self, writer: Writer, run: SweepRun) -> None:
        best = run.best()
        parent = self._board[run.name]
        told = (parent.properties.get("best_child_run_id"), parent.properties.get("score"))
        if told == ((None, None) if best is None else (best[0], str(best[1]))):
            return
        properties = {key: value for key, value in parent.properties.items() if key not in _BEST_PROPERTIES}
        if best is not None:
            properties |= {
                "best_child_run_id": best[0],
                "score": str(best[1]),
                "best_metric_status": "Succeeded",
                "best_data_container_id": f"dcid.{best[0]}",
            }
            writer.add_event(run.name, "best", f"{best[0]} leads with {run.metric} = {best[1]:.6g}")
        score = best[1] if best else None
        changes: dict[str, Any] = {"properties": properties, "score": score}
        write_columns(writer, run.name, changes, parent)
        self._board.take(replace(parent, **changes))

    def _advance(self, run: SweepRun) -> None:
        if run.timeout and run.started and not run.ending and time.time() >= run.started + run.timeout:
            reason = f"the sweep's timeout of {run.timeout:g} s was reached"
            self.end_sweep(run, Ending(JobStatus.CANCELED, reason))
        if outcome := run.outcome():
            del self.sweeps[run.name]
            reason = outcome.reason + ("" if run.best() else self._why_no_best(run))
            self._finalizing.begin(run.name, outcome.status, reason, outcome.error)

    def _why_no_best(self, run: SweepRun) -> str:
        if not run.completed:
            return ""
        logged = ", ".join(self._board.store.metric_keys(run.name)) or "none at all"
        return (
            f"; no trial has logged the primary metric {run.metric!r}, so there is no best (metrics logged: {logged})"
        )

    # Stopping

    def stop(self, name: str, reason: str) -> None:
        """Stop a trial or job: its whole tree if it runs, its place in the queue if it waits."""
        record = self._board[name]
        if record.status in (JobStatus.CANCEL_REQUESTED, JobStatus.FINALIZING):
            return
        handle = self.alive.get(name)
        if handle is not None:
            self._board.move(name, JobStatus.CANCEL_REQUESTED, reason, reason=reason)
            handle.stop()
            return
        if name in self._warming:
            self._warming.pop(name)[1].lease.release()
        elif name in self.waiting:
            self.waiting.discard(name)
        else:  # its start has failed half-way
            self._handle(record, None).end_what_is_left()
        self._end(name, Verdict(JobStatus.CANCELED, reason), None)

    def end_sweep(self, run: SweepRun, ending: Ending) -> None:
        """Let no more trials start and stop those that run; the sweep ends when they have."""
        run.ending = ending
        properties = {**self._board[run.name].properties, FINAL_STATUS: ending.status.value}
        self._board.move(
            run.name,
            JobStatus.CANCEL_REQUESTED,
            ending.reason,
            reason=ending.reason,
            error=ending.error,
            properties=properties,
        )
        self._stop_all_of(run, ending)

    def _stop_all_of(self, run: SweepRun, ending: Ending) -> None:
        if self._board[run.name].status is not JobStatus.CANCEL_REQUESTED:
            self.end_sweep(run, ending)
            return
        for name in sorted(run.running):
            self.stop(name, ending.reason)

    # Ending

    def _end(self, name: str, verdict: Verdict, ending: Exit | None) -> None:
        record = self._board[name]
        self._forget(name, verdict, ending)
        if self._try_again(record, verdict):
            return
        started = record.started or (ending.started if ending else None)
        ended = ending.ended if ending else time.time()
        run = self.sweeps.get(record.parent or "")
        if record.parent is None:
            self._board.change(name, started=started)
            self._finalizing.begin(name, verdict.status, verdict.reason, verdict.error, ended)
            return
        changes = {
            "status": verdict.status,
            "reason": verdict.reason,
            "error": verdict.error,
            "started": started,
            "ended": ended,
        }
        with self._board.writing(name, changes) as writer:
            writer.add_event(name, "ended", verdict.reason)
            had_ending = run.ending if run else None
            if run:
                run.end(name, verdict.status, verdict.error)
                self._note_best(writer, run)
        self._board.drop(name)
        if run and run.ending and run.ending is not had_ending:
            self.end_sweep(run, run.ending)

    def _forget(self, name: str, verdict: Verdict, ending: Exit | None) -> None:
        handle = self.alive.get(name)
        if handle is None:
            return
        self._let_go_of(handle)
        if ending and ending.started:
            immediate = verdict.status is JobStatus.FAILED and ending.ended - ending.started < _IMMEDIATE
            for gpu in handle.gpus:
                self._placer.note_end(gpu, immediate and self._blames_gpu(self._board[name], ending))

    def _let_go_of(self, handle: TrialHandle) -> None:
        del self.alive[handle.name]
        self._unwatch.pop(handle.name)()
        handle.close()

    def _blames_gpu(self, record: JobRecord, ending: Exit) -> bool:
        """Return whether a failure right at the start speaks against the device rather than against the code."""
        run = self.sweeps.get(record.parent or "")
        return bool(run and run.completed) or any(word in ending.message for word in _GPU_WORDS)

    def _try_again(self, record: JobRecord, verdict: Verdict) -> bool:
        run = self.sweeps.get(record.parent or "")
        if verdict.status is not JobStatus.FAILED or (run and run.ending):
            return False
        if record.parent and record.parent not in self._board:
            return False
        retries: Mapping[str, int] = self._board.job_of(record).launch.get("retries") or {}
        allowed = max(retries.get(verdict.cause, 0), retries.get(ANY, 0))
        if record.attempt > allowed:
            return False
        self.retry(record, f"attempt {record.attempt + 1} of {allowed + 1}, after: {verdict.reason}")
        return True

    def retry(self, record: JobRecord, reason: str) -> None:
        """Put a job or trial back into the queue, to be run from the start in a fresh folder under the same name."""
        folder = self._board.folder_of(record).root
        if folder.is_dir():
            folder.rename(self._board.workspace.attempt(record.folder, record.attempt))
        changes = {
            "status": JobStatus.QUEUED,
            "attempt": record.attempt + 1,
            "metrics_read": 0,
            "score": None,
            "started": None,
            "ended": None,
            "error": None,
            "reason": reason,
        }
        self._board.take(record)
        with self._board.writing(record.name, changes) as writer:
            writer.forget_points(record.name)
            writer.add_event(record.name, "retry", reason)
        self.waiting.add(record.name)
        if record.parent and record.parent in self.sweeps:
            # What the failed attempt had reported must not count; the store no longer has it.
            ending = self.sweeps[record.parent].ending
            self.resume_sweep(self._board[record.parent]).ending = ending

    # One job's trouble

    @contextmanager
    def answering_for(self, name: str) -> Iterator[None]:
        """Let a job that cannot be handled fail, so that it does not stop the others."""
        try:
            yield
        except (StoreError, OSError):
            raise  # the workspace's trouble, not the job's
        except Exception as error:  # noqa: BLE001 - becomes the job's own error, with its trace in the log
            _log.exception("%s cannot be handled", name)
            self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        message = str(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
        verdict = Verdict(JobStatus.FAILED, f"the supervisor could not handle it: {message}", message, cause="internal")
        if run := self.sweeps.get(name):
            self.end_sweep(run, Ending(JobStatus.FAILED, verdict.reason, verdict.error))
        elif name in self._board:
            self.waiting.discard(name)
            if name in self._warming:
                self._warming.pop(name)[1].lease.release()
            if handle := self.alive.get(name):
                handle.end_what_is_left()
            if self._board[name].parent:
                self._end(name, verdict, None)
            else:
                self._forget(name, verdict, None)
                self._finalizing.begin(name, verdict.status, verdict.reason, verdict.error)


_TROUBLE = "waiting: "
_WARMING = "getting ready: the first trial of a notebook waits until what it imports is imported"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_NOT_BEGUN = frozenset({JobStatus.QUEUED, JobStatus.PREPARING})
_GPU_WORDS = ("CUDA error", "CUDA driver", "cudaError", "NVML", "CUDNN_STATUS", "no CUDA-capable device")
_BEST_PROPERTIES = ("best_child_run_id", "score", "best_metric_status", "best_data_container_id")


def sweep_of(record: JobRecord) -> Sweep:
    """Return the definition of a sweep's row."""
    job = job_from_record(record.definition)
    if not isinstance(job, Sweep):
        raise TypeError(f"{record.name} is stored as a sweep and holds a {type(job).__name__}")
    return job


def _gpus(record: JobRecord) -> tuple[str, ...]:
    return tuple(filter(None, record.properties.get("workbench.gpus", "").split(",")))
