"""Plain values as Python expressions and as the text of a form's field, and back; nothing is ever executed.

A distribution, a policy or a data input is a mapping with a ``type`` here, as in YAML, whether it is right or wrong:
the checks come later, and what is wrong must be shown as it was written.
"""

from __future__ import annotations

import ast
import json
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.definition.checking import nearest
from workbench.definition.distributions import DISTRIBUTIONS
from workbench.definition.inputs import DATA_TYPES, LITERAL_TYPES
from workbench.errors import ValidationException

__all__ = [
    "ARGUMENTS",
    "CLASSES",
    "NotPlain",
    "is_distribution",
    "is_name",
    "list_of",
    "list_text",
    "scalar_of",
    "scalar_text",
    "to_source",
    "value_of",
]

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "qlognormal": ("mu", "sigma", "q"),
}
"""The arguments of each distribution in the order of its constructor."""

CLASSES: Mapping[str, str] = {cls.__name__: kind for kind, cls in DISTRIBUTIONS.items()}
"""The distributions' kinds by the names of their classes."""

_OTHERS: Mapping[str, str] = {
    "BanditPolicy": "bandit",
    "MedianStoppingPolicy": "median_stopping",
    "TruncationSelectionPolicy": "truncation_selection",
    "RandomSamplingAlgorithm": "random",
    "GridSamplingAlgorithm": "grid",
    "BayesianSamplingAlgorithm": "bayesian",
}
_BARE = ("Input", "Output", "Environment", "BuildContext", "JobResourceConfiguration", "dict")
_NAMES = {kind: name for name, kind in (*CLASSES.items(), *_OTHERS.items())}
_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "exp": math.exp,
    "sqrt": math.sqrt,
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_LONGEST_RANGE = 10_000


class NotPlain(ValidationException):
    """An expression whose value is not known before it runs."""


def is_distribution(value: object) -> bool:
    """Return whether a plain value describes a distribution."""
    return isinstance(value, Mapping) and str(value.get("type", "")).lower() in ARGUMENTS


def is_name(text: str) -> bool:
    """Return whether Python can assign to ``text``."""
    return text.isidentifier() and not keyword.iskeyword(text)


def to_source(value: Any) -> str:
    """Return the Python expression for a plain value."""
    if isinstance(value, Mapping):
        return _mapping_source(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_source, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, str):
        return _quoted(value)
    return repr(value)


def value_of(node: ast.expr, known: Mapping[str, Any] | None = None) -> Any:
    """Return the plain value of an expression: literals, containers, arithmetic, distributions and the like.

    Args:
        node: the expression.
        known: values of names.

    Raises:
        NotPlain: something in it has no value before it runs.
        ValidationException: a call has arguments that it cannot take.
    """
    names = known or {}
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex | type(...)):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [value_of(item, names) for item in node.elts]
    if isinstance(node, ast.Dict):
        return _dict_value(node, names)
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return _arithmetic(node, names)
    if isinstance(node, ast.Call):
        return _call_value(node, names)
    raise _not_plain(node)


def scalar_of(text: str) -> Any:
    """Return what a form's field means: a number, true or false, text in double quotes, else the text itself."""
    word = text.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    if _NUMBER.fullmatch(word):
        return float(word) if set(word) & set(".eE") else int(word)
    if len(word) > 1 and word[0] == word[-1] == '"':
        try:
            return json.loads(word)
        except ValueError:
            return text
    return text


def scalar_text(value: Any) -> str:
    """Return the text of a form's field for a value: what ``scalar_of`` reads back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if scalar_of(value) == value and value == value.strip() else json.dumps(value, ensure_ascii=False)
    return "" if value is None else json.dumps(value)


def list_of(text: str) -> list[Any]:
    """Return the values that a field with a list means: JSON between its commas, else words."""
    try:
        found = json.loads(f"[{text}]")
        return list(found)
    except ValueError:
        return [scalar_of(part.strip()) for part in text.split(",") if part.strip()]


def list_text(values: Any) -> str:
    """Return the text of a field for a list: what ``list_of`` reads back."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return scalar_text(values)
    plain = ", ".join(scalar_text(value) if isinstance(value, str | int | float) else "{" for value in values)
    return plain if list_of(plain) == list(values) else json.dumps(list(values), ensure_ascii=False)[1:-1]


