"""Notebooks that may become jobs."""

from __future__ import annotations

from typing import Required

from typing_extensions import TypedDict

from workbench.errors import ValidationException
from workbench.server.operations import Call, Operation
from workbench.server.places import inside
from workbench.views.notebook_form import NotebookForm, notebook_form

__all__ = ["OPERATIONS", "PathQuery"]


class PathQuery(TypedDict, total=False):
    """Path of a notebook, relative to the folder that the server serves."""

    path: Required[str]


def _parameters(call: Call) -> NotebookForm:
    """What a notebook can be given: the names that its parameters cell assigns, with their defaults."""
    asked = call.query["path"]
    if not asked:
        raise ValidationException("no notebook is named", "path", "Write path=folder/name.ipynb")
    path = inside(call.desk.root, asked)
    return notebook_form(path, path.relative_to(call.desk.root).as_posix())


OPERATIONS = (Operation("GET", "notebooks/parameters", _parameters, NotebookForm, query=PathQuery),)
