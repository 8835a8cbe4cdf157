"""What all handlers share: the workspaces that are open, and the threads in which the work is done."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from workbench.client.machine import MachineWatch
from workbench.client.ml_client import MLClient
from workbench.errors import NotFoundError, WorkbenchError
from workbench.server.places import OutsideError, inside
from workbench.server.threads import Threads
from workbench.server.watcher import Watcher
from workbench.server.worker import Worker
from workbench.store.files import WorkspaceFolder
from workbench.views.facts import JobFacts
from workbench.views.summaries import Summaries

__all__ = ["Desk", "Kind", "Workspace"]

Kind = Literal["read", "act", "work"]
"""What some work may have to wait for: nothing but the store; a supervisor; MLflow, another process or a drawing."""

_MOST_THREADS: Mapping[Kind, int] = {"read": 4, "act": 8, "work": 4}
_MOST_FACTS = 4  # jobs whose trials are kept at hand for figures

_Answer = TypeVar("_Answer")


@dataclass
class _Kept:
    """The facts of one job, for one thread at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    facts: JobFacts | None = None


class Workspace:
    """A workspace that is open, twice: who waits to write keeps nobody from reading.

    Args:
        path: its folder.
        root: what paths are told relative to.
        connect: returns a client of it.

    Raises:
        StoreError: it cannot be read, or is a newer workbench's.
    """

    def __init__(self, path: Path, root: Path, connect: Callable[[Path], MLClient]) -> None:
        self.client = connect(path)
        self.reader = connect(path)
        self.summaries = Summaries(self.reader.context.workspace, root)
        self.machine = MachineWatch(self.reader.context.workspace)
        self._facts: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def with_facts(self, name: str, use: Callable[[JobFacts], _Answer]) -> _Answer:
        """Return what ``use`` makes of the facts of a job as they now are.

        Raises:
            NotFoundError: there is no such job.
        """
        with self._lock:
            kept = self._facts.pop(name, None) or _Kept()
            self._facts[name] = kept
            while len(self._facts) > _MOST_FACTS:
                self._facts.popitem(last=False)
        with kept.lock:
            if kept.facts is None:
                kept.facts = JobFacts(self.reader.context.store, self.reader.context.workspace, name)
            else:
                kept.facts.refresh()
            return use(kept.facts)

    def close(self) -> None:
        """Close the store."""
        self.client.context.store.close()
        self.reader.context.store.close()


class Desk:
    """Where handlers get their workspaces, and hand in what must not keep the event loop waiting.

    Args:
        root: the folder that the server serves, with no link in it.
        workspace: the one that is meant where none is named.
        worker_idle: seconds after which the worker process ends when nothing is asked of it.
        refusal: why the workspace that was set cannot be shown; told to who names none.
    """

    def __init__(self, root: Path, workspace: Path, worker_idle: float, refusal: WorkbenchError | None = None) -> None:
        self.root = root
        self.workspace = workspace
        self._refusal = refusal
        self._worker = Worker(worker_idle)
        self._lock = threading.Lock()  # the event loop takes it too: nothing is waited for under it
        self._doors: dict[Path, threading.Lock] = {}  # a workspace is opened by one thread
        self._open: dict[Path, Workspace] = {}
        self._watchers: dict[Path, Watcher] = {}
        self._threads = {kind: Threads(most, f"workbench-{kind}") for kind, most in _MOST_THREADS.items()}

    async def run(self, work: Callable[[], _Answer], *, kind: Kind = "read") -> _Answer:
        """Do some work in a thread.

        Args:
            work: what to do.
            kind: what it may have to wait for; each kind has threads of its own.
        """
        return await self._threads[kind].run(work)

    def connect(self, path: str | Path) -> MLClient:
        """Return a client of the workspace in a folder, made if need be; what loads MLflow the worker process does.

        Raises:
            StoreError: it cannot be read or made, or is a newer workbench's.
        """
        return MLClient.of_server(path, self._worker.call)

    def place(self, asked: str | None) -> Path:
        """Return the folder of the workspace that is asked for.

        Raises:
            OutsideError: it is outside of what the server serves.
        """
        if not asked and (refusal := self._refusal) is not None:
            raise OutsideError(refusal.what, refusal.where, refusal.fix)
        return inside(self.root, asked or str(self.workspace))

    def find(self, path: Path) -> Workspace | None:
        """Return the workspace in a folder, open; None when there is none.

        Raises:
            StoreError: it cannot be read, or is a newer workbench's.
        """
        with self._lock:
            door = self._doors.setdefault(path, threading.Lock())
        with door:  # a store that has to be migrated may keep its own readers waiting for a minute, and nobody else
            known = self._open.get(path)
            if known is not None and known.reader.context.store.is_current:
                return known
            self._keep(path, None)  # it was moved or deleted; whoever still reads it has it open
            if not WorkspaceFolder(path).database.is_file():
                return None
            opened = Workspace(path, self.root, self.connect)
            self._keep(path, opened)
            return opened

    def get(self, path: Path) -> Workspace:
        """Return the workspace in a folder, open.

        Raises:
            NotFoundError: there is none.
            StoreError: it cannot be read.
        """
        found = self.find(path)
        if found is None:
            raise NotFoundError("there is no workspace", str(path), "It is made when the first job is submitted")
        return found

    def make(self, path: Path) -> Workspace:
        """Return the workspace in a folder, made if need be.

        Raises:
            StoreError: it cannot be made.
        """
        found = self.find(path)
        if found is None:
            self.connect(path).context.store.close()
            found = self.get(path)
        return found

    def watcher(self, path: Path) -> Watcher:
        """Return the one watcher of a workspace; it works while somebody listens."""
        with self._lock:
            if path not in self._watchers:
                self._watchers[path] = Watcher(path, self.root)
            return self._watchers[path]

    def close(self) -> None:
        """Watch nothing any more, and close what is open; threads that still work end with the process."""
        self._worker.close()
        with self._lock:
            watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.close()
        with self._lock:
            opened, self._open = list(self._open.values()), {}
        for workspace in opened:
            workspace.close()

    def _keep(self, path: Path, workspace: Workspace | None) -> None:
        with self._lock:
            if workspace is None:
                self._open.pop(path, None)
            else:
                self._open[path] = workspace
