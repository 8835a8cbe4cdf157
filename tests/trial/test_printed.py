"""Metrics found in a log: whole lines only, each once, whoever looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.trial.printed import Printed
from workbench.trial.report import read_points

PATTERNS = {"loss": r"loss[=:] ?(\S+)", "accuracy": r"step (?P<step>\d+) .*acc (?P<value>[\d.]+)"}


def follow(folder: Path) -> Printed:
    return Printed(folder / "log", folder / "metrics.jsonl", PATTERNS, str(folder / "wake"))


def found(folder: Path) -> list[tuple[str, float, int]]:
    return [point[:3] for point in read_points(folder / "metrics.jsonl")[0]]


def test_lines_that_match_are_points(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("begin\nloss=1.5\nstep 7 of 9, acc 0.25, loss: 1e-3\nloss=none\nloss=nearly loss=2\n")
    follow(tmp_path).look()
    assert found(tmp_path) == [("loss", 1.5, 0), ("loss", 0.001, 1), ("accuracy", 0.25, 7), ("loss", 2.0, 2)]


def test_a_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    log, printed = tmp_path / "log", follow(tmp_path)
    printed.look()  # there is no log yet
    log.write_text("loss=1")
    printed.look()
    assert found(tmp_path) == []
    with log.open("a") as file:
        file.write("5\nloss=2\rloss=3")
    printed.look()
    assert [value for _, value, _ in found(tmp_path)] == [15, 2]
    printed.look(at_end=True)
    assert [value for _, value, _ in found(tmp_path)] == [15, 2, 3]


def test_a_line_without_end_does_not_stop_what_follows(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"." * (3 << 20) + b"\nloss=1\n" + b"\xff\xfe loss=2\n")
    follow(tmp_path).look()
    assert [value for _, value, _ in found(tmp_path)] == [1, 2]


@given(
    st.lists(st.sampled_from(["loss=1\n", "step 3 acc 0.5 loss=2\n", "nothing\n", "loss=4\r", "loss="]), max_size=12),
    st.lists(st.integers(1, 30), max_size=8),
)
def test_whoever_goes_on_finds_each_point_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int]
) -> None:
    folder, whole = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("whole")
    text = "".join(lines)
    (whole / "log").write_text(text, newline="")
    follow(whole).look(at_end=True)
    written = 0
    for cut in cuts:  # each part is looked at by another process, as after a host was killed
        written += cut
        (folder / "log").write_text(text[:written], newline="")
        follow(folder).look()
    (folder / "log").write_text(text, newline="")
    follow(folder).look(at_end=True)
    assert found(folder) == found(whole)
