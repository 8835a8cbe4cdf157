"""The single fields of the form: a control, what is wrong beside it, and how it speaks to the draft."""

from __future__ import annotations

import ast
import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from workbench.errors import ValidationException
from workbench.views.builder.controls import Combobox, Dropdown, Text, Textarea
from workbench.views.builder.values import scalar_of, scalar_text, value_of

__all__ = ["Field", "chosen", "command_field", "error_html", "number_of", "quietly", "section", "text_of", "written"]

Change = Callable[[str, Any], None]
"""Called with a path in the draft and the value to put there."""


class Field:
    """A control for one path of the draft.

    Args:
        control: the ipywidget that is typed or chosen in.
        path: what it sets.
        change: is told of each change by the user.
        to_value: from what the control holds to the draft's value.
        to_text: the other way round.
        wide: whether it takes a whole row of the grid.
    """

    def __init__(
        self,
        control: Any,
        path: str,
        change: Change,
        to_value: Callable[[str], Any],
        to_text: Callable[[Any], str],
        *,
        wide: bool = False,
    ) -> None:
        self.control, self.path = control, path
        self._change, self._to_value, self._to_text = change, to_value, to_text
        self._error = ipywidgets.HTML()
        self._quiet = False
        self.box = ipywidgets.VBox([control, self._error])
        if wide:
            self.box.add_class("wb-wide")
        control.observe(self._changed, "value")

    def show(self, value: Any, problem: str) -> None:
        """Show the draft's value and what is wrong with it; what the user is typing stays as it is typed."""
        if not _equal(self._to_value(self.control.value), value):
            self._quiet = True
            self.control.value = self._to_text(value)
            self._quiet = False
        quietly(self._error, "value", error_html(problem))

    def _changed(self, change: Any) -> None:
        if not self._quiet:
            self._change(self.path, self._to_value(change["new"]))


def written(
    label: str,
    path: str,
    change: Change,
    *,
    hint: str = "",
    offers: Sequence[str] = (),
    text: bool = False,
    wide: bool = False,
) -> Field:
    """Return a field that is typed in.

    Args:
        label: what it is called.
        path: what it sets in the draft.
        change: is told of each change.
        hint: shown while it is empty, and as its tooltip.
        offers: values offered for completion.
        text: whether all that is typed is text; else numbers are numbers.
        wide: whether it takes a whole row.
    """
    options: dict[str, Any] = {
        "description": label,
        "placeholder": hint,
        "tooltip": f"{label}: {hint}" if hint else label,
    }
    control = Combobox(**options, options=tuple(offers), ensure_option=False) if offers else Text(**options)
    as_text = text_of if text else number_of
    return Field(control, path, change, as_text, (lambda value: str(value or "")) if text else scalar_text, wide=wide)


def command_field(label: str, path: str, change: Change, *, hint: str) -> Field:
    """Return a field for a command, which may be long."""
    control = Textarea(description=label, placeholder=hint, rows=2, tooltip=label)
    control.add_class("wb-command")
    return Field(control, path, change, text_of, lambda value: str(value or ""), wide=True)


def chosen(label: str, path: str, change: Change, options: Sequence[tuple[str, str]], *, default: str) -> Field:
    """Return a field in which one of several is chosen; ``default`` stands for no value."""
    control = Dropdown(options=list(options), value=default, description=label, tooltip=label)
    known = {value for _, value in options}
    return Field(
        control,
        path,
        change,
        lambda value: None if value == default else value,
        lambda value: value if value in known else default,
    )


def text_of(text: str) -> str | None:
    """Return the text, or None for an empty one."""
    return text or None


def number_of(text: str) -> Any:
    """Return what a field for a number means: a number, also one that is computed, else the text as it is."""
    if not text.strip():
        return None
    value = scalar_of(text)
    if isinstance(value, str) and not text.strip().startswith('"'):
        try:
            computed = value_of(ast.parse(text.strip(), mode="eval").body)
        except (ValidationException, SyntaxError, ValueError):
            return value
        return computed if isinstance(computed, int | float) else value
    return value


def error_html(problem: str) -> str:
    """Return a message as the form shows it beside a field."""
    return f'<div class="wb-error" role="status">{html.escape(problem)}</div>' if problem else ""


def section(title: str, note: str = "") -> Any:
    """Return the heading of a part of the form."""
    told = f"<span>{html.escape(note)}</span>" if note else ""
    return ipywidgets.HTML(f'<div class="wb-section" role="heading" aria-level="3">{html.escape(title)}{told}</div>')


def quietly(widget: Any, trait: str, value: Any) -> None:
    """Set a trait only where that changes something: every set is a message to the browser."""
    if getattr(widget, trait) != value:
        setattr(widget, trait, value)


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
