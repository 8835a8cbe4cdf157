"""The handlers: each needs a signed-in user, and none blocks the event loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, authenticated
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workbench.errors import NotFoundError
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.views.facts import JobFacts
from workbench.views.session import ViewSession

__all__ = ["JobHandler", "PlotlyHandler", "ViewHandler", "allowed_workspace"]


class JobHandler(JupyterHandler):
    """What stands at the head of a view; also whether there is such a job."""

    def initialize(self, root: Path) -> None:
        """Take the folder that the server serves."""
        self._root = root

    @authenticated
    async def get(self) -> None:
        """Answer with the head of the job ``name`` in ``workspace``.

        Raises:
            HTTPError: the workspace is outside of what the server serves, or there is no such job.
        """
        workspace = allowed_workspace(self._root, self.get_argument("workspace"))
        try:
            header = await asyncio.to_thread(_header, workspace, self.get_argument("name"))
        except NotFoundError as error:
            raise HTTPError(404, str(error)) from error
        self.finish(header)


class ViewHandler(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """A view of one job: messages of :class:`ViewSession` over a WebSocket."""

    def initialize(self, root: Path) -> None:
        """Take the folder that the server serves."""
        self._root = root
        self._session: ViewSession | None = None

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the connection.

        Raises:
            HTTPError: the workspace is outside of what the server serves, or none at all.
        """
        self._workspace = allowed_workspace(self._root, self.get_argument("workspace"))
        self._name = self.get_argument("name")
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to send."""
        super().open(*args, **kwargs)
        loop = IOLoop.current()

        def send(message: dict[str, Any]) -> None:
            loop.add_callback(self._write, json.dumps(message))

        self._session = ViewSession(str(self._workspace), self._name, send)
        self._session.start()

    def on_message(self, message: str | bytes) -> None:
        """Hand on what the view asks."""
        if self._session is not None:
            self._session.handle(json.loads(message))

    def on_close(self) -> None:
        """End the session, without waiting for its threads here."""
        super().on_close()
        if self._session is not None:
            session, self._session = self._session, None
            asyncio.get_running_loop().run_in_executor(None, session.close)

    async def _write(self, text: str) -> None:
        try:
            await self.write_message(text)
        except WebSocketClosedError:
            return  # the view has just gone; on_close ends the session


class PlotlyHandler(JupyterHandler):
    """The plotly that the figures are made for: the very file of the Python package."""

    @authenticated
    async def get(self) -> None:
        """Send it."""
        text = await asyncio.to_thread(_plotly)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(text)


def allowed_workspace(root: Path, workspace: str) -> Path:
    """Return the folder of a workspace that may be shown.

    Args:
        root: the folder that the server serves.
        workspace: the path asked for.

    Raises:
        HTTPError: it is outside of ``root``, or no workspace.
    """
    path = Path(workspace).resolve()
    if not path.is_relative_to(root):
        raise HTTPError(403, "the workspace is outside of what this server serves")
    if not WorkspaceFolder(path).database.is_file():
        raise HTTPError(404, "there is no workspace")
    return path


def _header(workspace: Path, name: str) -> dict[str, Any]:
    folder = WorkspaceFolder(workspace)
    with closing(Store(folder.database)) as store:
        return JobFacts(store, folder, name).header()


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - heavy

    return str(get_plotlyjs())
