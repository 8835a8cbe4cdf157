"""Waiting for changes of the store without looking again and again."""

from __future__ import annotations

import os
import select
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Self

from workbench.store.files import WorkspaceFolder

__all__ = ["Watch"]


class Watch:
    """A reader's doorbell: the supervisor rings it after each change that it writes.

    Use as a context manager; make it before the first look, so that no change falls between look and wait.

    Args:
        workspace: whose store is watched.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        self._path = workspace.watchers / f"{os.getpid()}-{uuid.uuid4().hex}"
        os.mkfifo(self._path, 0o600)
        # Open for writing too: with no writer at all a FIFO is readable for ever.
        self._bell = os.open(self._path, os.O_RDWR | os.O_NONBLOCK)
        self._poll = select.poll()  # unlike select, it takes descriptors above 1023, which a busy server has
        self._poll.register(self._bell, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable at a change, for event loops."""
        return self._bell

    def wait(self, seconds: float) -> bool:
        """Return True as soon as something has changed since the last call, or False after ``seconds``."""
        if not self._poll.poll(max(0.0, seconds) * 1000):
            return False
        with suppress(BlockingIOError):
            while os.read(self._bell, 4096):
                pass
        return True

    def ring(self) -> None:
        """Have :meth:`wait` return, from another thread."""
        with suppress(BlockingIOError):  # full of rings that nobody has heard yet
            os.write(self._bell, b"\0")

    def close(self) -> None:
        """Stop watching."""
        os.close(self._bell)
        self._path.unlink(missing_ok=True)
