"""What a form for a notebook needs to know: its parameters with their defaults, and what is in the way."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.parameters import Parameter, read_parameters

__all__ = ["NotebookForm", "ParameterField", "notebook_form"]

Kind = Literal["int", "float", "bool", "str", "list", "dict", "other"]
_KINDS: Mapping[type, Kind] = {int: "int", float: "float", bool: "bool", str: "str", list: "list", dict: "dict"}


class ParameterField(TypedDict):
    """A parameter of a notebook.

    ``type`` is its annotation and ``default`` the assigned expression, both as written; ``value`` is that default where
    it is a plain value, and ``kind`` is what a form may offer for it.
    """

    name: str
    type: str | None
    kind: Kind
    default: str | None
    value: Any
    required: bool
    help: str


class NotebookForm(TypedDict):
    """A notebook's parameters: ``tagged`` if it has a cell for them, ``readable`` if its language can be read."""

    path: str
    tagged: bool
    readable: bool
    parameters: list[ParameterField]
    kernel: str | None
    problems: list[str]


def notebook_form(path: Path, shown: str) -> NotebookForm:
    """Return what a form for the notebook at ``path`` shows.

    Args:
        path: the notebook, as it was saved last.
        shown: what it is called.

    Raises:
        NotFoundError: there is no such notebook.
    """
    form: NotebookForm = {
        "path": shown,
        "tagged": False,
        "readable": True,
        "parameters": [],
        "kernel": None,
        "problems": [],
    }
    if not path.is_file():
        raise NotFoundError(f"there is no notebook {shown!r}", "path", "Save it first")
    try:
        found = read_parameters(path)
    except (NotFoundError, ValidationException) as error:  # no kernel of that name, or no notebook
        return {**form, "problems": [str(error)]}
    problems = []
    if found.cells > 1:
        problems.append(f"{found.cells} cells are tagged 'parameters': leave the tag on one of them")
    if found.known is None:
        problems.append("the parameters cell cannot be read: give values by name, nobody has checked them")
    return {
        **form,
        "tagged": found.cells > 0,
        "readable": found.known is not None,
        "parameters": [_field(one) for one in (found.known or {}).values()],
        "kernel": found.kernel,
        "problems": problems,
    }


def _field(parameter: Parameter) -> ParameterField:
    value = _value(parameter.default)
    return {
        "name": parameter.name,
        "type": parameter.type,
        "kind": _kind(parameter, value),
        "default": parameter.default,
        "value": value,
        "required": parameter.is_required,
        "help": parameter.help,
    }


def _value(default: str | None) -> Any:
    """Return a default that is a plain value; None for what only Python can work out."""
    try:
        value = ast.literal_eval(default or "None")
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def _kind(parameter: Parameter, value: Any) -> Kind:
    declared = parameter.declared
    if declared is not None:
        return _KINDS.get(declared, "other")
    return _KINDS.get(type(value), "other") if value is not None else "other"
