"""The form's rows of parameters: fixed or swept, with bounds and a drawing of what will be drawn."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets

from workbench.definition.distributions import distribution_from_dict
from workbench.definition.inputs import LITERAL_TYPES
from workbench.errors import ValidationException
from workbench.views.builder.controls import Dropdown, Text
from workbench.views.builder.density import caption, density_svg
from workbench.views.builder.fields import Change, error_html, number_of, quietly
from workbench.views.builder.problems import Problems
from workbench.views.builder.sources import Found
from workbench.views.builder.values import (
    ARGUMENTS,
    CLASSES,
    is_distribution,
    list_of,
    list_text,
    scalar_of,
    scalar_text,
)

__all__ = ["ParameterRows"]

_FIXED, _DATA = "fixed", "data"
_LABELS: Mapping[str, str] = {
    "values": "of",
    "min_value": "from",
    "max_value": "to",
    "q": "step",
    "mu": "mean",
    "sigma": "sd",
    "upper": "below",
}
_LOG_LABELS: Mapping[str, str] = {"min_value": "from e^", "max_value": "to e^", "mu": "mean e^", "sigma": "sd e^"}
_WORDS = {bool: "boolean", int: "integer", float: "number", str: "string"}
_KINDS = [("fixed value", _FIXED), ("data", _DATA), *((name, kind) for name, kind in CLASSES.items())]


class ParameterRows:
    """A row for each parameter.

    Args:
        change: is told of each change.
    """

    def __init__(self, change: Change) -> None:
        self.box = ipywidgets.VBox()
        self._change = change
        self._rows: dict[str, _Row] = {}
        self._order: list[str] = []

    def show(self, inputs: Mapping[str, Any], problems: Problems, found: Found, logbase: float) -> None:
        """Show the draft's parameters; rows keep their places while their kinds change."""
        names = [name for name in self._order if name in inputs] + [name for name in inputs if name not in self._order]
        for name in names:
            if name not in self._rows:
                self._rows[name] = _Row(name, self._change)
            told = [found.helps.get(name, "")]
            if name in found.whole and _gives_fractions(inputs[name]):
                told.insert(0, "it takes whole numbers: QUniform or Randint give those")
            self._rows[name].empty = _emptied(found.draft.inputs.get(name))
            self._rows[name].choices = choices = found.choices.get(name, ())
            if choices:
                told.append(f"one of {list_text(choices)}")
            if isinstance(inputs[name], Mapping) and inputs[name].get("optional") and _part(inputs[name], "") is None:
                told.append("left out while it is empty")
            self._rows[name].show(inputs[name], problems, told, logbase)
        if names != self._order:
            self._rows = {name: self._rows[name] for name in names}
            self._order = names
            self.box.children = [row.box for row in self._rows.values()] or [_nothing()]
        elif not self.box.children:
            self.box.children = [_nothing()]


class _Row:
    """One parameter: how it gets its value, the arguments of that, a drawing, and what is wrong."""

    def __init__(self, name: str, change: Change) -> None:
        self.name, self._path = name, f"inputs.{name}"
        self.choices: Sequence[Any] = ()
        self.empty: Any = ""
        self._change = change
        self._quiet = False
        self._value: Any = None
        self._kind = ""
        self._fields: dict[str, Any] = {}
        self._how = Dropdown(options=_KINDS, description=name, tooltip=f"How {name} gets its value")
        self._how.add_class("wb-how")
        self._how.observe(self._chosen, "value")
        self._arguments = ipywidgets.HBox()
        self._arguments.add_class("wb-arguments")
        self._preview = ipywidgets.HTML()
        self._preview.add_class("wb-preview")
        self._note = ipywidgets.HTML()
        self._note.add_class("wb-note")
        self.box = ipywidgets.Box([self._how, self._arguments, self._preview, self._note])
        self.box.add_class("wb-row")

    def show(self, value: Any, problems: Problems, told: Sequence[str], logbase: float) -> None:
        """Show the parameter's value, and what is wrong with it."""
        self._value = value
        kind = _kind(value)
        self._quiet = True
        quietly(self._how, "value", kind)
        if kind != self._kind:
            self._kind = kind
            self._fields = {name: self._field(name) for name in _arguments(kind)}
            self._arguments.children = list(self._fields.values())
        for name, field in self._fields.items():
            if not _same(_read(self._kind, name, field.value), _part(value, name)):
                field.value = _text(kind, _part(value, name))
        self._quiet = False
        drawn, said = _drawing(value, logbase)
        problem = problems.at(self._path)
        quietly(self._preview, "value", drawn)
        words = " · ".join(html.escape(word) for word in (said, *told) if word)
        quietly(self._note, "value", error_html(problem) or (f"<span>{words}</span>" if words else ""))

    def _field(self, name: str) -> Any:
        logs = self._kind.startswith(("log", "qlog"))
        label = (_LOG_LABELS.get(name) if logs else None) or _LABELS.get(name, "value" if name == "" else name)
        hint = "an exponent of e: write log(0.001) for 0.001" if logs and name in _LOG_LABELS else ""
        field = Text(description=label, tooltip=f"{self.name}: {label} {hint}".strip(), placeholder="")
        field.style.description_width = "initial"
        field.observe(lambda change: self._typed(name, change["new"]), "value")
        return field

    def _typed(self, name: str, text: str) -> None:
        if self._quiet:
            return
        value = _read(self._kind, name, text)
        if name == "":
            self._change(self._path, self.empty if value is None else value)
        else:
            rest = {key: entry for key, entry in self._value.items() if key != name}
            order = ("type", *ARGUMENTS.get(self._kind, ()))
            merged = rest if value is None else {**rest, name: value}
            ordered = {key: merged[key] for key in (*order, *merged) if key in merged}
            self._change(self._path, ordered)

    def _chosen(self, change: Any) -> None:
        if not self._quiet:
            turned = _turned(self._value, change["new"], self.choices)
            self._change(self._path, self.empty if turned == "" else turned)


