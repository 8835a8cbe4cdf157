"""The handlers: each needs a signed-in user who may, and none keeps the event loop waiting."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from workbench.errors import (
    EngineError,
    JobException,
    NotFoundError,
    SupervisorError,
    ValidationException,
    WorkbenchError,
)
from workbench.server.desk import Desk
from workbench.server.operations import Call, FileAnswer, Method, Operation, Refusal, Reply
from workbench.server.places import OutsideError
from workbench.server.text import as_json
from workbench.server.worker import WorkerError

__all__ = ["ApiHandler", "DescriptionHandler", "Handler", "JobHandler", "PlotlyHandler"]

RESOURCE = "workbench"
"""What an authorizer is asked about."""

_STATUS: tuple[tuple[type[WorkbenchError], int], ...] = (
    (OutsideError, 403),
    (NotFoundError, 404),
    (ValidationException, 400),
    (JobException, 409),
    (SupervisorError, 503),
    (EngineError, 503),
    (WorkerError, 503),
    (WorkbenchError, 500),
)
_PIECE = 1 << 18  # bytes of a file that are read at once
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Handler(APIHandler):
    """What the REST handlers have in common: their share of the desk, and errors that say what to do."""

    auth_resource = RESOURCE

    def initialize(self, desk: Desk) -> None:
        """Take the desk."""
        self.desk = desk

    def refuse(self, error: WorkbenchError) -> None:
        """Answer that something is wrong."""
        self.set_status(next(status for kind, status in _STATUS if isinstance(error, kind)))
        told: dict[str, Any] = {"message": error.what, "where": error.where, "todo": error.fix}
        if isinstance(error, Refusal):
            told["problems"] = error.problems
        self.finish(json.dumps(told))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in the same form where it was Jupyter that refused, or something that must not happen did."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        said = error.log_message if isinstance(error, HTTPError) else "something went wrong; the server's log says what"
        told = {"message": said or self._reason, "where": None, "todo": None}
        if status_code == 403 and self.current_user is None:
            told = {"message": "nobody is signed in here", "where": None, "todo": "Reload the page and sign in"}
        self.finish(json.dumps(told))


class ApiHandler(Handler):
    """One address of the REST interface."""

    def initialize(self, desk: Desk, operations: Mapping[Method, Operation]) -> None:  # type: ignore[override]
        """Take the desk, and what can be asked here."""
        super().initialize(desk)
        self._operations = operations

    @authenticated
    @authorized
    async def get(self, **names: str) -> None:
        """Show something."""
        await self._do("GET", names)

    @authenticated
    @authorized
    async def post(self, **names: str) -> None:
        """Do something."""
        await self._do("POST", names)

    @authenticated
    @authorized
    async def put(self, **names: str) -> None:
        """Set something."""
        await self._do("PUT", names)

    @authenticated
    @authorized
    async def delete(self, **names: str) -> None:
        """Remove something."""
        await self._do("DELETE", names)

    async def _do(self, method: Method, names: Mapping[str, str]) -> None:
        operation = self._operations.get(method)
        if operation is None:
            raise HTTPError(405, f"{method} is not for this address")
        query = {name: self.get_query_arguments(name, strip=False) for name in self.request.query_arguments}
        try:
            work = partial(_answer, self.desk, operation, names, query, self.request.body)
            answer = await self.desk.run(work, kind=operation.kind)
        except WorkbenchError as error:
            self.refuse(error)
            return
        if isinstance(answer, FileAnswer):
            await self._send(answer)
            return
        self.set_status(answer.status)
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.value)

    async def _send(self, answer: FileAnswer) -> None:
        """Send a file, or the range of it that is asked for, as it is at this moment."""
        size = await self.desk.run(partial(_size, answer))
        begin, end, status = _range(self.request.headers.get("Range"), size)
        self.set_status(status)
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        if status != 200:
            self.set_header("Content-Range", f"bytes {begin}-{end - 1}/{size}" if status == 206 else f"bytes */{size}")
        if status == 416:
            self.finish(set_content_type=answer.media_type)
            return
        if answer.download is not None:
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(answer.download)}")
        self.set_header("Content-Type", answer.media_type)
        self.set_header("Content-Length", str(end - begin))
        try:
            while begin < end:
                piece = await self.desk.run(partial(_read, answer, begin, min(_PIECE, end - begin)))
                if not piece:  # it was cut meanwhile: what was announced can no longer be sent
                    self.detach().close()
                    return
                begin += len(piece)
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return  # nobody reads it any more
        self.finish(set_content_type=answer.media_type)


class DescriptionHandler(Handler):
    """The OpenAPI description."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Send it."""
        from workbench.server.openapi import describe  # noqa: PLC0415 - made at first use

        base = str(self.base_url)
        self.finish(await self.desk.run(lambda: json.dumps(describe(base))))


class JobHandler(Handler):
    """What stands at the head of a view; also whether there is such a job."""

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the head of the job ``name`` in ``workspace``."""
        name, workspace = self.get_argument("name"), self.get_argument("workspace", None)

        def header() -> str:
            found = self.desk.get(self.desk.place(workspace))
            return found.with_facts(name, lambda facts: as_json(facts.header()))

        try:
            self.finish(await self.desk.run(header, kind="work"))
        except WorkbenchError as error:
            self.refuse(error)

    @authenticated
    @authorized
    async def head(self) -> None:
        """Answer whether there is the job ``name`` in ``workspace``, without looking at its trials."""
        name, workspace = self.get_argument("name"), self.get_argument("workspace", None)
        try:
            self.finish(await self.desk.run(partial(_find, self.desk, name, workspace)))
        except WorkbenchError as error:
            self.refuse(error)


class PlotlyHandler(JupyterHandler):
    """The plotly that the figures are made for: the very file of the Python package."""

    auth_resource = RESOURCE

    def initialize(self, desk: Desk) -> None:
        """Take the desk."""
        self.desk = desk

    @authenticated
    @authorized
    async def get(self) -> None:
        """Send it."""
        text = await self.desk.run(_plotly)
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(text)


def _answer(
    desk: Desk, operation: Operation, names: Mapping[str, str], query: Mapping[str, list[str]], body: bytes
) -> FileAnswer | Reply:
    place = desk.place(query["workspace"][-1] if query.get("workspace") else None)
    call = Call(desk, place, names, operation.read_query(query), operation.read_body(body))
    answer = operation.answer(call)
    if isinstance(answer, FileAnswer):
        return answer
    value, status = (answer.value, answer.status) if isinstance(answer, Reply) else (answer, operation.status)
    return Reply(as_json(value), status)


def _size(answer: FileAnswer) -> int:
    return answer.path.stat().st_size if answer.path.is_file() else 0


def _read(answer: FileAnswer, begin: int, size: int) -> bytes:
    try:
        with answer.path.open("rb") as file:
            file.seek(begin)
            return file.read(size)
    except FileNotFoundError:
        return b""


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    """Return where to begin, where to end, and the status; a header that cannot be understood is none."""
    matched = _RANGE.fullmatch(header.strip()) if header else None
    if matched is None or not any(matched.groups()):
        return 0, size, 200
    first, last = matched.groups()
    if not size:  # no range of nothing can be satisfied, yet nothing is all there is; browsers complain of a 416
        return 0, 0, 200
    if not first:  # so many at the end
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
    return (begin, end, 206) if begin < end else (0, 0, 416)


def _find(desk: Desk, name: str, workspace: str | None) -> None:
    if desk.get(desk.place(workspace)).reader.context.store.job(name) is None:
        raise NotFoundError(f"no job named {name!r}", "name")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - heavy

    return str(get_plotlyjs())
