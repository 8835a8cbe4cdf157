"""What of a flood of outputs is kept."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat import NotebookNode

from workbench.notebooks.capping import MOST_BYTES, MOST_OUTPUTS, TEXT_CHARACTERS, TEXT_LINES, CellOutputs, size_of


def fill(*texts: tuple[str, str]) -> list[Any]:
    outputs: list[Any] = []
    kept = CellOutputs(outputs)
    for name, text in texts:
        outputs.append(NotebookNode(output_type="stream", name=name, text=text))
        kept.add_text(outputs[-1])
    kept.settle()
    return outputs


def text_of(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs)


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_text_within_the_bounds_is_kept_however_it_arrives(size: int) -> None:
    text = "".join(f"line {number}\n" for number in range(2 * TEXT_LINES))
    pieces = [("stdout", text[start : start + size]) for start in range(0, len(text), size)]
    assert text_of(fill(*pieces)) == text


@pytest.mark.parametrize("size", [13, 1000, 10_000_000])
def test_of_a_flood_the_first_and_last_lines_are_kept(size: int) -> None:
    text = "".join(f"line {number}\n" for number in range(50_000))
    pieces = [("stdout", text[start : start + size]) for start in range(0, len(text), size)]
    lines = text_of(fill(*pieces)).splitlines()
    assert lines[:TEXT_LINES] == [f"line {number}" for number in range(TEXT_LINES)]
    assert lines[TEXT_LINES] == "… 48,000 lines are left out here; the log of the trial has them …"
    assert lines[TEXT_LINES + 1 :] == [f"line {number}" for number in range(49_000, 50_000)]


def test_one_line_without_end_is_bounded_too() -> None:
    outputs = fill(*[("stdout", "x" * 1000)] * 5000)
    assert len(text_of(outputs)) <= 2 * TEXT_CHARACTERS + 100
    assert len(outputs) == 2


def test_each_stream_has_its_own_end() -> None:
    pieces = [(name, f"{name} {number}\n") for number in range(20_000) for name in ("stdout", "stderr")]
    outputs = fill(*pieces)
    assert [output.name for output in outputs[-2:]] == ["stdout", "stderr"]
    assert outputs[-2].text.endswith("stdout 19999\n")
    assert outputs[-1].text.endswith("stderr 19999\n")
    assert text_of(outputs).count("\n") <= 3 * TEXT_LINES + 2


def test_things_displayed_are_counted_and_their_places_stay() -> None:
    outputs: list[Any] = []
    kept = CellOutputs(outputs)
    for number in range(MOST_OUTPUTS + 5):
        if kept.has_room(1):
            outputs.append(NotebookNode(output_type="display_data", data={"text/plain": str(number)}))
        outputs.append(NotebookNode(output_type="stream", name="stdout", text="a\n" * 10))
        kept.add_text(outputs[-1])
    kept.settle()
    shown = [output for output in outputs if output.output_type == "display_data"]
    assert [output.data["text/plain"] for output in shown] == [str(number) for number in range(MOST_OUTPUTS)]
    assert outputs[-1].text == f"… 5 more outputs of this cell are left out: {MOST_OUTPUTS:,} are kept …\n"


def test_things_displayed_are_weighed_too() -> None:
    outputs: list[Any] = []
    kept = CellOutputs(outputs)
    picture = size_of({"data": {"image/png": "x" * 1_000_000, "application/json": {"a": 1}}})
    assert picture > 1_000_000
    room = [kept.has_room(picture) for _ in range(60)]
    assert room == [True] * (MOST_BYTES // 1_000_000) + [False] * (60 - MOST_BYTES // 1_000_000)
    kept.settle()
    assert outputs[-1].text == "… 10 more outputs of this cell are left out: 50 are kept …\n"
