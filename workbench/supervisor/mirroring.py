"""The process that brings the store to MLflow, as the supervisor sees it.

A process of its own, because importing MLflow costs a second and 200 MB that the supervisor shall not carry.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from workbench.store.files import WorkspaceFolder

__all__ = ["MirrorProcess"]

_RETRY = 30.0  # seconds after which one that failed is tried again
_MOST_KILLED = 3  # so many in a row that were killed within that time have failed too: there may be no memory for it


class MirrorProcess:
    """Started when there is something to bring, gone by itself when there is nothing for a while.

    Args:
        workspace: whose store is mirrored.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._killed: list[float] = []

    def poke(self) -> None:
        """Tell it that the store has changed; starts it if it is not there."""
        if self._process is not None and self._process.poll() is None and self._write():
            return
        now = time.monotonic()
        if self.failed and now - self._started < _RETRY:
            return
        self.close()
        if self._was_killed:
            self._killed = [at for at in self._killed if now - at < _RETRY] + [now]
        self._started = now
        self._process = self._start()
        self._write()

    @property
    def failed(self) -> bool:
        """Whether the last one ended with an error; being killed is none, unless it happens again and again."""
        if self._was_killed:
            return len(self._killed) >= _MOST_KILLED
        return self._process is not None and self._process.poll() not in (None, 0)

    @property
    def _was_killed(self) -> bool:
        return self._process is not None and (self._process.poll() or 0) < 0

    def close(self) -> None:
        """Let it finish what there is and go; does not wait."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _write(self) -> bool:
        stdin = self._process.stdin if self._process else None
        if stdin is None:
            return False
        try:
            stdin.write(b"!")
        except BlockingIOError:
            return True  # full of bytes that say the same
        except (BrokenPipeError, ValueError):
            return False
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        log = os.open(self._workspace.mirror_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench.tracking", str(self._workspace.root)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
        finally:
            os.close(log)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
        return process
