"""The executed notebook on its way to disk: whole at any moment, and not more often than it is worth."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from papermill.engines import NotebookExecutionManager
from papermill.iorw import LocalHandler, papermill_io

__all__ = ["Manager", "whole_or_nothing"]

_EVERY = 0.5  # seconds between two saves while a cell prints
_SHARE = 20  # a save is not begun before this many times what the last one took


class _Renaming(LocalHandler):  # type: ignore[misc]  # papermill has no types
    """papermill's handler of local files, but that a reader sees the old file or the whole new one."""

    def __init__(self) -> None:
        super().__init__()
        self._written = ""

    def write(self, buf: str, path: str) -> None:
        target = Path(self._cwd or "", path)
        if buf == self._written and target.exists():
            return  # papermill saves once more what the engine has saved last
        if not target.parent.is_dir():
            raise FileNotFoundError(f"output folder {target.parent} doesn't exist.")
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            aside.write_text(buf, encoding="utf-8")
            aside.replace(target)
            self._written = buf
        except OSError:
            aside.unlink(missing_ok=True)
            raise


_registered: set[str] = set()


def whole_or_nothing(path: str) -> None:
    """Make papermill write the local file ``path`` by rename from now on, also after an engine has returned."""
    handler = papermill_io.get_handler(path)
    if type(handler) is LocalHandler and path not in _registered:
        renaming = _Renaming()
        renaming.cwd(str(Path.cwd()) if handler._cwd is None else handler._cwd)
        papermill_io.register(path, renaming)
        _registered.add(path)


class Manager(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """papermill's account of an execution, which saves less often and reports where it is.

    Args:
        nb: the notebook.
        on_cell: called with each cell that is about to run.
        options: papermill's: output_path, log_output, progress_bar, autosave_cell_every.
    """

    def __init__(self, nb: Any, *, on_cell: Callable[[Any], None], **options: Any) -> None:
        super().__init__(nb, **options)
        self._on_cell = on_cell
        self._timer: asyncio.TimerHandle | None = None
        self._saved = 0.0
        self._took = 0.0
        self.before_save: Callable[[], None] = lambda: None
        if self.output_path:
            whole_or_nothing(self.output_path)

    def save(self, **kwargs: Any) -> None:
        """Save now if the last time is long enough ago; else soon, from the event loop that runs the kernel."""
        now = time.monotonic()
        due = self._saved + _SHARE * self._took
        if now >= due:
            self.save_now(**kwargs)
        else:
            self._save_at(due - now)

    def save_now(self, **kwargs: Any) -> None:
        """Save whatever the time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.before_save()
        started = time.monotonic()
        super().save(**kwargs)
        self._saved = time.monotonic()
        self._took = self._saved - started

    def autosave_cell(self, **_: Any) -> None:
        """Save a little after something has come from the running cell."""
        wait = max(_EVERY, _SHARE * self._took) - (time.monotonic() - self._saved)
        self._save_at(max(0.0, wait))

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Note that a cell begins."""
        super().cell_start(cell, cell_index, **kwargs)
        self._on_cell(cell)

    def notebook_complete(self, **kwargs: Any) -> None:
        """Note the end, and save all of it."""
        self._saved = math.inf  # what it saves by itself is too early
        super().notebook_complete(**kwargs)
        self.save_now()

    def _save_at(self, wait: float) -> None:
        if self._timer is None:
            with suppress(RuntimeError):  # between cells no loop runs; the next cell's start or end saves
                self._timer = asyncio.get_running_loop().call_later(wait, self._save_from_timer)

    def _save_from_timer(self) -> None:
        self._timer = None
        self.save_now()
