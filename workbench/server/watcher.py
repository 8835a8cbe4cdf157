"""One pair of eyes on a workspace, whatever number of sockets wants to know: what has changed goes to all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.client.context import Context
from workbench.client.waiting import open_watch
from workbench.errors import WorkbenchError
from workbench.server.look import Look
from workbench.server.text import as_json
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.watch import Watch
from workbench.views.summaries import Summaries

__all__ = ["Listener", "Watcher"]

_AGAIN = 0.5  # seconds between looks for a workspace that is not there, or cannot be read

_END = 2.0  # seconds that its thread may take to end

_log = logging.getLogger(__name__)


class Listener:
    """Somebody who wants to know what happens in a workspace.

    Args:
        send: takes each message as text, from any thread.
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self.send = send
        self.parents: frozenset[str] = frozenset()
        """The sweeps whose trials it wants to know about."""
        self.since: int | None = 0
        """The cursor from which this one must be told what has changed; 0 for the whole state, None when it has it."""
        self.problem = ""
        """What it was told that is wrong; each is told once, not again at each try."""


class Watcher:
    """Watches a workspace in a thread of its own, for as long as somebody listens.

    Args:
        path: folder of the workspace, which need not be there yet.
        root: what paths are told relative to.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._workspace = WorkspaceFolder(path)
        self._root = root
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._news = threading.Event()
        self._watch: Watch | None = None

    def join(self, listener: Listener) -> None:
        """Tell somebody the state, and from then on what changes."""
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None:
                name = f"workbench-watches-{self._workspace.root.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self._wake()

    def expand(self, listener: Listener, parents: Iterable[str]) -> None:
        """Tell somebody about the trials of these sweeps too, and of no others."""
        listener.parents = frozenset(parents)

    def resume(self, listener: Listener, since: int) -> None:
        """Tell somebody all that has changed since a cursor; the whole state for 0."""
        with self._lock:
            listener.since = max(0, since)
        self._wake()

    def leave(self, listener: Listener) -> None:
        """Tell somebody no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
        self._wake()

    def close(self) -> None:
        """Tell nobody any more, and leave nothing behind."""
        with self._lock:
            self._listeners.clear()
            thread = self._thread
        self._wake()
        if thread is not None:
            thread.join(_END)

    def _wake(self) -> None:
        with self._lock:
            self._news.set()
            if self._watch is not None:
                self._watch.ring()

    def _run(self) -> None:
        while not self._is_over():
            self._news.clear()
            try:
                if not self._workspace.database.is_file():
                    self._tell_absence()
                    continue
                self._look()
            except WorkbenchError as error:
                self._tell_problem(error)
                self._owe_all()
                self._news.wait(_AGAIN)
            except Exception:  # noqa: BLE001 - whatever it was, the sockets outlive it, and the log has it
                _log.exception("%s could not be watched; it is tried again", self._workspace.root)
                self._owe_all()
                self._news.wait(_AGAIN)

    def _look(self) -> None:
        store = Store(self._workspace.database)
        try:
            context = Context(self._workspace, store, self._workspace.root.name)
            with open_watch(context) as watch:
                with self._lock:
                    self._watch = watch
                try:
                    look = Look(context, self._root, watch)
                    while listeners := self._present():
                        owed = self._take_owed(listeners)
                        if not look.once(listeners, owed, self._tell_problem):
                            self._owe_all()
                            return
                finally:
                    with self._lock:
                        self._watch = None
        finally:
            store.close()

    def _tell_absence(self) -> None:
        facts = Summaries(self._workspace, self._root).workspace(None)
        state = {"type": "state", "cursor": 0, "jobs": [], "counts": {}, "queue": None, "workspace": facts}
        self._tell_problem(None)
        for listener, _ in self._take_owed(self._present()):
            listener.send(as_json(state))
        self._news.wait(_AGAIN)
        if self._workspace.database.is_file():
            self._owe_all()

    def _tell_problem(self, error: WorkbenchError | None) -> None:
        """Tell everybody what is wrong, or with an empty message that nothing is any more, who does not know it."""
        what, where, todo = ("", None, None) if error is None else (error.what, error.where, error.fix)
        text = as_json({"type": "problem", "message": what, "where": where, "todo": todo})
        for listener in self._present():
            if (listener.problem or what) and listener.problem != text:
                listener.send(text)
            listener.problem = text if what else ""

    # Who is there

    def _present(self) -> list[Listener]:
        with self._lock:
            return list(self._listeners)

    def _take_owed(self, listeners: Iterable[Listener]) -> list[tuple[Listener, int]]:
        with self._lock:
            owed = [(listener, listener.since) for listener in listeners if listener.since is not None]
            for listener, _ in owed:
                listener.since = None
        return [(listener, since or 0) for listener, since in owed]

    def _owe_all(self) -> None:
        with self._lock:
            for listener in self._listeners:
                listener.since = 0

    def _is_over(self) -> bool:
        with self._lock:
            if self._listeners:
                return False
            self._thread = None
            return True
