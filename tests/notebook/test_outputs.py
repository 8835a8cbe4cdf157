"""Small results of a trial, and how far it is: what is written, and what is read again."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.notebooks.reporting import Reporter
from workbench.store.files import TrialFolder
from workbench.trial.outputs import MOST_ROWS, read_outputs
from workbench.trial.progress import read_progress
from workbench.trial.report import FOLDER_VARIABLE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialFolder:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return TrialFolder(tmp_path)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1, 1),
        ("größe", "größe"),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        ({"a": (np.int64(1), {2})}, {"a": [1, [2]]}),
        (Path("/x"), "/x"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (pd.Series([1, 2]), [1, 2]),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        (pd.DataFrame({"a": [1]}, index=pd.Index(["i"], name="key")), [{"key": "i", "a": 1}]),
    ],
)
def test_values_and_tables_come_back_as_json(folder: TrialFolder, value: Any, read: Any) -> None:
    workbench.output("name", value)
    assert read_outputs(folder.output_values) == {"name": read}


def test_a_later_value_takes_the_place_and_half_a_line_is_nothing(folder: TrialFolder) -> None:
    workbench.output("a", 1)
    workbench.output("b", 2)
    workbench.output("a", 3)
    with folder.output_values.open("a") as file:
        file.write('[]\n{"name": "c", "val')
    assert read_outputs(folder.output_values) == {"a": 3, "b": 2}


def test_what_is_too_large_or_no_value_is_refused(folder: TrialFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"output 'big' is .* bytes long, .* write it to a file in \./outputs"):
        workbench.output("big", "x" * (1 << 21))
    with pytest.raises(TypeError, match="object cannot be an output"):
        workbench.output("thing", object())
    assert read_outputs(folder.output_values) == {}
    workbench.output("long", pd.DataFrame({"a": range(MOST_ROWS + 1)}))
    assert len(read_outputs(folder.output_values)["long"]) == MOST_ROWS
    assert "of 10,001 rows the first 10,000 are kept" in capsys.readouterr().out


def test_outside_a_trial_values_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    workbench.output("accuracy", 0.5)
    assert capsys.readouterr().out == "accuracy = 0.5\n"


def cell(source: str, kind: str = "code", *tags: str) -> Any:
    return SimpleNamespace(cell_type=kind, source=source, metadata={"tags": list(tags)} if tags else {})


def test_cells_are_counted_as_their_prompts_show_them(folder: TrialFolder) -> None:
    skipped = cell("never()", "code", "skip-execution")
    cells = [cell("# title", "markdown"), cell("a = 1"), skipped, cell("  \n"), cell("# why\n%%time\nmodel.fit(x)")]
    reporter = Reporter({FOLDER_VARIABLE: str(folder.root)})
    reporter.begin(cells)
    assert str(read_progress(folder)) == "the kernel is starting"
    for one in cells:
        reporter.cell_begins(one)
    assert str(read_progress(folder)) == "cell 2 of 2: model.fit(x)"
    assert (reporter.where(1), reporter.where(4)) == ("cell 1 of 2", "cell 2 of 2")


def test_a_progress_file_of_somebody_else_is_no_progress(folder: TrialFolder) -> None:
    for text in ("", "[1]", '{"cell": 1}', '{"percent": 5}'):
        folder.progress.write_text(text)
        assert read_progress(folder) is None
