"""The process beside the server: reused, gone when it is idle, and gone with who started it, whatever ends that."""

from __future__ import annotations

import operator
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.client.references import split_reference
from workbench.errors import ValidationException, WorkbenchError
from workbench.server.worker import Worker, WorkerError, _Process

_LONG = 600.0  # seconds; of no test here


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(_LONG)
    yield worker
    worker.close()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO: to read it takes until somebody has written."""
    os.mkfifo(gate := tmp_path / "gate")
    return gate


def is_gone(pid: int) -> bool:
    """Wait for a process to end, for long enough."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 60)[0])
    finally:
        os.close(process)


def test_calls_go_to_one_process_that_is_not_this_one(worker: Worker) -> None:
    before = worker.pid
    first = worker.call(os.getpid)
    assert (before, first != os.getpid()) == (None, True)
    assert worker.call(os.getpid) == worker.pid == first
    assert worker.call(sorted, [2, 3, 1], reverse=True) == [3, 2, 1]


def test_calls_go_on_side_by_side(worker: Worker, gate: Path) -> None:
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(worker.call, Path.read_text, gate)
        with gate.open("w") as file:  # somebody reads it over there
            assert worker.call(os.getpid) == worker.pid
            assert not slow.done()
            file.write("opened")
        assert slow.result() == "opened"


def test_errors_of_our_own_cross_as_they_are_and_others_are_told(
    worker: Worker, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValidationException) as ours:
        worker.call(split_reference, "data@newest")
    assert (ours.value.what, ours.value.where) == ("the label 'newest' is unknown", "data@newest")
    assert ours.value.fix == "Write name@latest or name:version"
    before = worker.pid
    with pytest.raises(WorkbenchError, match="ZeroDivisionError: division by zero"):
        worker.call(operator.truediv, 1, 0)
    with pytest.raises(WorkbenchError, match="cannot pickle"):
        worker.call(threading.Lock)
    assert worker.call(os.getpid) == before
    assert "Traceback" in capfd.readouterr().err


def test_one_that_is_killed_is_an_error_and_the_next_call_starts_another(worker: Worker, gate: Path) -> None:
    first = worker.call(os.getpid)
    with ThreadPoolExecutor() as threads:
        lost = threads.submit(worker.call, Path.read_text, gate)
        with gate.open("w"):
            os.kill(first, signal.SIGKILL)
            with pytest.raises(WorkerError, match=r"was killed by SIGKILL before it answered\. Try again"):
                lost.result()
    assert worker.call(os.getpid) != first
    with pytest.raises(WorkerError, match="ended with exit code 3"):
        worker.call(os._exit, 3)
    assert worker.call(os.getpid) == worker.pid


def test_one_that_is_idle_ends_and_one_that_works_does_not() -> None:
    worker = Worker(0.1)
    worker.call(time.sleep, 0.5)
    first = worker.pid or worker.call(os.getpid)
    assert is_gone(first)
    assert worker.call(os.getpid) != first
    worker.close()


def test_one_that_has_not_got_its_first_call_yet_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    start, leave, idle = Worker._start, _Process._leave, threading.Event()

    def slowly(worker: Worker) -> _Process:
        process = start(worker)
        assert idle.wait(60)
        return process

    def leave_and_tell(process: _Process) -> bool:
        try:
            return leave(process)
        finally:
            idle.set()

    monkeypatch.setattr(Worker, "_start", slowly)
    monkeypatch.setattr(_Process, "_leave", leave_and_tell)
    worker = Worker(0.1)
    try:
        assert worker.call(operator.add, 1, 2) == 3
    finally:
        worker.close()


def test_closing_waits_for_nothing_and_is_for_good(worker: Worker, gate: Path) -> None:
    first = worker.call(os.getpid)
    with ThreadPoolExecutor() as threads:
        lost = threads.submit(worker.call, Path.read_text, gate)
        with gate.open("w"):
            worker.close()
            assert is_gone(first)
            with pytest.raises(WorkerError, match="SIGKILL"):
                lost.result()
    with pytest.raises(WorkerError, match="the server is ending"):
        worker.call(os.getpid)


def test_one_that_cannot_start_is_told(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(WorkerError, match=r"cannot be started: .*/nowhere/python"):
        worker.call(os.getpid)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkerError, match="ended"):  # before it was asked, or before it answered
        worker.call(os.getpid)
    monkeypatch.undo()
    assert worker.call(os.getpid) == worker.pid


def test_nothing_is_left_when_who_started_it_is_killed(gate: Path) -> None:
    code = f"""
import os, threading
from pathlib import Path
from workbench.server.worker import Worker
worker = Worker({_LONG})
print(worker.call(os.getpid), flush=True)
worker.call(Path.read_text, Path({str(gate)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        with gate.open("w"):  # it works
            starter.kill()
            assert is_gone(pid)
