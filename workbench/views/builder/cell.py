"""A draft as a ``%%sweep`` or ``%%job`` cell, and such a cell as a draft; the cell is never executed here."""

from __future__ import annotations

import ast
import io
import os
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.definition.checking import nearest
from workbench.definition.inputs import DATA_TYPES, LITERAL_TYPES
from workbench.errors import ValidationException
from workbench.notebooks.cell_files import CellFile, CellLine, read_cell_file, write_cell_file
from workbench.notebooks.handover import WITH_VARIABLE
from workbench.notebooks.inside import FOLDER_OF_NOTEBOOK
from workbench.notebooks.kernels import DEFAULT_KERNEL
from workbench.store.files import WorkspaceFolder
from workbench.views.builder.form import Draft
from workbench.views.builder.line import options_of, read_line, write_line
from workbench.views.builder.values import CLASSES, NotPlain, is_distribution, is_name, to_source, value_of

__all__ = ["CellPlace", "from_cell", "to_cell"]

_WITH = f"environment_variables.{WITH_VARIABLE}"
_FOLDER = f"environment_variables.{FOLDER_OF_NOTEBOOK}"


@dataclass(frozen=True)
class CellPlace:
    """What a cell means depends on where it stands.

    Args:
        workspace: where the notebooks made of cells are kept.
        folder: the folder of the notebook that the cell stands in.
        kernel: name of the kernelspec of that notebook.
        hand_over: stores the variables of the kernel that ``--with`` names and returns what names the stored ones.
    """

    workspace: WorkspaceFolder
    folder: Path
    kernel: str = DEFAULT_KERNEL
    hand_over: Callable[[str], str] = str


@dataclass(frozen=True)
class _Top:
    """The assignments at the top of a cell, and where they end."""

    lines: Sequence[CellLine]
    values: Mapping[str, Any]
    body: str
    body_line: int


def from_cell(text: str, place: CellPlace) -> Draft:
    """Return the draft that a cell means; its body is written into the workspace as a notebook.

    Args:
        text: the cell with its ``%%`` line.
        place: where it stands.

    Raises:
        ValidationException: the line or the cell cannot be read; the message has the option or the line.
    """
    line, _, cell = text.lstrip("\n").partition("\n")
    magic, _, rest = line.strip().partition(" ")
    if magic not in ("%%sweep", "%%job"):
        raise ValidationException(f"begins with {magic[:20]!r}", "cell", "Begin with %%sweep or %%job")
    options = read_line(rest, magic)
    top = _shell_top(cell) if options.shell else _python_top(cell)
    draft = options_of(options, Draft(is_sweep=magic == "%%sweep"))
    draft = replace(draft, fields={**draft.fields, "inputs": {**top.values, **draft.inputs}})
    if options.shell:
        draft = draft.put("command", top.body)
    elif options.notebook is None:
        draft = _with_body(draft, top, place)
    elif top.body:
        raise ValidationException(
            "the cell has a body, and --notebook runs that notebook", f"line {top.body_line}", "Remove one of them"
        )
    if options.handed:
        draft = draft.put(_WITH, place.hand_over(options.handed))
    return replace(draft, is_sweep=magic == "%%sweep").brief().settled()


def to_cell(draft: Draft, place: CellPlace) -> str:
    """Return the cell that means the draft."""
    cell = read_cell_file(place.folder / draft.notebook) if draft.notebook else None
    shell = "command" in draft.fields
    written = {name: value for name, value in draft.inputs.items() if is_name(name) and _reads_back(value)}
    lines = [CellLine(name=name) for name in written]
    body = ""
    if cell is not None:
        known = [line.name for line in cell.lines]
        lines = [*(line for line in cell.lines if line.constant or line.name in written)]
        lines += [CellLine(name=name) for name in written if name not in known]
        body = cell.body
    elif shell:
        body = str(draft.fields["command"])
    fields = {name: value for name, value in draft.inputs.items() if name not in written}
    plain = replace(draft, fields={**draft.fields, "inputs": fields}).tidy()
    if cell is not None and cell.kernel != place.kernel:
        plain = plain.put("kernel", cell.kernel)
    handed = plain.get(_WITH)
    plain = plain.put(_WITH, None) if isinstance(handed, str) else plain
    left_out = ["command", *(["notebook"] if cell is not None else [])]
    head = write_line(
        replace(plain, is_sweep=draft.is_sweep),
        folder=str(place.folder) if cell is not None else "",
        shell=shell,
        handed=handed if isinstance(handed, str) else "",
        left_out=left_out,
    )
    top = "".join(line.source(line.constant or to_source(written[line.name])) + "\n" for line in lines)
    return f"{head}\n{top}" + (f"\n{body}\n" if body else "")


def _with_body(draft: Draft, top: _Top, place: CellPlace) -> Draft:
    if not top.body.strip():
        raise ValidationException("the cell has no body", "cell", "Write below the parameters what a trial does")
    _check_body(top)
    kernel = draft.get("kernel") or place.kernel
    path = write_cell_file(CellFile(lines=top.lines, body=top.body, kernel=str(kernel)), place.workspace)
    short = os.path.relpath(path, place.folder)
    draft = draft.put("notebook", str(path) if short.startswith("..") else short).put("kernel", None)
    return draft if draft.get(_FOLDER) else draft.put(_FOLDER, str(place.folder))


