"""One cell as a notebook file: its parameters, the way into the trial, and its body.

The values of the parameters are the job's inputs, so the file does not change with them. What cannot be an input, such
as a list, stays in the parameters cell as it was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.store.files import WorkspaceFolder

__all__ = ["CellFile", "CellLine", "read_cell_file", "write_cell_file"]

_KEY = "workbench"
_ENTER = "import workbench.notebooks.inside as _inside\n\n_inside.enter(globals())"
_NOTE = "# Parameters of the cell: ... stands for what the trial is given"


@dataclass(frozen=True, kw_only=True)
class CellLine:
    """One assignment at the top of a cell.

    Args:
        name: what it assigns.
        annotation: as written, or None.
        comment: what stands behind it, with its ``#``; may be empty.
        constant: its value as written where that cannot be an input of a job; None for an input.
    """

    name: str
    annotation: str | None = None
    comment: str = ""
    constant: str | None = None

    def source(self, value: str) -> str:
        """Return the line with ``value`` on its right-hand side."""
        annotation = f": {self.annotation}" if self.annotation else ""
        comment = f"  {self.comment}" if self.comment else ""
        return f"{self.name}{annotation} = {value}{comment}"


@dataclass(frozen=True, kw_only=True)
class CellFile:
    """A cell, taken apart.

    Args:
        lines: the assignments at its top.
        body: the rest.
        kernel: name of the kernelspec that runs it.
    """

    lines: Sequence[CellLine]
    body: str
    kernel: str


def write_cell_file(cell: CellFile, workspace: WorkspaceFolder) -> Path:
    """Write the cell as a notebook into the workspace, once for each content, and return its path.

    Raises:
        OSError: the workspace cannot be written.
    """
    text = json.dumps(_notebook(cell), indent=1, ensure_ascii=False)
    path = workspace.cells / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.ipynb"
    if not path.exists():
        aside = path.with_suffix(".new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    else:
        path.touch()  # it is wanted again: nobody clears it away before the job is there
    return path


def read_cell_file(path: Path) -> CellFile | None:
    """Return the cell that the notebook at ``path`` was made of; None for any other notebook or no notebook."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        told = book["metadata"][_KEY]
        return CellFile(
            lines=tuple(CellLine(**line) for line in told["lines"]),
            body=told["body"],
            kernel=book["metadata"]["kernelspec"]["name"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _notebook(cell: CellFile) -> dict[str, Any]:
    parameters = "\n".join([_NOTE, *(line.source(line.constant or "...") for line in cell.lines)])
    lines = [vars(line) for line in cell.lines]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": cell.kernel, "display_name": cell.kernel, "language": "python"},
            "language_info": {"name": "python"},
            _KEY: {"lines": lines, "body": cell.body},
        },
        "cells": [
            _code("parameters", parameters, ["parameters"]),
            _code("enter", _ENTER, ["workbench"]),
            _code("body", cell.body, []),
        ],
    }


def _code(name: str, source: str, tags: list[str]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"tags": tags} if tags else {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
