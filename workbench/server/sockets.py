"""The WebSockets: what changes in a workspace, and a live view of one job."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workbench.errors import NotFoundError, WorkbenchError
from workbench.server.desk import Desk
from workbench.server.handlers import RESOURCE
from workbench.server.places import OutsideError
from workbench.server.text import as_json
from workbench.server.watcher import Listener
from workbench.views.session import ViewSession

__all__ = ["ChangesHandler", "ViewHandler"]

_MOST_WAITING = 16  # messages that a slow reader may be behind; then it gets the whole state instead


class _Socket(WebSocketMixin, WebSocketHandler, JupyterHandler):
    """What both have in common: who may open one, and sending in order, no faster than the other side reads."""

    auth_resource = RESOURCE

    def initialize(self, desk: Desk) -> None:
        """Take the desk."""
        self.desk = desk
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None

    async def admit(self, action: str) -> None:
        """Let in who is allowed to.

        Raises:
            HTTPError: the server's authorizer says no.
        """
        allowed = self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)
        if not await ensure_async(allowed):
            raise HTTPError(403, f"not allowed to {action} {RESOURCE}")

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to send."""
        super().open(*args, **kwargs)
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.create_task(self._send_all())

    def say(self, text: str) -> None:
        """Send a message; may be called from any thread."""
        with suppress(RuntimeError):  # the server's loop has ended: nobody listens any more
            self._loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str) -> None:
        self._waiting.put_nowait(text)

    def on_close(self) -> None:
        """Send no more."""
        super().on_close()
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self) -> None:
        try:
            while True:
                await self.write_message(await self._waiting.get())
        except WebSocketClosedError:
            return  # the other side has just gone


class ChangesHandler(_Socket):
    """What changes in a workspace: ``state`` first, then a ``delta`` after each change.

    The other side may send ``{"type": "expand", "parents": […]}`` to be told about the trials of these sweeps too, and
    ``{"type": "resume", "since": cursor}`` to be told what it has missed.
    """

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the connection.

        Raises:
            HTTPError: the workspace is outside of what the server serves.
        """
        await self.admit("read")
        try:
            self._place = await self.desk.run(lambda: self.desk.place(self.get_argument("workspace", None)))
        except OutsideError as error:
            raise HTTPError(403, error.what) from error
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to listen."""
        super().open(*args, **kwargs)
        self._listener = Listener(self.say)
        self._watcher = self.desk.watcher(self._place)
        self._watcher.join(self._listener)

    def on_message(self, message: str | bytes) -> None:
        """Take what the other side wants to know; what cannot be understood ends the connection."""
        try:
            asked = json.loads(message)
            if asked["type"] == "expand":
                self._watcher.expand(self._listener, [str(name) for name in asked["parents"]])
            elif asked["type"] == "resume":
                if "parents" in asked:
                    self._watcher.expand(self._listener, [str(name) for name in asked["parents"]])
                self._watcher.resume(self._listener, int(asked["since"]))
            else:
                raise ValueError(asked["type"])
        except (ValueError, KeyError, TypeError, OverflowError):
            self.close(1003, "send expand or resume")

    def on_close(self) -> None:
        """Listen no more."""
        super().on_close()
        if hasattr(self, "_listener"):
            self._watcher.leave(self._listener)

    def _put(self, text: str) -> None:
        if self._waiting.qsize() < _MOST_WAITING:
            super()._put(text)
        elif self._listener.since is None:  # it cannot keep up: what it has not read yet is dropped for the state
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._watcher.resume(self._listener, 0)


class ViewHandler(_Socket):
    """A view of one job: messages of :class:`ViewSession` over a WebSocket."""

    _session: ViewSession | None = None

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the connection.

        Raises:
            HTTPError: the workspace is outside of what the server serves, or none at all.
        """
        await self.admit("execute")
        self._name = self.get_argument("name")
        workspace = self.get_argument("workspace", None)
        try:
            self._place = await self.desk.run(lambda: self.desk.place(workspace))
            await self.desk.run(lambda: self.desk.get(self._place))
        except OutsideError as error:
            raise HTTPError(403, error.what) from error
        except NotFoundError as error:
            raise HTTPError(404, error.what) from error
        except WorkbenchError as error:
            raise HTTPError(500, str(error)) from error
        await super().get(*args, **kwargs)

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to show."""
        super().open(*args, **kwargs)
        self._session = ViewSession(
            str(self._place),
            self._name,
            lambda message: self.say(as_json(message)),
            self.desk.connect,
            self.desk.workspace,
        )
        self._session.start()

    def on_message(self, message: str | bytes) -> None:
        """Hand on what the view asks; what cannot be understood ends the connection."""
        try:
            asked = json.loads(message)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            self.close(1003, "send an object with id and verb")
        elif self._session is not None:
            self._session.handle(asked)

    def on_close(self) -> None:
        """End the session."""
        super().on_close()
        if self._session is not None:
            session, self._session = self._session, None
            session.close()
