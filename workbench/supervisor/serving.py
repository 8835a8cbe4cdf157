"""The process that serves MLflow to trials in containers and in other environments, as the supervisor sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from workbench.store.files import WorkspaceFolder, read_json, write_json
from workbench.supervisor.ports import is_free, lasting_port

__all__ = ["ServedMlflow"]

_LINGER = 10.0  # seconds for which it stays behind the last trial that needed it
_RETRY = 5.0  # seconds after which one that has ended is started again


class ServedMlflow:
    """There while trials need it, at a port that stays the same: trials outlive supervisors.

    Args:
        workspace: whose MLflow is served.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._workspace = workspace
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving: subprocess.Popen[bytes] | None = None
        self._engine = ""
        self._needed = 0.0
        self._started = 0.0

    @property
    def port(self) -> int:
        """The port at which it listens, or will; chosen anew when another took it while no trial needed it."""
        known = self._known
        if known is not None and (self._process is not None or self._leaving is not None or is_free(known)):
            return known
        port = lasting_port()
        write_json(self._workspace.served, {"port": port})
        return port

    @property
    def _known(self) -> int | None:
        """The port that trials were told, if any were."""
        known = read_json(self._workspace.served)
        return int(known["port"]) if isinstance(known, dict) and isinstance(known.get("port"), int) else None

    def keep(self, engines: set[str]) -> None:
        """See that it is there for trials of these engines, or that it is gone when there are no such trials.

        Args:
            engines: addresses of container engines; an empty text stands for trials without a container.
        """
        now = time.monotonic()
        if self._leaving is not None and self._leaving.poll() is not None:
            self._leaving = None
        if engines:
            self._needed = now
        else:
            if now - self._needed > _LINGER:
                self.close()
            return
        if self._leaving is not None:
            return  # it still has the port
        engine = max(engines)
        runs = self._process is not None and self._process.poll() is None
        if runs and (engine == self._engine or not engine):
            return
        if not runs and self._process is not None and now - self._started < _RETRY:
            return
        if runs:
            self.close()
            return  # the next look starts it anew, for both
        self._engine, self._started = engine, now
        self._process = self._start(engine)

    def close(self) -> None:
        """Let it go."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._leaving, self._process = self._process, None

    def _start(self, engine: str) -> subprocess.Popen[bytes]:
        port = self._known or self.port
        log = os.open(self._workspace.served_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "workbench.tracking.served", str(self._workspace.root), str(port), engine],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
        finally:
            os.close(log)
