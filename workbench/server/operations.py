"""What the server can be asked: each operation with its address, what it takes, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

from workbench.client.ml_client import MLClient
from workbench.errors import ValidationException
from workbench.server.desk import Desk, Kind, Workspace

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Call", "FileAnswer", "Method", "Operation", "Problem", "Refusal", "Reply"]

Method = Literal["GET", "POST", "PUT", "DELETE"]

_NAMED = re.compile(r"{(\w+)}")


class Problem(TypedDict):
    """What is wrong with one field; the field is as it was sent, empty where it is the whole."""

    field: str
    message: str
    todo: str | None


class Refusal(ValidationException):
    """What was sent is not what the operation takes.

    Args:
        what: in one sentence.
        problems: each with the field, the message and what to do; at least one.
    """

    def __init__(self, what: str, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(what, first["field"] or None, first["todo"])
        self.problems = list(problems)


@dataclass(frozen=True)
class FileAnswer:
    """An answer that is a file, sent piece by piece.

    Args:
        path: a regular file, or one that is still to come.
        media_type: what is in it.
        download: the name under which it is saved; None for what is looked at.
    """

    path: Path
    media_type: str
    download: str | None = None


@dataclass(frozen=True)
class Reply:
    """An answer with another status than the operation's own."""

    value: Any
    status: int


@dataclass(frozen=True)
class Call:
    """One call of an operation.

    Args:
        desk: what is open.
        place: folder of the workspace that is meant.
        names: what stands in the address.
        query: what stands behind it, checked.
        body: what was sent, checked.
    """

    desk: Desk
    place: Path
    names: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    @property
    def name(self) -> str:
        """The ``name`` in the address."""
        return self.names["name"]

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace.

        Raises:
            NotFoundError: there is none.
        """
        return self.desk.get(self.place)

    @property
    def client(self) -> MLClient:
        """A client of the workspace, for what writes."""
        return self.workspace.client

    @property
    def reader(self) -> MLClient:
        """A client of the workspace, for what only reads."""
        return self.workspace.reader


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked.

    Args:
        method, path: its address below ``workbench/api/``, with ``{names}``.
        answer: does it; what it says of itself in its first line is in the description.
        response: the type of what it answers, JSON; None for a file.
        query: a typed dictionary of what may stand behind the address.
        body: a typed dictionary of what is sent.
        status: of a good answer.
        others: statuses that a good answer may have instead.
        kind: what it may have to wait for.
    """

    method: Method
    path: str
    answer: Callable[[Call], Any]
    response: Any
    query: Any = None
    body: Any = None
    status: int = 200
    others: tuple[int, ...] = ()
    kind: Kind = "read"

    @property
    def pattern(self) -> str:
        """Its address as a regular expression; only the last name may hold slashes, and only if it is a path."""
        return _NAMED.sub(lambda found: f"(?P<{found[1]}>{'.+' if found[1] == 'path' else '[^/]+'})", self.path)

    @property
    def names(self) -> list[str]:
        """The names in its address."""
        return _NAMED.findall(self.path)

    def read_query(self, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Return what stands behind the address, checked.

        Raises:
            Refusal: it is not what the operation takes.
        """
        if self.query is None:
            return {}
        lists = _list_names(self.query)
        values = {
            name: list(texts) if name in lists else texts[-1]
            for name, texts in given.items()
            if name in self.query.__annotations__
        }
        return dict(_checked(self._query_type, values, "query"))

    def read_body(self, text: bytes) -> Any:
        """Return what was sent, checked.

        Raises:
            Refusal: it is not what the operation takes.
        """
        if self.body is None:
            return None
        try:
            value = json.loads(text or b"{}", parse_constant=_no_number)
            json.dumps(value, ensure_ascii=False).encode()  # half a character is none that anything could keep
        except (ValueError, RecursionError) as error:
            problem: Problem = {"field": "", "message": f"the body is no JSON: {error}", "todo": "Send an object"}
            raise Refusal("the body is no JSON", [problem]) from None
        return _checked(self._body_type, value, "body")

    @cached_property
    def _query_type(self) -> TypeAdapter[Any]:
        return _adapter(self.query)

    @cached_property
    def _body_type(self) -> TypeAdapter[Any]:
        return _adapter(self.body)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - made at first use, so that the server starts at once

    return TypeAdapter(kind)


def _checked(kind: TypeAdapter[Any], value: Any, where: str) -> Any:
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return kind.validate_python(value)
    except ValidationError as error:
        problems: list[Problem] = [
            {"field": ".".join(str(step) for step in one["loc"]), "message": one["msg"], "todo": None}
            for one in error.errors(include_url=False, include_context=False)
        ]
        told = "; ".join(f"{one['field'] or where}: {one['message']}" for one in problems)
        raise Refusal(f"the {where} is not what is needed here: {told}", problems) from None


def _list_names(query: Any) -> set[str]:
    return {name for name, kind in query.__annotations__.items() if "list[" in str(kind)}
