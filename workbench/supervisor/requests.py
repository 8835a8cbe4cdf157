"""What clients ask for, as rows of the store: stop, hold, edit, try again. Each one is done or answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from workbench.definition.distributions import distribution_from_dict
from workbench.definition.records import to_record
from workbench.definition.status import JobStatus
from workbench.errors import StoreError, WorkbenchError
from workbench.search.samplers import make_sampler
from workbench.store.records import JobRecord, Request
from workbench.supervisor.board import Board
from workbench.supervisor.finalizing import Finalizing
from workbench.supervisor.jobs import Jobs, sweep_of
from workbench.supervisor.sweeps import Ending

__all__ = ["Refused", "Requests"]

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that cannot be done; the message is the answer."""


class Requests:
    """The way back from clients to the supervisor.

    Args:
        board: the rows.
        jobs: what is asked about.
        finalizing: the way out for jobs that have not begun.
    """

    def __init__(self, board: Board, jobs: Jobs, finalizing: Finalizing) -> None:
        self._board = board
        self._jobs = jobs
        self._finalizing = finalizing
        self._handlers: Mapping[str, Callable[[JobRecord, Mapping[str, Any]], None]] = {
            "cancel": self._cancel,
            "edit": self._edit_all,
            "texts": self._texts,
            "hold": self._hold,
            "release": self._release,
            "move": self._move,
            "limits": self._limits,
            "narrow": self._narrow,
            "enqueue": self._enqueue,
            "retry_failed": self._retry_failed,
            "extend": self._extend,
        }

    def handle(self) -> bool:
        """Handle all waiting requests; return whether there were any."""
        requests = self._board.store.waiting_requests()
        for request in requests:
            try:
                self._do(request)
            except (StoreError, OSError):
                raise  # the workspace's trouble, not the request's
            except (Refused, WorkbenchError) as refusal:
                self._refuse(request, str(refusal))
            except Exception as error:  # noqa: BLE001 - becomes the answer, with its trace in the log
                _log.exception("%s of %s cannot be done", request.verb, request.job)
                self._refuse(request, f"it cannot be done: {type(error).__name__}: {error}")
        return bool(requests)

    def _do(self, request: Request) -> None:
        if request.verb == "cancel":  # may be done twice, and what it does to processes cannot be taken back
            self._handle(request.job, request.verb, request.payload)
            self._answer(request, "")
            return
        with self._board.store.write():  # done and answered in one: not twice by a supervisor after this, nor by half
            self._handle(request.job, request.verb, request.payload)
            self._answer(request, "")

    def _handle(self, job: str, verb: str, payload: Mapping[str, Any]) -> None:
        handler = self._handlers.get(verb)
        if handler is None:
            raise Refused(f"the supervisor that runs is older and does not know {verb!r}; it leaves when it is idle")
        record = self._board.get(job) or self._board.store.job(job)
        if record is None:
            raise Refused(f"no job named {job!r}")
        handler(record, payload)

    def _refuse(self, request: Request, why: str) -> None:
        if request.verb != "cancel":
            self._take_back(request.job)
        self._answer(request, why)

    def _take_back(self, name: str) -> None:
        """Know a job again as it is in the store, where nothing is left of what was begun."""
        record = self._board.store.job(name)
        if record is None or name not in self._board or name in self._finalizing:
            return
        run = self._jobs.sweeps.get(name)
        if record.status.is_finished:  # it had been reopened
            self._board.drop(name)
            self._jobs.sweeps.pop(name, None)
            return
        self._board.take(record)
        if run is not None:
            self._jobs.resume_sweep(record).ending = run.ending

    def _answer(self, request: Request, outcome: str) -> None:
        with self._board.store.write() as writer:
            writer.handle_request(request.id, outcome)

    # Stopping and order

    def _cancel(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        reason = str(payload.get("reason", "canceled by request"))
        if record.status.is_finished or record.name in self._finalizing:
            return
        if run := self._jobs.sweeps.get(record.name):
            if run.ending is None:
                self._jobs.end_sweep(run, Ending(JobStatus.CANCELED, reason))
        elif record.status is JobStatus.NOT_STARTED:
            self._board.take(record)
            self._finalizing.begin(record.name, JobStatus.CANCELED, reason, None)
        else:
            self._jobs.stop(record.name, reason)

    def _hold(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        del payload
        job = self._job(record)
        self._edit(job.name, "paused: what runs goes on, nothing more starts", held=True)

    def _release(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        del payload
        job = self._job(record)
        self._edit(job.name, "resumed", held=False, reason=None)

    def _move(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        job = self._job(record)
        changes = {name: payload[name] for name in ("priority", "position") if name in payload}
        self._edit(job.name, f"moved in the queue: {payload.get('shown', changes)}", **changes)

    def _texts(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        columns = {name: payload[name] for name in ("display_name", "description") if name in payload}
        with self._board.writing(record.name, columns) as writer:
            writer.patch_tags(record.name, payload.get("tags", {}))

    def _edit_all(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        """Do several things to a job; what is refused undoes all of them, for they are one transaction."""
        for verb, one in payload["edits"]:
            self._handle(record.name, verb, one)

    # Edits of sweeps

    def _limits(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        sweep = self._running(self._sweep(record))
        limits = sweep_of(sweep)
        launch = dict(sweep.launch)
        for name, value in payload.items():
            setattr(limits.limits, name, value)
        if "max_concurrent_trials" in payload:
            launch["concurrency"] = payload["max_concurrent_trials"]
        told = ", ".join(f"{name} = {value}" for name, value in payload.items())
        self._edit(sweep.name, f"limits: {told}", definition=to_record(limits), launch=launch)
        if run := self._jobs.sweeps.get(sweep.name):
            run.total = limits.limits.max_total_trials or run.total
            run.concurrency = int(launch["concurrency"])

    def _narrow(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        record = self._running(self._sweep(record))
        sweep = sweep_of(record)
        space = dict(sweep.search_space)
        for name, fields in payload["search_space"].items():
            if name not in space:
                raise Refused(f"{record.name} has no parameter {name!r}; it has {', '.join(space)}")
            space[name] = distribution_from_dict(fields, name)
        make_sampler(sweep.sampling_algorithm, space, "maximize", 0)  # refuses what the sampler cannot take
        sweep.search_space = space
        drawn = sum(child.origin == "sampled" for child in self._board.store.children(record.name))
        launch = {**record.launch, "narrowed_at": drawn}
        told = ", ".join(f"{name} = {space[name]}" for name in payload["search_space"])
        self._edit(record.name, f"narrowed from trial {drawn} on: {told}", definition=to_record(sweep), launch=launch)
        self._rebuild(record.name)

    def _enqueue(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        record = self._sweep(record)
        space = sweep_of(record).search_space
        params = dict(payload["params"])
        if params.keys() != space.keys():
            raise Refused(f"a trial of {record.name} needs a value for each of {', '.join(space)}")
        launch = {**record.launch, "enqueued": [*record.launch.get("enqueued", ()), params]}
        self._edit(record.name, f"enqueued by hand: {params}", launch=launch)
        self._go_on(record.name)

    def _retry_failed(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        del payload
        record = self._sweep(record)
        failed = [child for child in self._board.store.children(record.name) if child.status is JobStatus.FAILED]
        if not failed:
            raise Refused(f"{record.name} has no failed trial")
        self._edit(record.name, f"trying {len(failed)} failed trials again")
        self._reopen(record)
        for child in failed:
            self._jobs.retry(child, "tried again by request")
        self._rebuild(record.name)

    def _extend(self, record: JobRecord, payload: Mapping[str, Any]) -> None:
        record = self._sweep(record)
        sweep = sweep_of(record)
        there = len(self._board.store.children(record.name))
        run = self._jobs.sweeps.get(record.name)
        total = (run.total if run else there) + int(payload["trials"])
        sweep.limits.max_total_trials = total
        self._edit(record.name, f"extended to {total} trials", definition=to_record(sweep))
        self._go_on(record.name)

    # Helpers

    def _job(self, record: JobRecord) -> JobRecord:
        if record.parent is not None:
            raise Refused(f"{record.name} is a trial; ask for its sweep {record.parent}")
        if record.status.is_finished:
            raise Refused(f"{record.name} is {record.status}")
        return self._put_up(record)

    def _sweep(self, record: JobRecord) -> JobRecord:
        if record.type != "sweep":
            raise Refused(f"{record.name} is no sweep")
        if record.name in self._finalizing:
            raise Refused(f"{record.name} is about to end; ask again in a moment")
        return self._put_up(record)

    def _running(self, record: JobRecord) -> JobRecord:
        if record.status.is_finished:
            raise Refused(f"{record.name} is {record.status}; extend it first")
        return record

    def _put_up(self, record: JobRecord) -> JobRecord:
        if record.name not in self._board and not record.status.is_finished:
            self._board.take(record)
        return record

    def _edit(self, name: str, told: str, **columns: Any) -> None:
        _log.info("%s: %s", name, told)
        self._board.change(name, ("edit", told), **columns)

    def _go_on(self, name: str) -> None:
        """Let a sweep run on with what was edited, reopened if it had ended."""
        record = self._board.store.job(name)
        if record is not None and record.status.is_finished:
            self._reopen(record)
        self._rebuild(name)

    def _reopen(self, record: JobRecord) -> None:
        if not record.status.is_finished:
            return
        launch = {**record.launch, "reopened": time.time()}  # its timeout starts over
        self._board.take(record)
        self._board.change(record.name, status=JobStatus.RUNNING, ended=None, error=None, reason=None, launch=launch)

    def _rebuild(self, name: str) -> None:
        record = self._board.store.job(name)
        if record is not None and record.status is not JobStatus.NOT_STARTED:
            self._board.take(record)
            self._jobs.resume_sweep(record)
