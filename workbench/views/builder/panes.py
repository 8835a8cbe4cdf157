"""The three texts of the form: always in view, copyable, and as good as the form to change the job."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets

from workbench.errors import WorkbenchError
from workbench.views.builder.controls import TURN, Textarea
from workbench.views.builder.fields import error_html, quietly
from workbench.views.builder.form import Draft

__all__ = ["Pane"]

_COPY = (
    "const t=this.closest('.wb-pane').querySelector('textarea');t.select();"
    "navigator.clipboard?navigator.clipboard.writeText(t.value):document.execCommand('copy');"
    "this.textContent='Copied';setTimeout(()=>this.textContent='Copy',1500)"
)


class Pane:
    """One text.

    Args:
        title: what it is.
        write: makes the text of a draft.
        read: makes a draft of the text, or says what is wrong.
        change: is told the draft that a changed text means.
        when_left: whether it is read only when the user leaves it: for a text whose reading keeps something.
    """

    def __init__(
        self,
        title: str,
        write: Callable[[Draft], str],
        read: Callable[[str], Draft],
        change: Callable[[Draft, Pane], None],
        *,
        when_left: bool = False,
    ) -> None:
        self._write, self._read, self._change = write, read, change
        self._quiet = False
        self.is_wrong = False
        tooltip = f"{title}: the form follows when you leave it" if when_left else title
        self._text = Textarea(description=title, rows=9, tooltip=tooltip, continuous_update=not when_left)
        self._text.observe(self._typed, "value")
        self._error = ipywidgets.HTML()
        self._back = ipywidgets.Button(
            description="Back to the form's", tooltip="Replace this text by what the form means"
        )
        self._back.add_class("wb-gone")
        self._back.on_click(lambda _: self._go_back())
        name = html.escape(title)
        head = ipywidgets.HTML(
            f'<div class="wb-pane-head"><span>{name}</span><button type="button" class="wb-copy" '
            f'aria-label="Copy {name}" onclick="{_COPY}">Copy</button></div>'
        )
        self.box = ipywidgets.VBox([head, self._text, self._error, self._back])
        self.box.add_class("wb-pane")
        self._draft = Draft()

    @property
    def value(self) -> str:
        """The text as it stands there."""
        return str(self._text.value)

    def show(self, draft: Draft) -> None:
        """Show the text of a draft, unless the user's own text could not be read: that stays until it is mended."""
        self._draft = draft
        if self.is_wrong:
            return
        try:
            text = self._write(draft)
        except WorkbenchError as error:
            quietly(self._error, "value", error_html(str(error)))
            return
        self._set(text)

    def keep(self, draft: Draft) -> None:
        """Take note of the draft that this text has made, without touching the text."""
        self._draft = draft

    def _set(self, text: str) -> None:
        self._quiet = True
        quietly(self._text, "value", text)
        self._quiet = False
        self._tell("")

    def _typed(self, change: Any) -> None:
        if self._quiet:
            return
        try:
            draft = self._read(change["new"])
        except WorkbenchError as error:
            self._tell(str(error))
            return
        self._tell("")
        self._change(draft, self)

    def _go_back(self) -> None:
        with TURN:
            self.is_wrong = False
            self.show(self._draft)

    def _tell(self, problem: str) -> None:
        self.is_wrong = bool(problem)
        quietly(self._error, "value", error_html(f"{problem.rstrip('.')}. The form is as before." if problem else ""))
        if problem:
            self._back.remove_class("wb-gone")
        else:
            self._back.add_class("wb-gone")
