"""A view as a widget, for front ends that have no Jupyter server with the workbench in it, such as VS Code."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget

from workbench.views.session import ViewSession

__all__ = ["JobWidget"]

_STATIC = Path(__file__).parent / "static"


class JobWidget(anywidget.AnyWidget):
    """A live view of one job over the kernel's own connection.

    What is shown goes on while a cell runs, for a thread of its own sends it. What the view asks is read by the kernel
    between cells; in JupyterLab the workbench's extension asks the server instead, and waits for no cell.

    Args:
        root: folder of the workspace.
        name: the job.
    """

    _esm = _STATIC / "widget.js"

    def __init__(self, root: str, name: str) -> None:
        super().__init__()
        self._root, self._name = root, name
        self._sessions: dict[str, ViewSession] = {}
        self._guard = threading.Lock()
        self.on_msg(self._take)

    def close(self) -> None:
        """End all views of it."""
        with self._guard:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()
        super().close()

    def _take(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        kind, view = message["type"], str(message.get("view"))
        if kind == "asset":
            self.send({"type": "asset", "name": message["name"], "text": _asset(message["name"])})
        elif kind == "open":
            opened = ViewSession(self._root, self._name, lambda told: self._tell(view, told))
            with self._guard:
                self._sessions[view] = opened
            opened.start()
        elif kind == "ask" and (asked := self._sessions.get(view)) is not None:
            asked.handle(message["message"])
        elif kind == "close":
            with self._guard:
                gone = self._sessions.pop(view, None)
            if gone is not None:
                gone.close()

    def _tell(self, view: str, message: Mapping[str, Any]) -> None:
        self.send({"type": "view", "view": view, "message": message})


def _asset(name: str) -> str:
    if name == "plotly":
        from plotly.offline import get_plotlyjs  # noqa: PLC0415 - heavy

        return str(get_plotlyjs())
    return (_STATIC / "view.js").read_text(encoding="utf-8")
