"""Processes that run a trial's code, forked from one that has imported MLflow: importing it takes seconds."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

__all__ = ["Forked", "fork"]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["mlflow", "mlflow.pyfunc", "mlflow.sklearn", "sklearn.linear_model", "workbench.tracking.trial_store"]
)


@dataclass
class Forked:
    process: BaseProcess
    out: Path
    err: Path

    def running(self) -> bool:
        return self.process.is_alive()

    def finish(self) -> str:
        """Wait for the end and return what was printed."""
        self.process.join(500)
        assert self.process.exitcode == 0, self.err.read_text() if self.err.exists() else "it has not even begun"
        return self.out.read_text()


def fork(code: str, environment: Mapping[str, str], folder: Path) -> Forked:
    """Run ``code`` in ``folder`` with exactly these variables."""
    out, err = folder / "stdout", folder / "stderr"
    process = _context.Process(target=_run, args=(code, dict(environment), folder, out, err))
    process.start()
    return Forked(process, out, err)


def _run(code: str, environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), stream.fileno())
    failed = False
    try:
        exec(compile(code, "script", "exec"), {"__name__": "__main__"})
    except (Exception, SystemExit):  # noqa: BLE001
        traceback.print_exc()
        failed = True
    atexit._run_exitfuncs()  # multiprocessing leaves without them, and MLflow ends its runs there
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(failed))
