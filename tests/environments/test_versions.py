"""Which versions of Python conda files ask for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from workbench.environments.packages import read_conda_file
from workbench.environments.venvs import interpreter
from workbench.environments.versions import allows, as_expression
from workbench.errors import NotFoundError


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ("python", None),
        ("python=*", None),
        ("python 3.10", "3.10"),
        ("python=3.10", "3.10"),
        ("python==3.10.4", "3.10.4"),
        ("python=3.10.*", "3.10"),
        ("conda-forge::python = 3.10.12=hd12c33a_0_cpython", "3.10.12"),
        ("python 3.10.4 h12debd9_0", "3.10.4"),
        ("python>=3.9", ">=3.9"),
        ("python >=3.8, <3.12", ">=3.8,<3.12"),
        ("python>=3.8,!=3.9.*,!=3.10.1", ">=3.8,!=3.9.*,!=3.10.1.*"),
        ("python~=3.8", ">=3.8,==3.*"),
    ],
)
def test_versions_are_read_as_conda_reads_them(asked: str, versions: str | None) -> None:
    found = read_conda_file({"dependencies": [asked, {"pip": ["x"]}]})
    assert (found.python, found.conda) == (versions, ())


@pytest.mark.parametrize(
    "package", ["python-dateutil>=2", "python_abi=3.10", "python.app", "python>=three", "python|x"]
)
def test_what_is_no_version_of_python_is_left_to_conda(package: str) -> None:
    assert read_conda_file({"dependencies": [package]}).conda == (package,)


@pytest.mark.parametrize("versions", ["3.9", "3", "3.10.1", ">=3.8,<3.12", ">3.9.0,!=3.10.*", "<=3.9", ">=3.8,==3.*"])
def test_what_they_allow_is_what_pip_means(versions: str) -> None:
    specifiers = SpecifierSet(f"=={versions}.*" if versions[0].isdigit() else versions)
    for version in [
        (2, 7, 18),
        (3, 7, 9),
        (3, 8, 0),
        (3, 9, 0),
        (3, 9, 1),
        (3, 10, 1),
        (3, 11, 5),
        (3, 12, 0),
        (4, 0, 0),
    ]:
        allowed = specifiers.contains(".".join(map(str, version)))
        assert allows(versions, version) == allowed, version
        assert eval(as_expression(versions), {"v": version}) == allowed, version


def test_this_python_is_taken_where_it_is_in_the_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    major, minor = sys.version_info[:2]
    own = interpreter(None)
    monkeypatch.setattr("workbench.environments.venvs._found_by_uv", lambda *_: pytest.fail("looked for another"))
    assert interpreter(f">={major}.{minor}") == own
    assert interpreter(f">=3,<{major}.{minor + 1}") == own
    monkeypatch.undo()
    with pytest.raises(NotFoundError, match=r"no Python >=3\.99 on this machine.*uv python install '>=3\.99'"):
        interpreter(">=3.99")
