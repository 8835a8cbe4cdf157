"""One view of one job: tells it what has changed, and does what it asks. Knows nothing of how messages travel."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.client.machine import MachineWatch
from workbench.client.ml_client import MLClient
from workbench.client.waiting import Lifeline, open_watch
from workbench.errors import WorkbenchError
from workbench.store.watch import Watch
from workbench.store.workspace import default_workspace
from workbench.views.facts import JobFacts
from workbench.views.verbs import VERBS, Asked
from workbench.views.workers import Workers

__all__ = ["Message", "ViewSession"]

Message = Mapping[str, Any]

_LOOK = 1.0  # seconds between looks when nothing rings: a clock runs, and the supervisor may have to be revived
_ANSWERERS = 4  # threads, made when they are needed
_CALM = 0.12  # seconds between two messages
_PATIENCE = 30.0  # seconds in which a workspace opens

_log = logging.getLogger(__name__)


class ViewSession:
    """The Python half of a view.

    One thread follows the store, others answer, so that a slow answer keeps back neither news nor a wish to stop. None
    of them needs the thread that runs cells, and nobody waits for them.

    Args:
        root: folder of the workspace.
        name: the job.
        send: takes each message, from any thread; may raise OSError once nobody is there.
        connect: opens the workspace.
        home: the workspace that notebooks find by themselves where the view is shown; this process's by default.
    """

    def __init__(
        self,
        root: str,
        name: str,
        send: Callable[[dict[str, Any]], None],
        connect: Callable[[str], MLClient] = lambda root: MLClient(path=root),
        home: Path | None = None,
    ) -> None:
        self._root, self._name, self._send, self._connect = root, name, send, connect
        self._home = home
        self._closed = threading.Event()
        self._begun = threading.Event()  # the facts are there, or it is known why not
        self._lock = threading.Lock()  # facts are refreshed and read by several threads
        self._client: MLClient | None = None
        self._asked: Asked | None = None
        self._guard = threading.Lock()
        self._watch: Watch | None = None
        self._at_work = 0  # threads that use the client
        self._answering = Workers(_ANSWERERS, f"workbench-answers-{name}")
        self._following = threading.Thread(target=self._follow, name=f"workbench-follows-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send: ``state`` first, then ``delta`` after each change."""
        self._following.start()

    def handle(self, message: Message) -> None:
        """Take a request of the view: ``{"id", "verb", …}``; a ``reply`` with the same id follows."""
        if not self._closed.is_set():
            self._answering.submit(lambda: self._answer(dict(message)))

    def close(self) -> None:
        """Stop, without waiting: nothing is sent from now on, and each thread ends with what it is doing."""
        with self._working():  # if nobody else is there any more, the store is closed here
            self._closed.set()
            with self._guard:
                if self._watch is not None:
                    self._watch.ring()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Keep the store open meanwhile; who leaves last after the end closes it."""
        with self._guard:
            self._at_work += 1
        try:
            yield
        finally:
            with self._guard:
                self._at_work -= 1
                over = self._closed.is_set() and self._at_work == 0
            if over and self._client is not None:
                self._client.context.store.close()

    # News

    def _follow(self) -> None:
        with self._working():
            try:
                self._client = self._connect(self._root)
                self._tell_all(self._client)
            except WorkbenchError as error:
                self._tell({"type": "gone", "error": str(error)})
            except Exception as error:  # noqa: BLE001 - the view must hear that nothing follows; the log has the cause
                _log.exception("a view of %s cannot go on", self._name)
                self._tell({"type": "gone", "error": f"{type(error).__name__}: {error}"})
            finally:
                self._begun.set()

    def _tell_all(self, client: MLClient) -> None:
        context = client.context
        lifeline = Lifeline(context)
        with open_watch(context) as watch, self._ringing(watch):
            facts = JobFacts(context.store, context.workspace, self._name)
            state = {"type": "state", "header": facts.header(), "trials": facts.rows()}
            self._asked = Asked(
                client, facts, self._lock, MachineWatch(context.workspace), self._home or default_workspace()
            )
            self._begun.set()
            self._tell(state)
            while not self._closed.is_set():
                rang = watch.wait(_LOOK)
                if self._closed.is_set():
                    break
                if not rang and not facts.record.status.is_finished:
                    lifeline.check()
                self._tell_change(facts)
                self._closed.wait(_CALM)

    @contextmanager
    def _ringing(self, watch: Watch) -> Iterator[None]:
        """Let the end be heard at once."""
        with self._guard:
            self._watch = watch
        try:
            yield
        finally:
            with self._guard:
                self._watch = None

    def _tell_change(self, facts: JobFacts) -> None:
        with self._lock:
            change = facts.refresh()
            if change is None:
                return
            message = {
                "type": "delta",
                "header": facts.header(),
                "trials": facts.rows(change.trials),
                "points": change.points,
            }
        self._tell(message)

    # Answers

    def _answer(self, message: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"type": "reply", "id": message.pop("id", None)}
        with self._working():
            try:
                verb = VERBS[message.pop("verb")]
                self._tell({**reply, "ok": True, "value": verb(self._wait_for_facts(), **message)})
            except WorkbenchError as error:
                self._tell({**reply, "ok": False, "error": str(error)})
            except Exception as error:  # noqa: BLE001
                # Whatever went wrong: the view waits for an answer, and the log is where the cause belongs.
                _log.exception("a view of %s asked for what failed", self._name)
                self._tell({**reply, "ok": False, "error": f"{type(error).__name__}: {error}"})

    def _wait_for_facts(self) -> Asked:
        self._begun.wait(_PATIENCE)
        if self._asked is None:
            raise WorkbenchError("the workspace or the job is not there", self._root)
        return self._asked

    def _tell(self, message: dict[str, Any]) -> None:
        if self._closed.is_set():
            return
        try:
            self._send(message)
        except OSError:
            self.close()
