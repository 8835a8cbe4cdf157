"""Metric points through the file: whole lines, any number of writers, torn and broken ones survived."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from workbench.trial import bare
from workbench.trial.report import log, poke, read_points, report


def test_points_come_back_as_written(tmp_path: Path) -> None:
    points = [("acc", 0.5, 1, 10), ("ü", math.inf, 0, 11), ("loss", -1e-300, -3, 12)]
    report(tmp_path, points, None)
    found, offset = read_points(tmp_path / "metrics.jsonl")
    assert found == points
    assert read_points(tmp_path / "metrics.jsonl", offset) == ([], offset)


def test_not_a_number_survives(tmp_path: Path) -> None:
    report(tmp_path, [("loss", math.nan, 0, 1)], None)
    assert math.isnan(read_points(tmp_path / "metrics.jsonl")[0][0][1])


def test_a_torn_last_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    report(tmp_path, [("a", 1.0, 0, 1)], None)
    path = tmp_path / "metrics.jsonl"
    line = json.dumps({"k": "b", "v": 2.0, "s": 0, "t": 2}) + "\n"
    with path.open("a") as file:
        file.write(line[:9])
    first, offset = read_points(path)
    with path.open("a") as file:
        file.write(line[9:])
    second, _ = read_points(path, offset)
    assert [point[0] for point in (*first, *second)] == ["a", "b"]


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"k": "a"}\n\xff\xfe\nnull\n[]\n7\n{"k":"x","v":"abc","t":1}\n')
    report(tmp_path, [("good", 1.0, 0, 1)], None)
    assert [point[0] for point in read_points(path)[0]] == ["good"]


def test_a_missing_file_has_no_points(tmp_path: Path) -> None:
    assert read_points(tmp_path / "none", 0) == ([], 0)


def test_writers_never_mix_their_lines(tmp_path: Path) -> None:
    def write(worker: int) -> None:
        for step in range(500):
            report(tmp_path, [(f"w{worker}", float(step), step, step)] * 2, None)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points, _ = read_points(tmp_path / "metrics.jsonl")
    for worker in range(4):
        assert [point[2] for point in points if point[0] == f"w{worker}"] == [s for s in range(500) for _ in (0, 1)]


def test_log_reports_inside_a_trial_and_prints_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WORKBENCH_TRIAL_FOLDER", raising=False)
    log(step=3, accuracy=0.5)
    assert capsys.readouterr().out == "step 3: accuracy=0.5\n"
    monkeypatch.setenv("WORKBENCH_TRIAL_FOLDER", str(tmp_path))
    log(step=3, accuracy=0.5, loss=2)
    assert [point[:3] for point in read_points(tmp_path / "metrics.jsonl")[0]] == [
        ("accuracy", 0.5, 3),
        ("loss", 2.0, 3),
    ]
    with pytest.raises(ValueError, match="abc"):
        log(accuracy="abc")  # type: ignore[arg-type]


def test_a_poke_tells_whether_somebody_listens_and_never_waits(tmp_path: Path) -> None:
    wake = tmp_path / "wake"
    assert not poke(wake)
    os.mkfifo(wake)
    assert not poke(wake)
    reader = os.open(wake, os.O_RDWR | os.O_NONBLOCK)
    assert all(poke(wake) for _ in range(70_000)), "a full pipe is a listener that has not looked yet"
    os.close(reader)
    assert not poke(wake)


def test_an_installed_workbench_is_not_hidden(tmp_path: Path) -> None:
    mounted, there = tmp_path / "mounted", tmp_path / "site"
    mounted.mkdir()
    shutil.copyfile(bare.__file__, mounted / "workbench.py")
    (there / "workbench").mkdir(parents=True)

    def imported(name: str) -> str:
        return subprocess.run(
            [sys.executable, "-S", "-c", f"import workbench; print(workbench.{name})"],
            env={"PYTHONPATH": f"{mounted}{os.pathsep}{there}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert imported("__file__") == str(mounted / "workbench.py"), "a folder of that name is no workbench"
    (there / "workbench" / "__init__.py").write_text("def command(): pass\n")
    assert imported("command.__name__") == "command"
    assert imported("__file__") == str(there / "workbench" / "__init__.py")
