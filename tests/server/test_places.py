"""What of the disk may be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import NotFoundError
from workbench.server.places import OutsideError, file_inside, inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = (tmp_path / "root").resolve()
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file").write_text("text")
    (root / "in").symlink_to(root / "folder")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    return root


@pytest.mark.parametrize("asked", ["", ".", "folder", "in", "folder/../folder", "not/yet", "..root"])
def test_what_lies_inside_is_found_by_its_real_path(root: Path, asked: str) -> None:
    assert inside(root, asked) == (root / asked).resolve()
    assert inside(root, str(root / asked)) == (root / asked).resolve()


@pytest.mark.parametrize("asked", ["..", "folder/../..", "out", "out/root/../x", "/etc/passwd", "/", "../root2"])
def test_what_leads_out_is_refused(root: Path, asked: str) -> None:
    with pytest.raises(OutsideError):
        inside(root, asked)


@pytest.mark.parametrize("asked", ["\0", "x" * 5000, "folder/file/below"])
def test_what_is_no_path_is_not_found(root: Path, asked: str) -> None:
    with pytest.raises(NotFoundError):
        file_inside(root, asked)


def test_only_regular_files_are_sent(root: Path) -> None:
    assert file_inside(root, "in/file") == root / "folder" / "file"
    for asked in ("folder", "nothing", "loop"):
        with pytest.raises((NotFoundError, OutsideError)):
            file_inside(root, asked)
