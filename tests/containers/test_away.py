"""An engine whose connections break, that answers nonsense or not at all, while a container of it runs on."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.containers.conftest import containers_of
from tests.containers.test_adoption import Waiting, job
from tests.supervisor.gates import until
from workbench import MLClient
from workbench.definition.command import Command
from workbench.environments.engine import address
from workbench.trial.leases import Resource, free_units
from workbench.trial.leases import folder as lease_folder

__all__ = ["job"]

_CORES = Resource("cores", (os.cpu_count() or 1) * 100)
_WAITS = "waiting: the container engine does not answer, and is asked again: "
_SICK = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Proxy:
    """Stands between a workspace and the engine.

    Args:
        path: of its socket.
        engine: of the engine's.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self.place = f"unix://{path}"
        self._engine = engine
        self._answer: bytes | None = None
        self._open: list[socket.socket] = []
        self._sockets: list[socket.socket] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(50)
        threading.Thread(target=self._serve, daemon=True).start()

    def break_off(self, answer: bytes) -> None:
        """Cut every connection, and give each new one this answer and no other."""
        self._answer = answer
        opened, self._open = self._open, []
        for one in opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Let the engine answer again."""
        self._answer = None

    def close(self) -> None:
        """Let nobody in any more."""
        self._listening.close()
        for one in self._sockets:
            one.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                theirs, _ = self._listening.accept()
                if self._answer is not None:
                    threading.Thread(target=self._turn_away, args=(theirs, self._answer), daemon=True).start()
                    continue
                ours = socket.socket(socket.AF_UNIX)
                ours.connect(self._engine)
                self._open += [theirs, ours]
                self._sockets += [theirs, ours]
                for source, target in ((theirs, ours), (ours, theirs)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _turn_away(theirs: socket.socket, answer: bytes) -> None:
        with suppress(OSError), theirs:
            if answer:
                theirs.recv(1 << 16)
                theirs.sendall(answer)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    assert base_image
    proxy = Proxy(tmp_path / "proxy.sock", address().removeprefix("unix://"))
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", proxy.place)
        yield proxy
    proxy.close()


@pytest.fixture
def waiting(
    shared_client: MLClient, job: Command, tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Waiting]:
    before = address()
    one = Waiting(shared_client, job, tmp_path / "data")
    assert before == proxy.place
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{proxy._engine}")  # the test itself asks the engine directly
        yield one
    proxy.come_back()
    if not shared_client.jobs.record(one.name).status.is_finished:
        shared_client.jobs.begin_cancel(one.name).result()


def reason(waiting: Waiting) -> str:
    return waiting.client.jobs.record(waiting.name).reason or ""


@pytest.mark.parametrize("answer", [_SICK, b""], ids=["answers nonsense", "answers nothing"])
def test_what_runs_is_not_taken_for_ended(waiting: Waiting, proxy: Proxy, answer: bytes) -> None:
    for _ in range(2):
        proxy.break_off(answer)
        until(waiting.client, lambda: reason(waiting).startswith(_WAITS), waiting.tell)
        proxy.come_back()
        until(waiting.client, lambda: not reason(waiting), waiting.tell)
    (running,) = containers_of(waiting.client, job=waiting.name)
    assert running["State"] == "running"
    waiting.let_through(4)
    assert waiting.wait() == "exit code 4: two"
    waiting.has_run_once()


def test_a_cancellation_waits_until_the_engine_says_that_it_is_done(waiting: Waiting, proxy: Proxy) -> None:
    host = waiting.host
    proxy.break_off(b"")
    canceling = waiting.client.jobs.begin_cancel(waiting.name)
    until(waiting.client, lambda: _WAITS in reason(waiting), waiting.tell)
    os.kill(host.pid, signal.SIGKILL)
    until(waiting.client, lambda: waiting.host != host, waiting.tell)
    record = waiting.client.jobs.record(waiting.name)
    assert record.status == "CancelRequested"
    assert _WAITS in (record.reason or "")
    assert free_units(_CORES, lease_folder()) == _CORES.units - 50, "what it had leased is in use"
    (running,) = containers_of(waiting.client, job=waiting.name)
    assert running["State"] == "running"
    proxy.come_back()
    canceling.result()
    assert waiting.client.jobs.record(waiting.name).status == "Canceled"
    assert "waiting" not in reason(waiting)
    assert containers_of(waiting.client, job=waiting.name) == []
