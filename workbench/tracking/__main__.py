"""The process that brings the store to MLflow: ``python -m workbench.tracking <workspace root>``.

Started by the supervisor with a pipe as standard input: a byte means "look again", the end means that the supervisor
is gone. It leaves by itself when nothing happens for a minute, because MLflow is large.
"""

from __future__ import annotations

import os
import select
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from workbench.errors import WorkbenchError
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.tracking.mirror import CURSOR, Mirror
from workbench.trial.report import poke

__all__ = ["main"]

_PATIENCE: Final = 60.0  # seconds without a byte until it leaves
_GATHERING: Final = 0.2  # seconds of changes that go to MLflow together
_RETRY: Final = 5.0  # seconds after a failure, doubled up to _PATIENCE


def main(root: Path, patience: float = _PATIENCE) -> None:
    """Mirror the workspace at ``root`` until standard input ends or is silent for ``patience`` seconds.

    Raises:
        StoreError: the store cannot be opened.
    """
    workspace = WorkspaceFolder(root)
    store = Store(workspace.database)
    mirror, bell = Mirror(workspace, store), _Bell(sys.stdin.fileno())
    failures = 0
    while bell.open:
        failures = 0 if _catch_up(mirror, store, workspace) else failures + 1
        wait = min(_RETRY * 2 ** (failures - 1), patience) if failures else patience
        if not bell.rings_within(wait) and not failures:
            bell.close()  # from now on the supervisor sees that nobody listens, and the last round sees its last byte
    _catch_up(mirror, store, workspace)
    store.close()


class _Bell:
    """The pipe from the supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.open = True

    def rings_within(self, seconds: float) -> bool:
        """Return whether a byte came, or the end; bytes that follow soon are taken together."""
        if not self._read_within(seconds):
            return False
        until = time.monotonic() + _GATHERING
        while self.open and (left := until - time.monotonic()) > 0:
            self._read_within(left)
        return True

    def close(self) -> None:
        """Listen no more."""
        os.close(self._descriptor)
        self.open = False

    def _read_within(self, seconds: float) -> bool:
        if not select.select([self._descriptor], [], [], seconds)[0]:
            return False
        self.open = bool(os.read(self._descriptor, 65536))
        return True


def _catch_up(mirror: Mirror, store: Store, workspace: WorkspaceFolder) -> bool:
    """Return whether all went well; what went wrong is told on standard error, and tried again later."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second, and the first round needs it anyway
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        before = store.cursor(CURSOR)
        reached = mirror.catch_up()
    except (MlflowException, SQLAlchemyError, WorkbenchError, OSError):
        traceback.print_exc()
        return False
    if reached != before:
        poke(workspace.wake)
    return True


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main(Path(sys.argv[1]).absolute())
