"""What a notebook can be given: the names that its cell tagged ``parameters`` assigns.

papermill's own inspection reads line by line and gives up on ``x = dict(a=1)``; for Python this reads the syntax tree
and finds the same where papermill finds anything. Of other languages nothing is known, as with papermill.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from workbench.definition.checking import nearest, show
from workbench.definition.paths import where_paths_begin
from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.kernels import kernel_of, language_of, translated_as

__all__ = ["Parameter", "Parameters", "read_parameters"]

_TAG = "parameters"
_MAGIC = re.compile(r"^[%!?].*$", re.MULTILINE)
_ASSIGNED_MAGIC = re.compile(r"=[ \t]*[%!].*$", re.MULTILINE)
_TYPE_COMMENT = re.compile(r"type:\s*(\S+)\s*")
_Plain: TypeAlias = type  # a parameter has a field of that name
_NUMBERS: tuple[type, ...] = (int, float)
_DECLARED: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": _NUMBERS,
    "complex": _NUMBERS,
    "bool": (bool,),
    "str": (str,),
    "Path": (str,),
    "list": (list,),
    "dict": (dict,),
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One name of the parameters cell.

    Args:
        name: what it assigns.
        type: its annotation or type comment, as written; None without one.
        default: the assigned expression, as written; None where it is only annotated or ``...``: a value is needed.
        help: the comment behind it.
    """

    name: str
    type: str | None = None
    default: str | None = None
    help: str = ""

    @property
    def is_required(self) -> bool:
        """Whether a job must give it a value; ``x = None`` need not be given one."""
        return self.default is None

    @property
    def declared(self) -> _Plain | None:
        """The plain type that its annotation names, the widest where several do; None without one."""
        kinds = _DECLARED.get(_plain_type(self.type)) if self.type is not None else None
        return kinds[-1] if kinds else None

    def objection(self, value: Any) -> str | None:
        """Return why ``value`` cannot be meant for this parameter, or None.

        An annotation of a plain type is taken at its word. Without one, the default decides between texts, booleans and
        numbers, and a whole number may become a fraction; ``None`` and expressions allow anything, but for such as
        ``2 * 16``, which are numbers.
        """
        if self.type is not None:
            declared = _DECLARED.get(_plain_type(self.type))
            fits = declared is None or _is_a(value, declared)
            return None if fits else f"it is declared {self.type}"
        try:
            default = ast.literal_eval(self.default or "None")
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            is_number = _is_arithmetic(self.default or "")
            return f"its default is {self.default}" if is_number and not _is_a(value, _NUMBERS) else None
        if default is None:
            return None
        meant = _NUMBERS if _is_a(default, _NUMBERS) else (type(default),)
        return None if _is_a(value, meant) else f"its default is {show(default)}"


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """All that one notebook can be given.

    Args:
        path: the notebook.
        kernel: the kernelspec that runs it.
        known: the parameters by name; None when the language cannot be inspected.
        cells: how many cells are tagged.
    """

    path: Path
    kernel: str
    known: Mapping[str, Parameter] | None
    cells: int

    def check(self, values: Mapping[str, Iterable[Any]], data: Iterable[str], swept: Iterable[str]) -> list[str]:
        """Check what a job gives.

        Args:
            values: some values of each literal input and swept parameter.
            data: names of inputs that arrive as paths.
            swept: which of the values are from the search space.

        Returns:
            Warnings, one sentence each.

        Raises:
            ValidationException: an unknown name, a wrong type, or a parameter without a value.
        """
        space = set(swept)
        given = {**{name: list(some) for name, some in values.items()}, **{name: ["a path"] for name in data}}
        if self.cells > 1:
            raise ValidationException(
                f"{self.cells} cells are tagged '{_TAG}', and one of them would never be replaced",
                str(self.path),
                "Leave the tag on one of them",
            )
        if self.cells == 0 and given:
            raise ValidationException(
                f"no cell is tagged '{_TAG}', so {', '.join(given)} would have no effect",
                str(self.path),
                f"Tag the cell that assigns the defaults '{_TAG}' (JupyterLab: Property Inspector, Cell Tags)",
            )
        if given and self.known is None and translated_as(self.kernel) is None:
            raise ValidationException(
                f"papermill cannot write {', '.join(given)} in the language of the kernel {self.kernel!r}",
                str(self.path),
                "Register a translator with papermill, or let the notebook read what it needs from a file",
            )
        if self.known is None:
            return [f"{self.path.name}: its parameters cell cannot be read, so nobody has checked the inputs"] * bool(
                given
            )
        for name, some in given.items():
            self._check_one(name, some, f"{'search_space' if name in space else 'inputs'}.{name}")
        missing = [name for name, parameter in self.known.items() if parameter.is_required and name not in given]
        if missing:
            raise ValidationException(
                f"{self.path.name} needs a value for {', '.join(missing)}",
                f"inputs.{missing[0]}",
                f"Give it, as in inputs={{'{missing[0]}': …}}, or assign a default in the parameters cell",
            )
        return []

    def _check_one(self, name: str, values: list[Any], where: str) -> None:
        known = self.known or {}
        if name not in known:
            raise ValidationException(f"{self.path.name} has no parameter of that name", where, nearest(name, known))
        for value in values:
            if objection := known[name].objection(value):
                raise ValidationException(
                    f"{show(value)} is no value for this parameter of {self.path.name}: {objection}",
                    where,
                    "Give a value of that type, or change the parameters cell",
                )


