"""A process beside the server for what loads MLflow or Optuna: in the server they would stay, and hold its event loop.

No pool of processes does this: those of the standard library and of loky work at one call at a time in each process,
have their work finished before Python ends, and live on when who made them is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from multiprocessing import Pipe
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from workbench.errors import WorkbenchError

__all__ = ["Worker", "WorkerError"]

_NAME = "the process that works with MLflow and Optuna"
_END = 2.0  # seconds that it may take to end by itself
_PACKAGE = str(Path(__file__).resolve().parents[2])

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class WorkerError(WorkbenchError):
    """The worker process has ended before it answered, or could not be started."""


class Worker:
    """Calls functions in a process that is started when it is needed, and ends when it is not for a while.

    Its end, and that of the server however it comes about, is the end of the connection between them.

    Args:
        idle: seconds without a call after which the process ends.
    """

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process that is there, if one is."""
        process = self._process
        return None if process is None or process.is_over else process.pid

    def call(
        self, function: Callable[_Arguments, _Answer], /, *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Answer:
        """Call a function of a module over there; as many calls go on at once as there are threads that make them.

        Raises:
            WorkerError: the process could not be started, or has ended before it answered.
            WorkbenchError: the function has raised it, or has failed.
        """
        ok, answer = pickle.loads(self._send(pickle.dumps((function, args, kwargs))).result())  # noqa: S301 - our own
        if not ok:
            raise cast(WorkbenchError, answer)
        return cast(_Answer, answer)

    def close(self) -> None:
        """End the process, whatever it does, and start none any more; does not wait."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def _send(self, work: bytes) -> Future[bytes]:
        with self._lock:
            sent = None if self._process is None else self._process.send(work)
            if sent is None:
                self._process = self._start()
                sent = self._process.send(work)
                if self._closed:
                    self._process.kill()  # the server began to end while it was started
        if sent is None:
            raise WorkerError(f"{_NAME} ended as soon as it was started", fix="The server's log may say why")
        return sent

    def _start(self) -> _Process:
        if self._closed:
            raise WorkerError("the server is ending")
        try:
            return _Process(self._idle)
        except OSError as error:
            raise WorkerError(f"{_NAME} cannot be started: {error}") from error


class _Process:
    """One worker process, from its start to its end.

    Args:
        idle: seconds without a call after which it ends.
    """

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._lock = threading.Lock()
        self._numbers = count()
        self._waiting: dict[int, Future[bytes]] = {}
        self._was_asked = False
        self.is_over = False
        self._connection, theirs = Pipe()
        paths = [_PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "workbench.server.worker_main", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,  # Ctrl-C in the server's terminal is a question to the server alone
            )
        self.pid = self._popen.pid
        threading.Thread(target=self._read, name="workbench-worker", daemon=True).start()

    def send(self, work: bytes) -> Future[bytes] | None:
        """Return what will be the answer; None when the process has ended and has not got the work."""
        with self._lock:
            if self.is_over:
                return None
            self._was_asked = True
            answer: Future[bytes] = Future()
            number = next(self._numbers)
            self._waiting[number] = answer
            try:
                self._connection.send((number, work))
            except OSError:
                del self._waiting[number]
                return None
            return answer

    def kill(self) -> None:
        """End it."""
        self._popen.kill()

    def _read(self) -> None:
        try:
            while True:
                if self._connection.poll(self._idle):
                    number, answer = self._connection.recv()
                    self._waiting.pop(number).set_result(answer)
                elif self._leave():
                    break
        except (EOFError, OSError):
            pass  # it has ended
        self._end()

    def _leave(self) -> bool:
        """Take no more work, unless there is some, or what it was started for is still to come."""
        with self._lock:
            self.is_over = self._was_asked and not self._waiting
            return self.is_over

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            left, self._waiting = self._waiting, {}
        self._connection.close()
        try:
            code = self._popen.wait(_END)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        for answer in left.values():
            answer.set_exception(
                WorkerError(
                    f"{_NAME} {how} before it answered",
                    fix="Try again: another one is started. The server's log may say why it ended",
                )
            )