def _python_top(cell: str) -> _Top:
    """Return the parameters of a cell and its body.

    A body may hold what only IPython understands, so the cell is read as far as it is Python.
    """
    tree, parsed = _longest(cell)
    lines: list[CellLine] = []
    values: dict[str, Any] = {}
    comments = _comments(parsed)
    end = (1, 0)
    for statement in tree.body:
        read = _parameter(statement, parsed, comments)
        if read is None:
            break
        line, value = read
        lines = [known for known in lines if known.name != line.name] + [line]
        values.pop(line.name, None)
        if line.constant is None:
            values[line.name] = value
        end = (statement.end_lineno or 1, statement.end_col_offset or 0)
    body, body_line = _rest(cell, end, lines)
    _refuse_late(tree.body[len(lines) :] if len(lines) <= len(tree.body) else [], body_line)
    return _Top(lines, values, body, body_line)


def _shell_top(cell: str) -> _Top:
    """Return the parameters above the first empty line, and the command below it."""
    rows = cell.split("\n")
    for count, row in enumerate(rows):
        if row.strip():
            continue
        try:
            top = _python_top("\n".join(rows[:count]))
        except ValidationException:
            break
        if not top.body.strip():
            return replace(top, body="\n".join(rows[count + 1 :]).strip("\n"), body_line=count + 2)
        break
    raise ValidationException("there is no empty line between the parameters and the command", "cell", "Put one there")


def _longest(cell: str) -> tuple[ast.Module, str]:
    """Return the syntax tree of the longest beginning of a cell that is Python, and that beginning."""
    rows = cell.split("\n")
    count = len(rows)
    while count > 0:
        text = "\n".join(rows[:count])
        try:
            return ast.parse(text), text
        except SyntaxError as error:
            count = min(error.lineno or count, count) - 1
        except ValueError as error:
            raise ValidationException(str(error), "cell", "Remove it") from None
    return ast.Module(body=[], type_ignores=[]), ""


def _parameter(statement: ast.stmt, text: str, comments: Mapping[int, str]) -> tuple[CellLine, Any] | None:
    """Return what a statement says of a parameter, or None if it is none."""
    annotation = None
    if isinstance(statement, ast.AnnAssign) and statement.value is not None and isinstance(statement.target, ast.Name):
        name, node, annotation = statement.target.id, statement.value, ast.unparse(statement.annotation)
    elif (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        name, node = statement.targets[0].id, statement.value
    else:
        return None
    try:
        value = value_of(node)
    except NotPlain:
        _refuse_misspelt(node, statement)
        return None
    except ValidationException as error:
        raise type(error)(error.what, f"line {statement.lineno + 1}, {name}", error.fix) from None
    comment = comments.get(statement.end_lineno or statement.lineno, "")
    constant = None if _can_be_input(value) else ast.get_source_segment(text, node)
    return CellLine(name=name, annotation=annotation, comment=comment, constant=constant), value


def _can_be_input(value: Any) -> bool:
    if isinstance(value, Mapping):
        return is_distribution(value) or value.get("type") in (*DATA_TYPES, *LITERAL_TYPES)
    return isinstance(value, str | int | float)


def _reads_back(value: Any) -> bool:
    """Return whether a value at the top of a cell is read as the input that it is."""
    try:
        return bool(value_of(ast.parse(to_source(value), mode="eval").body) == value) and _can_be_input(value)
    except (ValidationException, SyntaxError, ValueError):
        return False


def _rest(cell: str, end: tuple[int, int], lines: Sequence[CellLine]) -> tuple[str, int]:
    """Return what stands behind the parameters, and on which line of the whole cell it begins."""
    rows = cell.split("\n")
    if lines:
        last = rows[end[0] - 1].encode()[end[1] :].decode()
        same = last.lstrip().removeprefix(";").lstrip() if last.lstrip().startswith(";") else ""
        rows = [same, *rows[end[0] :]]
    else:
        end = (1, 0)
    while rows and not rows[0].strip():
        rows, end = rows[1:], (end[0] + 1, 0)
    return "\n".join(rows).rstrip(), end[0] + 1


def _comments(text: str) -> dict[int, str]:
    try:
        return {
            token.start[0]: token.string
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip()
        }
    except (tokenize.TokenError, SyntaxError):
        return {}


def _refuse_misspelt(node: ast.expr, statement: ast.stmt) -> None:
    """Refuse what is meant for a distribution and is none.

    Raises:
        ValidationException: a call looks like one.
    """
    if not isinstance(node, ast.Call):
        return
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    hint = nearest(called, CLASSES)
    where = f"line {statement.lineno + 1}"
    if called in CLASSES:
        raise ValidationException(
            f"{ast.unparse(node)} needs the value of something that runs",
            where,
            "Write numbers there; the cell is not run to know its parameters",
        )
    if called[:1].isupper() and hint.startswith("Did you mean"):
        raise ValidationException(f"{called} is no distribution", where, hint)


def _refuse_late(statements: Sequence[ast.stmt], body_line: int) -> None:
    """Refuse a distribution that stands below the first line of the body, where it would have no effect.

    Raises:
        ValidationException: there is one.
    """
    for statement in statements:
        value = getattr(statement, "value", None)
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or not isinstance(value, ast.Call):
            continue
        called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        if called in CLASSES and (value.args or value.keywords):
            raise ValidationException(
                f"{ast.unparse(statement)} stands below the first line of the body (line {body_line})",
                f"line {statement.lineno + 1}",
                "Move it to the top of the cell",
            )


def _check_body(top: _Top) -> None:
    """Compile the body, so that a slip shows now and not in twenty trials.

    Raises:
        ValidationException: it is not what IPython could run; the message has the line.
    """
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415 - only where cells are

    try:
        source = TransformerManager().transform_cell(top.body)  # type: ignore[no-untyped-call]
        compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        number = (error.lineno or 1) + top.body_line - 1
        raise ValidationException(str(error.msg), f"line {number}", "Correct the code there") from None
    except ValueError as error:
        raise ValidationException(str(error), "cell", "Remove it") from None
