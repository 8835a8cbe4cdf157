"""One view of one job: tells it what has changed, and does what it asks. Knows nothing of how messages travel."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.client.waiting import Lifeline, open_watch
from workbench.errors import WorkbenchError
from workbench.store.settings import read_settings
from workbench.trial.devices import Devices, NvmlDevices, devices_from
from workbench.views.facts import JobFacts
from workbench.views.verbs import VERBS, Asked

__all__ = ["Message", "ViewSession"]

Message = Mapping[str, Any]

_LOOK = 1.0  # seconds between looks when nothing rings: a clock runs, and the supervisor may have to be revived
_ANSWERERS = 4  # threads, made when they are needed
_CALM = 0.12  # seconds between two messages

_log = logging.getLogger(__name__)


class ViewSession:
    """The Python half of a view.

    One thread follows the store, others answer, so that a slow answer keeps back neither news nor a wish to stop. None
    of them needs the thread that runs cells.

    Args:
        root: folder of the workspace.
        name: the job.
        send: takes each message, from any thread; may raise OSError once nobody is there.
        connect: opens the workspace.
    """

    def __init__(
        self,
        root: str,
        name: str,
        send: Callable[[dict[str, Any]], None],
        connect: Callable[[str], MLClient] = lambda root: MLClient(path=root),
    ) -> None:
        self._root, self._name, self._send, self._connect = root, name, send, connect
        self._closed = threading.Event()
        self._lock = threading.Lock()  # facts are refreshed and read by two threads
        self._client: MLClient | None = None
        self._facts: JobFacts | None = None
        self._devices: Devices | None = None
        self._answering = ThreadPoolExecutor(_ANSWERERS, thread_name_prefix=f"workbench-answers-{name}")
        self._following = threading.Thread(target=self._follow, name=f"workbench-follows-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send: ``state`` first, then ``delta`` after each change."""
        self._following.start()

    def handle(self, message: Message) -> None:
        """Take a request of the view: ``{"id", "verb", …}``; a ``reply`` with the same id follows."""
        if not self._closed.is_set():
            self._answering.submit(self._answer, dict(message))

    def close(self) -> None:
        """Stop; nothing is sent afterwards, and no thread is left."""
        self._closed.set()
        self._answering.shutdown(wait=threading.current_thread() not in self._answering._threads, cancel_futures=True)
        if self._following.is_alive() and threading.current_thread() is not self._following:
            self._following.join()

    def _follow(self) -> None:
        try:
            client = self._client = self._connect(self._root)
            lifeline = Lifeline(client.context)
            with open_watch(client.context) as watch:
                with self._lock:
                    facts = self._facts = JobFacts(client.context.store, client.context.workspace, self._name)
                self._tell({"type": "state", "header": facts.header(), "trials": facts.rows()})
                while not self._closed.is_set():
                    rang = watch.wait(_LOOK)
                    if self._closed.is_set():
                        break
                    if not rang and not facts.record.status.is_finished:
                        lifeline.check()
                    self._tell_change(facts)
                    self._closed.wait(_CALM)
        except WorkbenchError as error:
            self._tell({"type": "gone", "error": str(error)})
        finally:
            if self._client is not None and self._closed.is_set():
                self._client.context.store.close()

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

    def _answer(self, message: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"type": "reply", "id": message.pop("id", None)}
        try:
            verb = VERBS[message.pop("verb")]
            self._tell({**reply, "ok": True, "value": verb(self._asked(), **message)})
        except WorkbenchError as error:
            self._tell({**reply, "ok": False, "error": str(error)})
        except Exception as error:  # noqa: BLE001
            # Whatever went wrong: the view waits for an answer, and the log is where the cause belongs.
            _log.exception("a view of %s asked for what failed", self._name)
            self._tell({**reply, "ok": False, "error": f"{type(error).__name__}: {error}"})

    def _asked(self) -> Asked:
        deadline = time.monotonic() + 30
        while self._facts is None and time.monotonic() < deadline and not self._closed.wait(0.02):
            pass
        if self._facts is None or self._client is None:
            raise WorkbenchError("the workspace is not there", self._root)
        return Asked(self._client, self._facts, self._lock, self._ask_devices)

    def _ask_devices(self) -> Devices:
        """Return who answers about GPUs: one for the session, for the driver takes its time to open."""
        if self._devices is None and self._client is not None:
            self._devices = devices_from(read_settings(self._client.context.workspace).devices)
        return self._devices or NvmlDevices()

    def _tell(self, message: dict[str, Any]) -> None:
        if self._closed.is_set():
            return
        try:
            self._send(message)
        except OSError:
            self._closed.set()
