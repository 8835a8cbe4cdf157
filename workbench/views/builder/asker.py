"""Asking the page for a cell: what a kernel cannot do, the front end can."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget

__all__ = ["CellAsker"]


class CellAsker(anywidget.AnyWidget):
    """A widget that is not seen, and whose other half has the page put a cell below the one it is in.

    JupyterLab's extension does so. Elsewhere nobody does, and that is what the answer says.
    """

    _esm = Path(__file__).parent.parent / "static" / "asker.js"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, Callable[[bool], None]] = {}
        self.on_msg(self._take)

    def ask(self, source: str, answered: Callable[[bool], None]) -> None:
        """Ask for a cell.

        Args:
            source: what it holds.
            answered: is told whether it was inserted; never called where the widget is not shown.
        """
        wish = uuid.uuid4().hex
        self._waiting[wish] = answered
        self.send({"id": wish, "source": source, "run": False})

    def _take(self, _widget: Any, answer: Mapping[str, Any], _buffers: Any) -> None:
        answered = self._waiting.pop(str(answer["id"]), None)
        if answered is not None:
            answered(bool(answer["inserted"]))
