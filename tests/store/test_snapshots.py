"""Snapshots of code: what is in them, and that equal content is kept once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from workbench.errors import ValidationException
from workbench.store.files import WorkspaceFolder, read_json, write_json
from workbench.store.snapshots import fingerprint, keep_surroundings, take_snapshot
from workbench.store.workspace import find_workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceFolder:
    return open_workspace(tmp_path / "ws")


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def make(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_equal_content_is_one_snapshot_whatever_its_place_and_time(tmp_path: Path, workspace: WorkspaceFolder) -> None:
    one = make(tmp_path / "one", a_dot_py="x", sub__b_dot_py="y")
    two = make(tmp_path / "two", a_dot_py="x", sub__b_dot_py="y")
    os.utime(two / "a.py", (1, 1))
    assert take_snapshot(one, workspace) == take_snapshot(two, workspace)
    (two / "a.py").write_text("z")
    assert take_snapshot(one, workspace) != take_snapshot(two, workspace)
    assert len(list(workspace.snapshots.iterdir())) == 2


def test_an_executable_bit_is_content(tmp_path: Path, workspace: WorkspaceFolder) -> None:
    code = make(tmp_path / "code", run_dot_sh="x")
    plain = take_snapshot(code, workspace)
    (code / "run.sh").chmod(0o755)
    executable = take_snapshot(code, workspace)
    assert plain != executable
    assert os.access(workspace.snapshots / executable / "run.sh", os.X_OK)


@pytest.mark.parametrize(
    ("ignore_files", "kept"),
    [
        ({}, {"train.py", "data.csv", "sub/data.csv"}),
        ({".gitignore": "*.csv"}, {"train.py", ".gitignore"}),
        ({".gitignore": "train.py", ".amlignore": "/data.csv\n"}, {"train.py", "sub/data.csv", ".gitignore"}),
        ({".amlignore": "*.csv\n!sub/data.csv"}, {"train.py", "sub/data.csv"}),
    ],
    ids=["none", "gitignore", "amlignore before gitignore", "negation"],
)
def test_ignore_files(tmp_path: Path, workspace: WorkspaceFolder, ignore_files: dict[str, str], kept: set[str]) -> None:
    code = make(tmp_path / "code", train_dot_py="x", data_dot_csv="1", sub__data_dot_csv="2")
    make(code, __pycache____x_dot_pyc="no")
    for name, text in ignore_files.items():
        (code / name).write_text(text)
    assert files_of(workspace.snapshots / take_snapshot(code, workspace)) == kept


def test_a_workspace_inside_the_code_is_no_part_of_it(tmp_path: Path) -> None:
    code = make(tmp_path / "code", train_dot_py="x")
    workspace = open_workspace(code)
    make(workspace.runs / "old", output_dot_log="long")
    assert files_of(workspace.snapshots / take_snapshot(code, workspace)) == {"train.py"}


def test_links_are_followed_but_not_in_circles(tmp_path: Path, workspace: WorkspaceFolder) -> None:
    code = make(tmp_path / "code", train_dot_py="x")
    make(tmp_path / "shared", util_dot_py="y")
    (code / "shared").symlink_to(tmp_path / "shared")
    (code / "self").symlink_to(code)
    assert files_of(workspace.snapshots / take_snapshot(code, workspace)) == {"train.py", "shared/util.py"}


def test_one_file_is_code_too(tmp_path: Path, workspace: WorkspaceFolder) -> None:
    code = make(tmp_path / "code", train_dot_py="x", other_dot_py="y")
    assert files_of(workspace.snapshots / take_snapshot(code / "train.py", workspace)) == {"train.py"}


def test_missing_code_is_named(tmp_path: Path, workspace: WorkspaceFolder) -> None:
    with pytest.raises(ValidationException, match=r"code: there is no folder or file .*nowhere"):
        take_snapshot(tmp_path / "nowhere", workspace)


def test_surroundings_are_kept_once_and_for_their_owner_only(workspace: WorkspaceFolder) -> None:
    first = keep_surroundings({"TOKEN": "s"}, workspace)
    assert keep_surroundings({"TOKEN": "s"}, workspace) == first
    assert (workspace.surroundings / first).stat().st_mode & 0o777 == 0o600
    assert workspace.hidden.stat().st_mode & 0o777 == 0o700


def test_a_fingerprint_changes_with_the_data(tmp_path: Path) -> None:
    data = make(tmp_path / "data", a_dot_csv="1")
    before = fingerprint(data)
    assert fingerprint(data) == before
    make(data, b_dot_csv="2")
    assert fingerprint(data) != before


def test_a_workspace_is_found_like_a_git_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_WORKSPACE", raising=False)
    below = tmp_path / "project" / "notebooks"
    below.mkdir(parents=True)
    assert find_workspace(below) is None
    open_workspace(tmp_path / "project")
    assert find_workspace(below) == tmp_path / "project"
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(tmp_path / "elsewhere"))
    assert find_workspace(below) == tmp_path / "elsewhere"


def test_two_threads_may_keep_the_same_at_once(tmp_path: Path) -> None:
    both_write = Barrier(2)

    class Slow(dict[str, str]):
        def items(self) -> Any:
            both_write.wait(60)
            return super().items()

    path = tmp_path / "kept"
    with ThreadPoolExecutor() as threads:
        for written in [threads.submit(write_json, path, Slow(TOKEN="s")) for _ in range(2)]:
            written.result()
    assert read_json(path) == {"TOKEN": "s"}
    assert list(tmp_path.iterdir()) == [path]
