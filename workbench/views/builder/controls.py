"""The controls of the form: what the page says of them is taken one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import ipywidgets

__all__ = ["TURN", "Combobox", "Dropdown", "Text", "Textarea"]

TURN = threading.RLock()
"""Held by whoever changes a form.

JupyterLab sends what is typed to a subshell of the kernel, which is a thread, and to the main shell until the subshell
is there; cells change forms too. One for all forms, of which a kernel has one or two.
"""


class _InTurn:
    """A widget that takes a new state from the page only when nobody else is changing a form."""

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """Take the state, and tell the observers, before anybody else may."""
        with TURN:
            super().set_state(sync_data)  # type: ignore[misc]  # of the widget that this is mixed into


class Text(_InTurn, ipywidgets.Text):  # type: ignore[misc]  # ipywidgets has no types
    """A line of text."""


class Textarea(_InTurn, ipywidgets.Textarea):  # type: ignore[misc]
    """Several lines of text."""


class Combobox(_InTurn, ipywidgets.Combobox):  # type: ignore[misc]
    """A line of text with offers."""


class Dropdown(_InTurn, ipywidgets.Dropdown):  # type: ignore[misc]
    """One of several."""
