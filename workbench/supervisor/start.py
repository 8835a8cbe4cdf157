"""Waking the supervisor of a workspace, and starting it when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from workbench.errors import StoreError, SupervisorError
from workbench.store.files import WorkspaceFolder
from workbench.trial.leases import FOLDER_VARIABLE as LEASES_VARIABLE
from workbench.trial.report import poke

__all__ = ["CANNOT_GO_ON", "end_of_log", "ensure_supervisor"]

CANNOT_GO_ON = "the supervisor cannot go on"
"""What one that fails by itself, and is not killed, says last in its log."""

_LOG_LINES = 10


def ensure_supervisor(workspace: WorkspaceFolder) -> bool:
    """Tell the supervisor of ``workspace`` to look again, after starting it if nobody listens.

    Call it after the job or request has been written: whoever comes up reads the store first.

    Returns:
        Whether one had to be started.

    Raises:
        SupervisorError: it could not be started; the end of its log is in the message.
        StoreError: the workspace is gone.
    """
    if poke(workspace.wake):
        return False
    if not workspace.database.exists():
        raise StoreError("the workspace is gone", str(workspace.root), "Its folder .workbench/ was moved or deleted")
    # The first process only detaches the real one and ends, so that no caller is left with a zombie child.
    launched = subprocess.run(
        [sys.executable, "-m", "workbench.supervisor", str(workspace.root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        env=_environment(),
        check=False,
    )
    if launched.returncode != 0:
        raise SupervisorError(
            f"the process that runs trials did not start: {launched.stderr.decode(errors='replace').strip()}",
            where=str(workspace.supervisor_log),
            fix=f"The end of its log:\n{end_of_log(workspace)}",
        )
    return True


def _environment() -> dict[str, str]:
    """Return the least the supervisor needs: what a trial sees comes from its job, not from whoever was first."""
    package = str(Path(__file__).resolve().parents[2])
    kept = {name: os.environ[name] for name in (LEASES_VARIABLE,) if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": package, "LANG": "C.UTF-8", **kept}


def end_of_log(workspace: WorkspaceFolder) -> str:
    """Return the last lines that the supervisor has logged."""
    try:
        return "\n".join(workspace.supervisor_log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    except FileNotFoundError:
        return "(it has none)"
