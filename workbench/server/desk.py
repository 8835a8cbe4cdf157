"""What all handlers share: the workspaces that are open, and the threads in which the work is done."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from workbench.client.machine import MachineWatch
from workbench.client.ml_client import MLClient
from workbench.errors import NotFoundError
from workbench.server.places import inside
from workbench.server.watcher import Watcher
from workbench.store.files import WorkspaceFolder
from workbench.views.facts import JobFacts
from workbench.views.summaries import Summaries

__all__ = ["Desk", "Workspace"]

_QUICK, _SLOW = 4, 8  # threads for what reads the store, and for what may wait for MLflow or a supervisor
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

    Raises:
        StoreError: it cannot be read, or is a newer workbench's.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.client = MLClient.of_server(path)
        self.reader = MLClient.of_server(path)
        self.summaries = Summaries(self.reader.context.workspace, root)
        self.machine = MachineWatch(self.reader.context.workspace)
        self.file = _identity(self.reader.context.workspace)
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
    """

    def __init__(self, root: Path, workspace: Path) -> None:
        self.root = root
        self.workspace = workspace
        self._lock = threading.Lock()
        self._open: dict[Path, Workspace] = {}
        self._watchers: dict[Path, Watcher] = {}
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="workbench-reads")
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="workbench-acts")

    async def run(self, work: Callable[[], _Answer], *, slow: bool = False) -> _Answer:
        """Do some work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._slow if slow else self._quick, work)

    def begin(self, work: Callable[[], object]) -> None:
        """Begin some work in a thread; nobody waits for it."""
        self._slow.submit(work)

    def place(self, asked: str | None) -> Path:
        """Return the folder of the workspace that is asked for.

        Raises:
            OutsideError: it is outside of what the server serves.
        """
        return inside(self.root, asked or str(self.workspace))

    def find(self, path: Path) -> Workspace | None:
        """Return the workspace in a folder, open; None when there is none.

        Raises:
            StoreError: it cannot be read, or is a newer workbench's.
        """
        identity = _identity(WorkspaceFolder(path))
        with self._lock:
            known = self._open.get(path)
            if known is not None and known.file == identity:
                return known
            self._open.pop(path, None)  # it was moved or deleted; whoever still reads it has it open
            if identity is None:
                return None
            opened = self._open[path] = Workspace(path, self.root)
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
            MLClient.of_server(path).context.store.close()
            found = self.get(path)
        return found

    def watcher(self, path: Path) -> Watcher:
        """Return the one watcher of a workspace; it works while somebody listens."""
        with self._lock:
            if path not in self._watchers:
                self._watchers[path] = Watcher(path, self.root)
            return self._watchers[path]

    def close(self) -> None:
        """End all threads, without waiting for those that still work."""
        for watcher in list(self._watchers.values()):
            watcher.close()
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            opened, self._open = list(self._open.values()), {}
        for workspace in opened:
            workspace.close()


def _identity(workspace: WorkspaceFolder) -> tuple[int, int] | None:
    try:
        found = workspace.database.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