def read_parameters(path: Path, kernel: str | None = None) -> Parameters:
    """Read what the notebook at ``path`` can be given.

    Args:
        path: the notebook.
        kernel: the kernelspec that shall run it; the notebook's own if None.

    Raises:
        NotFoundError: there is no such file, or no such kernelspec.
        ValidationException: it is no notebook.
    """
    notebook = _read(path)
    name = kernel_of(notebook["metadata"], kernel)
    language = language_of(name).lower()
    tagged = [cell for cell in notebook["cells"] if _TAG in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        return Parameters(path=path, kernel=name, known={}, cells=0)
    source = tagged[0].get("source", "")
    known = _of_python(source if isinstance(source, str) else "".join(source)) if language == "python" else None
    return Parameters(path=path, kernel=name, known=known, cells=len(tagged))


def _read(path: Path) -> Any:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(notebook["cells"], list) or not isinstance(notebook["metadata"], dict):
            raise TypeError("it has no cells")
    except FileNotFoundError:
        raise NotFoundError(f"there is no notebook {str(path)!r}", "notebook", where_paths_begin(path)) from None
    except OSError as error:
        raise ValidationException(f"cannot be read: {error.strerror}", str(path), "Give the path of a file") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValidationException(
            f"is no notebook of format 4: {error}", str(path), "Open it in JupyterLab and save it again"
        ) from None
    return notebook


def _of_python(source: str) -> dict[str, Parameter] | None:
    text = _ASSIGNED_MAGIC.sub("= None", _MAGIC.sub("pass", source))
    try:
        tree = ast.parse(text)
        comments = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        }
    except (SyntaxError, tokenize.TokenError):
        return None
    found = {}
    for node in tree.body:
        target, value, annotation = _assigned(node)
        if target is not None:
            comment = comments.get(node.end_lineno or node.lineno, "")
            typed = _TYPE_COMMENT.match(comment)
            found[target] = Parameter(
                name=target,
                type=annotation or (typed[1] if typed else None),
                default=None if value is None else ast.get_source_segment(text, value),
                help=comment[typed.end() :] if typed else comment,
            )
    return found


def _assigned(node: ast.stmt) -> tuple[str | None, ast.expr | None, str | None]:
    """Return name, value and annotation of an assignment to one name."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        target, value, annotation = node.target.id, node.value, ast.unparse(node.annotation)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        target, value, annotation = node.targets[0].id, node.value, None
    else:
        return None, None, None
    if isinstance(value, ast.Constant) and value.value is Ellipsis:
        value = None
    return target, value, annotation


def _plain_type(annotation: str) -> str:
    """Return the word that decides in an annotation: that of ``float | None`` is ``float``; a union has none."""
    text = annotation.strip("'\"").replace("typing.", "").replace("pathlib.", "")
    if optional := re.fullmatch(r"Optional\[(.*)\]", text):
        text = optional[1]
    words = [word for part in text.split("|") if (word := part.strip()) != "None"]
    return words[0].partition("[")[0].lower().replace("path", "Path") if len(words) == 1 else ""


def _is_arithmetic(expression: str) -> bool:
    """Return whether an expression has nothing but numbers and what calculates with them."""
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    calculating = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.operator, ast.USub, ast.UAdd)
    return all(
        isinstance(node, calculating) or (isinstance(node, ast.Constant) and _is_a(node.value, _NUMBERS))
        for node in ast.walk(tree)
    )


def _is_a(value: Any, kinds: tuple[type, ...]) -> bool:
    """Return whether a value is of one of the types; a boolean is no number here."""
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