def _quoted(text: str) -> str:
    """Return a literal of the text in double quotes where that needs no more escapes."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text and "\\'" not in plain else plain


def _mapping_source(value: Mapping[str, Any]) -> str:
    kind = str(value.get("type", ""))
    rest = {name: entry for name, entry in value.items() if name != "type"}
    if kind in _NAMES and all(is_name(str(name)) for name in rest):
        order = ARGUMENTS.get(kind, ())
        if order and tuple(rest) == order:
            return f"{_NAMES[kind]}({', '.join(to_source(rest[name]) for name in order)})"
        return f"{_NAMES[kind]}({_keywords(rest)})"
    if kind in (*DATA_TYPES, *LITERAL_TYPES) and all(is_name(str(name)) for name in value):
        return f"Input({_keywords(value)})"
    return f"{{{', '.join(f'{to_source(name)}: {to_source(entry)}' for name, entry in value.items())}}}"


def _keywords(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={to_source(entry)}" for name, entry in values.items())


def _dict_value(node: ast.Dict, names: Mapping[str, Any]) -> dict[Any, Any]:
    found = {}
    for key, entry in zip(node.keys, node.values, strict=True):
        if key is None:
            raise _not_plain(node)
        name = value_of(key, names)
        if isinstance(name, list | dict):
            raise _not_plain(key)
        found[name] = value_of(entry, names)
    return found


def _arithmetic(node: ast.UnaryOp | ast.BinOp, names: Mapping[str, Any]) -> Any:
    try:
        if isinstance(node, ast.UnaryOp):
            number = _number(node.operand, names)
            if isinstance(node.op, ast.USub):
                return -number
            if isinstance(node.op, ast.UAdd):
                return number
            raise _not_plain(node)
        left, right = _number(node.left, names), _number(node.right, names)
        if isinstance(node.op, ast.Pow):
            return _power(left, right, node)
        if type(node.op) in _OPERATIONS:
            return _OPERATIONS[type(node.op)](left, right)
    except ArithmeticError as error:
        raise ValidationException(f"cannot be computed: {error}", ast.unparse(node), "Write the number") from None
    raise _not_plain(node)


def _number(node: ast.expr, names: Mapping[str, Any]) -> int | float:
    value = value_of(node, names)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _not_plain(node)
    return value


def _power(left: float, right: float, node: ast.expr) -> Any:
    if abs(right) > 1000 or abs(left) > 10**100:
        raise ValidationException("is too large a power", ast.unparse(node), "Write the number")
    value = left**right
    if isinstance(value, complex):
        raise _not_plain(node)
    return value


def _call_value(node: ast.Call, names: Mapping[str, Any]) -> Any:
    called = _called(node.func)
    if called in CLASSES or called in _OTHERS or called in _BARE:
        return _constructed(called, node, names)
    if called in _FUNCTIONS and not node.keywords:
        try:
            return _FUNCTIONS[called](*(_number(argument, names) for argument in node.args))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValidationException(f"cannot be computed: {error}", ast.unparse(node), "Write the number") from None
    if called == "range" and not node.keywords:
        return _range(node, names)
    if called == "float" and len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
        return float(str(node.args[0].value))
    raise _not_plain(node)


def _constructed(called: str, node: ast.Call, names: Mapping[str, Any]) -> dict[str, Any]:
    kind = CLASSES.get(called) or _OTHERS.get(called)
    order = ARGUMENTS.get(kind or "", ())
    if len(node.args) > len(order) or any(isinstance(argument, ast.Starred) for argument in node.args):
        takes = f"{called}({', '.join(order)})" if order else f"{called}(name=value)"
        raise ValidationException("has too many arguments without a name", ast.unparse(node), f"Write {takes}")
    given = dict(zip(order, (value_of(argument, names) for argument in node.args), strict=False))
    for entry in node.keywords:
        if entry.arg is None:
            raise _not_plain(node)
        if entry.arg in given:
            raise ValidationException(f"{entry.arg} is given twice", ast.unparse(node), "Remove one")
        given[entry.arg] = value_of(entry.value, names)
    given = {name: value for name, value in given.items() if value is not None}
    if kind is None:
        return {"type": "uri_folder", **given} if called == "Input" else given
    # In the order of the constructor, so that what is written again looks as usual.
    ordered = {name: given.pop(name) for name in order if name in given}
    return {"type": kind, **ordered, **given}


def _range(node: ast.Call, names: Mapping[str, Any]) -> list[int]:
    numbers = [_number(argument, names) for argument in node.args]
    try:
        values = range(*numbers)  # type: ignore[arg-type]  # range itself says what is wrong
    except (TypeError, ValueError) as error:
        raise ValidationException(str(error), ast.unparse(node), "Write range(start, stop, step)") from None
    if len(values) > _LONGEST_RANGE:
        raise ValidationException(f"has {len(values)} values", ast.unparse(node), "Use QUniform or Randint")
    return list(values)


def _called(node: ast.expr) -> str:
    """Return the last word of what is called: ``LogUniform`` of ``wb.sweep.LogUniform``."""
    while isinstance(node, ast.Attribute):
        return node.attr if _is_dotted(node.value) else ""
    return node.id if isinstance(node, ast.Name) else ""


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def _not_plain(node: ast.expr) -> NotPlain:
    text = ast.unparse(node)
    fix = "Write a literal, or a distribution such as Choice([1, 2])"
    if isinstance(node, ast.Call) and (called := _called(node.func)) and called[:1].isupper():
        fix = nearest(called, CLASSES)
    return NotPlain(f"{text if len(text) < 60 else text[:57] + '...'} has no value before it runs", fix=fix)
