"""Looking at an open workspace again and again: what has changed, said in as few and as small messages as will do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.client.context import Context
from workbench.client.machine import MachineWatch
from workbench.client.waiting import Lifeline
from workbench.definition.status import JobStatus
from workbench.errors import SupervisorError, WorkbenchError
from workbench.server.text import as_json
from workbench.store.overview import Overview, Wanted
from workbench.store.watch import Watch
from workbench.views.queue import Queue, queue_as_json
from workbench.views.summaries import Summaries, Summary

if TYPE_CHECKING:
    from workbench.server.watcher import Listener

__all__ = ["Look"]

_GLANCE = 0.1  # seconds between looks whether somebody has written who does not ring, as clients do not
_CALM = 0.1  # seconds between two messages
_LIFE = 1.0  # seconds between looks whether the supervisor lives, and how far notebooks are
_ROOM = 0.5  # seconds between looks at the machine while something happens
_IDLE_ROOM = 5.0  # and while nothing does: others use the GPUs too

Owed = Sequence[tuple["Listener", int]]


class Look:
    """What a watcher knows of a workspace that is there.

    Args:
        context: the workspace; its store must be used by nobody else, or its own writes would go unnoticed.
        root: what paths are told relative to.
        watch: rings when the supervisor has written.
    """

    def __init__(self, context: Context, root: Path, watch: Watch) -> None:
        self._context = context
        self._store = context.store
        self._watch = watch
        self._summaries = Summaries(context.workspace, root)
        self._lifeline = Lifeline(context)
        self._machine = MachineWatch(context.workspace)
        self._version = self._store.version()
        self._cursor = self._store.now()
        self._unfinished = {one.record.name: one for one in self._store.unfinished_overviews()}
        self._progress: Mapping[str, str | None] = {}
        self._moved()
        self._queue: Queue | None = None
        self._wrong: WorkbenchError | None = None  # with settings or leases
        self._stale = False  # whether something has happened since the last look at the machine
        self._last_life = self._last_room = 0.0

    def once(self, listeners: Sequence[Listener], owed: Owed, problem: Callable[[WorkbenchError | None], None]) -> bool:
        """Wait for something to happen, for a short time, and tell it.

        Args:
            listeners: all who are there.
            owed: those who must be told first what they do not know, each with the cursor from which.
            problem: is told what is wrong with the supervisor; None when nothing is.

        Returns:
            Whether the workspace is still there.
        """
        for listener, since in owed:
            self._catch_up(listener, since)
        rang = self._watch.wait(_GLANCE)
        if not self._store.is_current:
            return False
        version = self._store.version()
        now = time.monotonic()
        alive = now - self._last_life >= _LIFE
        changed: list[Overview] = []
        if rang or alive or version != self._version:
            self._version = version
            changed = self._changes()
        if alive:
            self._last_life = now
            self._keep_alive(problem)
        queue = self._new_queue(now)
        if changed or queue is not None:
            self._tell(listeners, changed, queue)
            time.sleep(_CALM)
        return True

    # What is told

    def _changes(self) -> list[Overview]:
        self._cursor, changed = self._store.changed_overviews(self._cursor, limit=1 << 30)
        for one in changed:
            if one.record.status.is_finished:
                self._unfinished.pop(one.record.name, None)
            else:
                self._unfinished[one.record.name] = one
        names = {one.record.name for one in changed}
        changed += [self._unfinished[name] for name in self._moved() if name not in names]
        self._stale = self._stale or bool(changed)
        return changed

    def _new_queue(self, now: float) -> Queue | None:
        """Return machine and queue if it is time to look again and they are not as they were."""
        if now - self._last_room < (_ROOM if self._stale else _IDLE_ROOM):
            return None
        self._last_room, self._stale = now, False
        queue = self._look_at_queue()
        if queue == self._queue:
            return None
        self._queue = queue
        return queue

    def _tell(self, listeners: Sequence[Listener], changed: Sequence[Overview], queue: Queue | None) -> None:
        unfolded = [listener.parents for listener in listeners]  # they may be others in a moment
        jobs, trials = self._apart(changed, frozenset().union(*unfolded))
        counts = self._store.status_counts()
        more = {} if queue is None else {"queue": queue}
        texts: dict[frozenset[str], str] = {}
        for listener, parents in zip(listeners, unfolded, strict=True):
            if parents not in texts:
                told = [*jobs, *(trial for trial in trials if trial["parent"] in parents)]
                texts[parents] = _text("delta", self._cursor, told, counts, **more)
            listener.send(texts[parents])

    def _catch_up(self, listener: Listener, since: int) -> None:
        if 0 < since <= self._store.now():
            cursor, changed = self._store.changed_overviews(since, limit=1 << 30)
            jobs, trials = self._apart(changed, listener.parents)
            listener.send(_text("delta", cursor, [*jobs, *trials], self._store.status_counts(), queue=self._queue))
            return
        cursor = self._store.now()
        if self._queue is None:
            self._queue = self._look_at_queue()
        jobs = self._summaries.of(self._store.overviews(Wanted()), self._store)
        workspace = self._summaries.workspace(self._store)
        listener.send(_text("state", cursor, jobs, self._store.status_counts(), queue=self._queue, workspace=workspace))

    def _look_at_queue(self) -> Queue | None:
        """Return machine and queue; as they were, where settings or leases cannot be read: the jobs are told anyway."""
        unfinished = list(self._unfinished.values())
        self._wrong = None
        try:
            return queue_as_json(unfinished, self._machine.look(unfinished))
        except WorkbenchError as error:
            self._wrong = error
            return self._queue

    def _apart(self, changed: Iterable[Overview], parents: Collection[str]) -> tuple[list[Summary], list[Summary]]:
        """Return the jobs that have changed, themselves or in their trials, and the changed trials of some sweeps."""
        jobs = [one for one in changed if one.record.parent is None]
        trials = [one for one in changed if one.record.parent is not None]
        others = {str(one.record.parent) for one in trials} - {one.record.name for one in jobs}
        if others:
            jobs += self._store.overviews(Wanted(names=sorted(others), archived=None))
        wanted = [one for one in trials if one.record.parent in parents]
        return self._summaries.of(jobs, self._store), self._summaries.of(wanted, self._store)

    # What goes on without the store

    def _moved(self) -> set[str]:
        """Return the running notebooks that have come further since the last look."""
        running = [one for one in self._unfinished.values() if one.record.status is JobStatus.RUNNING]
        now = {one.record.name: self._summaries.progress(one) for one in running if self._is_notebook(one)}
        moved = {name for name, text in now.items() if text != self._progress.get(name)}
        self._progress = now
        return moved

    def _is_notebook(self, one: Overview) -> bool:
        job = self._unfinished.get(one.record.parent or "", one)
        return job.kind == "notebook" and one.record.type != "sweep"

    def _keep_alive(self, problem: Callable[[WorkbenchError | None], None]) -> None:
        """Whoever looks revives a supervisor that was killed while there is work."""
        try:
            if self._store.has_work():
                self._lifeline.check()
            problem(self._wrong)
        except SupervisorError as error:
            problem(error)


def _text(kind: str, cursor: int, jobs: Sequence[Summary], counts: Mapping[str, int], **more: Any) -> str:
    return as_json({"type": kind, "cursor": cursor, "jobs": jobs, "counts": counts, **more})
