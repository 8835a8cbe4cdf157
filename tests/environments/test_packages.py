"""What requirements and conda files ask for, in one form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.environments.packages import conda_content, read_conda_file, read_requirements
from workbench.errors import NotFoundError, ValidationException


def test_order_comments_and_repetition_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("scipy>=1.13\n")
    file = tmp_path / "requirements.txt"
    file.write_text("# what we need\nnumpy==2.1  # pinned\n-r more.txt\n\npandas \\\n  >=2\nnumpy==2.1\n")
    assert read_requirements(str(file)) == ("numpy==2.1", "pandas >=2", "scipy>=1.13")
    assert read_requirements(["scipy>=1.13", "pandas >=2", "numpy==2.1"]) == read_requirements(str(file))
    assert read_requirements(["a @ https://host/a.whl#sha256=1"]) == ("a @ https://host/a.whl#sha256=1",)


@given(st.lists(st.sampled_from(["a==1", "b", "c[x]>=2; python_version > '3.9'", "--pre"])), st.randoms())
def test_any_order_is_the_same(lines: list[str], chance: object) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert read_requirements(shuffled) == read_requirements(lines)


def test_a_conda_file_is_taken_apart() -> None:
    found = read_conda_file(
        {
            "name": "model-env",
            "channels": ["conda-forge"],
            "dependencies": [
                "python=3.10",
                "pip=21.2.4",
                "cudatoolkit=11.8",
                {"pip": ["scipy", "inference-schema[x]"]},
            ],
        }
    )
    assert (found.python, found.pip, found.conda) == ("3.10", ("inference-schema[x]", "scipy"), ("cudatoolkit=11.8",))
    assert found.channels == ("conda-forge",)
    assert read_conda_file({"dependencies": ["python", "pip"]}).conda == ()


def test_files_for_pip_are_looked_for_beside_the_conda_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("b==2\na==1\n")
    (tmp_path / "sub" / "conda.yml").write_text("dependencies: [pip, {pip: [c, '-r more.txt']}]\n")
    assert read_conda_file("sub/conda.yml").pip == ("a==1", "b==2", "c")
    content = {"dependencies": ["pip", {"pip": ["c", "-r sub/more.txt"]}], "name": "x"}
    assert conda_content(content) == {"dependencies": ["pip", {"pip": ["c", "b==2", "a==1"]}], "name": "x"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: read_requirements("nowhere.txt"), NotFoundError, "no file 'nowhere.txt'. Paths are relative to"),
        (lambda: read_requirements(["-e ."]), ValidationException, "'-e .' names files"),
        (lambda: read_requirements(["./wheel.whl"]), ValidationException, "belongs in the job's code folder"),
        (lambda: read_conda_file({"dependencies": "x"}), ValidationException, "it is no conda file"),
        (lambda: read_conda_file({"dependencies": [{"npm": ["x"]}]}), ValidationException, "Write - pip:"),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(ValidationException, match="include each other"):
        read_requirements(str(tmp_path / "a.txt"))
