"""A view as a widget, for front ends that have no Jupyter server with the workbench in it, such as VS Code."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anywidget

from workbench.views.session import ViewSession

__all__ = ["JobWidget"]

_BEAT = 5.0  # seconds between two signs of life for a view
_PATIENCE = 180.0  # seconds without one from it; browsers let hidden pages say something once a minute
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
        self._silent: dict[str, float] = {}
        self._guard = threading.Lock()
        self.on_msg(self._take)

    def close(self) -> None:
        """End all views of it."""
        with self._guard:
            views = list(self._sessions)
        self._end(views)
        super().close()

    def beat(self, seconds: float) -> bool:
        """Tell all views that the kernel is there, and end those of which nothing is heard: a page is closed silently.

        Args:
            seconds: since the last time, in which the kernel has read what views say.

        Returns:
            whether there are views.
        """
        with self._guard:
            for view in self._silent:
                self._silent[view] += seconds
            gone = [view for view, silent in self._silent.items() if silent > _PATIENCE]
        self._end(gone)
        with self._guard:
            views = list(self._sessions)
        for view in views:
            self.send({"type": "alive", "view": view})
        return bool(views)

    @property
    def has_views(self) -> bool:
        """Whether anybody looks."""
        with self._guard:
            return bool(self._sessions)

    def _open(self, view: str) -> None:
        opened = ViewSession(self._root, self._name, lambda told: self._tell(view, told))
        with self._guard:
            if view in self._sessions:  # two threads may read what a view says
                return
            self._sessions[view], self._silent[view] = opened, 0.0
        opened.start()
        _HEART.keep(self)

    def _end(self, views: Iterable[str]) -> None:
        with self._guard:
            sessions = [self._sessions.pop(view, None) for view in views]
            for view in views:
                self._silent.pop(view, None)
        for session in sessions:
            if session is not None:
                session.close()

    def _take(self, _widget: Any, message: Mapping[str, Any], _buffers: Any) -> None:
        kind, view = message["type"], str(message.get("view"))
        _HEART.cell_runs = False  # else this would wait, or cells keep nobody waiting here
        with self._guard:
            known = view in self._sessions
            if known:
                self._silent[view] = 0.0
        if kind == "asset":
            self.send({"type": "asset", "name": message["name"], "text": _asset(message["name"])})
        elif kind == "open" or (kind == "here" and not known):  # a page that has slept for long is there again
            self._open(view)
        elif kind == "ask" and (asked := self._sessions.get(view)) is not None:
            asked.handle(message["message"])
        elif kind == "close":
            self._end([view])

    def _tell(self, view: str, message: Mapping[str, Any]) -> None:
        self.send({"type": "view", "view": view, "message": message})


class _Heart:
    """One thread for all widgets that have views; it ends with the last view."""

    def __init__(self) -> None:
        self._widgets: set[JobWidget] = set()
        self._guard = threading.Lock()
        self._listens = False
        self.cell_runs = True
        """Whether a cell keeps the kernel from reading what views say; this is made while one runs, or soon told."""

    def keep(self, widget: JobWidget) -> None:
        """Beat for a widget until it has no views."""
        self._listen()
        with self._guard:
            begin = not self._widgets
            self._widgets.add(widget)
            if begin:
                threading.Thread(target=self._beat, name="workbench-widgets", daemon=True).start()

    def _beat(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(_BEAT)
            with self._guard:
                widgets = list(self._widgets)
            without = {widget for widget in widgets if not widget.beat(0.0 if self.cell_runs else _BEAT)}
            with self._guard:
                self._widgets -= {widget for widget in without if not widget.has_views}
                if not self._widgets:
                    return

    def _listen(self) -> None:
        """Hear when cells begin and end, where there are any."""
        if self._listens or "IPython" not in sys.modules:
            return
        from IPython import get_ipython  # noqa: PLC0415 - there already

        if (shell := get_ipython()) is not None:
            self._listens = True
            shell.events.register("pre_execute", lambda: self._run(True))
            shell.events.register("post_execute", lambda: self._run(False))

    def _run(self, runs: bool) -> None:
        self.cell_runs = runs


_HEART = _Heart()


def _asset(name: str) -> str:
    if name == "plotly":
        from plotly.offline import get_plotlyjs  # noqa: PLC0415 - heavy

        return str(get_plotlyjs())
    return (_STATIC / "view.js").read_text(encoding="utf-8")
