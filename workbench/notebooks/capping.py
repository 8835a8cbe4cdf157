"""A bound on what one cell may leave in the executed notebook; the log of the trial has all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from nbclient.output_widget import OutputWidget

__all__ = [
    "MOST_BYTES",
    "MOST_OUTPUTS",
    "TEXT_CHARACTERS",
    "TEXT_LINES",
    "BoundedOutputWidget",
    "CellOutputs",
    "size_of",
]

TEXT_LINES = 1000
"""Lines of printed text that are kept from the beginning of a cell's output, and as many from its end."""

TEXT_CHARACTERS = 200_000
"""Characters of it, likewise."""

MOST_OUTPUTS = 1000
"""Outputs of one cell beside printed text: tables, plots, anything displayed."""


MOST_BYTES = 50_000_000
"""Size of all of these in one cell; one more may be begun."""


class CellOutputs:
    """What has been added to the outputs of one cell, and what of it is kept.

    Nothing is ever removed in front of a kept output: their positions are what display ids refer to.

    Args:
        outputs: the cell's list of outputs.
    """

    def __init__(self, outputs: list[Any]) -> None:
        self._outputs = outputs
        self._lines = 0
        self._characters = 0
        self._tails: dict[str, _Tail] = {}
        self._displayed = 0
        self._bytes = 0
        self._beyond = 0
        self._left_out: Any = None

    def add_text(self, output: Any) -> None:
        """Keep as much of the stream output, which is the last in the list, as there is room for."""
        text, name = output.text, output.name
        if not self._tails:
            room = _cut(text, TEXT_LINES - self._lines, TEXT_CHARACTERS - self._characters)
            self._lines += text.count("\n", 0, room)
            self._characters += room
            if room == len(text):
                self._join_last()
                return
            output.text, text = text[:room], text[room:]
            if room:
                output = output.copy()
                self._join_last()
            else:
                self._outputs.pop()
        else:
            self._outputs.pop()
        if name not in self._tails:
            self._tails[name] = _Tail()
            self._outputs.append(self._tails[name].into(output.copy()))
        self._tails[name].add(text)

    def _join_last(self) -> None:
        """Make one output of the last two where both are text of the same stream, as notebook editors do."""
        if len(self._outputs) < 2:
            return
        before, last = self._outputs[-2:]
        if before.output_type == "stream" and before.name == last.name:
            before.text += last.text
            self._outputs.pop()

    def has_room(self, size: int) -> bool:
        """Return whether one more thing of so many bytes may be displayed; counts it, and what is left out."""
        if self._beyond or self._displayed >= MOST_OUTPUTS or self._bytes >= MOST_BYTES:
            self._beyond += 1
            return False
        self._displayed += 1
        self._bytes += size
        return True

    def settle(self) -> None:
        """Bring the outputs up to date with what was added; to be called before anybody reads them."""
        for tail in self._tails.values():
            tail.settle()
        if self._beyond:
            if self._left_out is None:
                from nbformat import NotebookNode  # noqa: PLC0415 - rarely needed

                self._left_out = NotebookNode(output_type="stream", name="stderr", text="")
                self._outputs.append(self._left_out)
            self._left_out.text = (
                f"… {self._beyond:,} more outputs of this cell are left out: {self._displayed:,} are kept …\n"
            )


class BoundedOutputWidget(OutputWidget):  # type: ignore[misc]  # nbclient has no types
    """An ``ipywidgets.Output`` that keeps the beginning of a flood, and a note; the log has the rest."""

    _lines = _characters = _displayed = _bytes = 0
    _is_full = False

    def output(self, outs: list[Any], msg: Any, display_id: str | None, cell_index: int) -> None:
        """Take up an output, while there is room."""
        if self.clear_before_next_output:
            self._begin_anew()
        if self._is_full:
            return
        content = msg["content"]
        if msg["msg_type"] == "stream":
            text = content["text"]
            room = _cut(text, TEXT_LINES - self._lines, TEXT_CHARACTERS - self._characters)
            self._lines += text.count("\n", 0, room)
            self._characters += room
            self._is_full = room < len(text)
            msg = {**msg, "content": {**content, "text": text[:room]}}
        elif msg["msg_type"] != "error":
            self._is_full = self._displayed >= MOST_OUTPUTS or self._bytes >= MOST_BYTES
            self._displayed += 1
            self._bytes += size_of(content)
        if self._is_full:
            note = "… what else was shown here is left out; the log of the trial has what was printed …\n"
            before = msg["content"]["text"] if msg["msg_type"] == "stream" else ""
            msg = {**msg, "msg_type": "stream", "header": {**msg["header"], "msg_type": "stream"}}
            msg["content"] = {"name": content.get("name", "stdout"), "text": before + note}
        super().output(outs, msg, display_id, cell_index)

    def clear_output(self, outs: list[Any], msg: Any, cell_index: int) -> None:
        """Forget what was shown."""
        super().clear_output(outs, msg, cell_index)
        if not self.outputs:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._lines = self._characters = self._displayed = self._bytes = 0
        self._is_full = False


def size_of(content: Mapping[str, Any]) -> int:
    """Return about how many bytes something that is displayed takes in a notebook."""
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in content.get("data", {}).values())


class _Tail:
    """The last lines of one stream, behind a note that says how many are missing."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._characters = 0
        self._dropped = 0
        self._output: Any = None

    def into(self, output: Any) -> Any:
        """Return ``output`` after making it the one that shows this."""
        self._output = output
        return output

    def add(self, text: str) -> None:
        lines = text.split("\n")
        lines = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
        if self._lines and not self._lines[-1].endswith("\n"):
            begun = self._lines.pop()
            self._characters -= len(begun)
            lines[0] = begun + lines[0]
        for line in filter(None, lines):
            kept = line[-TEXT_CHARACTERS:]
            self._lines.append(kept)
            self._characters += len(kept)
        while len(self._lines) > TEXT_LINES or self._characters > TEXT_CHARACTERS:
            self._characters -= len(self._lines.popleft())
            self._dropped += 1

    def settle(self) -> None:
        note = (
            f"… {self._dropped:,} lines are left out here; the log of the trial has them …\n" if self._dropped else ""
        )
        self._output.text = note + "".join(self._lines)


def _cut(text: str, lines: int, characters: int) -> int:
    """Return how much of ``text`` is within the first ``lines`` lines and ``characters`` characters."""
    end = 0
    for _ in range(max(0, lines)):
        newline = text.find("\n", end)
        if newline < 0:
            end = len(text)
            break
        end = newline + 1
    return max(0, min(end, characters))