def _kind(value: Any) -> str:
    if is_distribution(value):
        return str(value["type"])
    if isinstance(value, Mapping) and value.get("type") not in LITERAL_TYPES:
        return _DATA
    return _FIXED


def _emptied(begun: Any) -> Any:
    """Return what an input without a value is: what it was declared as where the form began, else an empty text."""
    if not isinstance(begun, Mapping) or _kind(begun) != _FIXED:
        return ""
    return {name: value for name, value in begun.items() if name != "default"}


def _gives_fractions(value: Any) -> bool:
    if not is_distribution(value):
        return False
    step = value.get("q", 1 if value["type"] in ("choice", "randint") else 0.5)
    return not (isinstance(step, int | float) and step == int(step))


def _arguments(kind: str) -> Sequence[str]:
    return ("",) if kind == _FIXED else ("path",) if kind == _DATA else ARGUMENTS[kind]


def _part(value: Any, name: str) -> Any:
    if name == "":
        return value.get("default") if isinstance(value, Mapping) else value
    return value.get(name) if isinstance(value, Mapping) else None


def _text(kind: str, value: Any) -> str:
    return list_text(value) if kind == "choice" and value is not None else scalar_text(value)


def _read(kind: str, name: str, text: str) -> Any:
    """Return what a field means; nothing if it is empty."""
    if kind == "choice":
        return list_of(text) if text.strip() else None
    if name == "path":
        return text or None
    if name != "":
        return number_of(text)
    return scalar_of(text) if text else None


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _turned(value: Any, kind: str, choices: Sequence[Any] = ()) -> Any:
    """Return a value of another kind that is as near as can be to the one there was, or one of those it can have."""
    number = _middle(value)
    if kind == _FIXED:
        return number
    if kind == _DATA:
        return {"type": "uri_folder", "path": value if isinstance(value, str) else "./data"}
    if kind == "choice":
        listed = [True, False] if isinstance(number, bool) else list(choices)
        options = listed or ([] if isinstance(value, Mapping) and number == "" else [number])
        return {"type": "choice", "values": options}
    low, high, whole = _range(value, number)
    if kind == "randint":
        return {"type": "randint", "upper": max(2, math.ceil(high))}
    if "log" in kind:
        floor = max(low, high / 1000, 1e-12) if low <= 0 else low
        low, high = round(math.log(floor), 2), round(math.log(max(high, floor * 10)), 2)
    step = {"q": 1 if whole else _step(high - low)} if kind.startswith("q") else {}
    if "normal" in kind:
        mean, deviation = round((low + high) / 2, 4), round((high - low) / 4, 4) or 1
        if whole and "log" not in kind:
            mean, deviation = round(mean), max(1, round(deviation))
        return {"type": kind, "mu": mean, "sigma": deviation, **step}
    return {"type": kind, "min_value": low, "max_value": high, **step}


def _middle(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if _kind(value) == "choice":
        return next(iter(value.get("values") or []), "")
    try:
        distribution = distribution_from_dict(value)
        middle = distribution.from_unit(0.5)
        return float(f"{middle:.3g}") if isinstance(middle, float) else middle
    except ValidationException:
        return value.get("default", value.get("path", ""))


def _range(value: Any, number: Any) -> tuple[float, float, bool]:
    """Return bounds that a new distribution begins with: those there were, else a decade around the value."""
    if isinstance(value, Mapping) and is_distribution(value):
        try:
            found = distribution_from_dict(value)
            low, high = found.bounds() or (0.0, 0.0)
            if not (math.isfinite(low) and math.isfinite(high)):
                low, high = (float(found.from_unit(unit)) for unit in (0.025, 0.975))  # type: ignore[arg-type]
            if low < high:
                whole = low == int(low) and high == int(high)
                return (int(low), int(high), True) if whole else (float(f"{low:.3g}"), float(f"{high:.3g}"), False)
        except ValidationException:
            pass  # it had no bounds to take over
    options = value.get("values", ()) if isinstance(value, Mapping) else ()
    numbers = [entry for entry in options if isinstance(entry, int | float) and not isinstance(entry, bool)]
    if len(numbers) > 1:
        return min(numbers), max(numbers), all(isinstance(entry, int) for entry in numbers)
    if isinstance(number, bool) or not isinstance(number, int | float) or number == 0:
        return 0.0, 1.0, False
    low, high = sorted((number / 10, number * 10))
    if isinstance(number, int):
        return math.floor(low), math.ceil(high), True
    return float(f"{low:.3g}"), float(f"{high:.3g}"), False


def _step(width: float) -> float:
    return float(f"{10.0 ** math.floor(math.log10(width / 10)):.1g}") if width > 0 else 0.1


def _drawing(value: Any, logbase: float) -> tuple[str, str]:
    """Return the drawing of a distribution, and in words what it gives; for a fixed value its type."""
    if not is_distribution(value):
        word = str(value.get("type", "")) if isinstance(value, Mapping) else _WORDS.get(type(value), "")
        return f'<span class="wb-type">{html.escape(word)}</span>', ""
    try:
        distribution = distribution_from_dict(value)
        return density_svg(distribution, logbase), caption(distribution, logbase)
    except ValidationException:
        return "", ""


def _nothing() -> Any:
    return ipywidgets.HTML(
        '<div class="wb-note">No parameters yet. Open a script or a notebook above, or write <code>inputs</code> into '
        "one of the texts below.</div>"
    )
