"""What a notebook can be given, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import papermill
import pytest

from tests.notebook.books import write_notebook
from workbench import Input, MLClient, notebook
from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.parameters import read_parameters
from workbench.sweep import Choice, LogUniform, Normal, Randint

CELL = """
# the rate
lr: float = 0.1  # step size
epochs = 10
name = "net"  # type: str what it is called
quick: bool = False
data = None  # a path
sizes = [1,
         2]
"""


def test_it_finds_what_papermill_finds(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "1", parameters=CELL)
    theirs = papermill.inspect_notebook(str(path))
    ours = read_parameters(path).known
    assert ours is not None
    assert list(ours) == list(theirs)
    for name, entry in theirs.items():
        assert (ours[name].type or "None", ours[name].help) == (entry["inferred_type_name"], entry["help"])
        assert "".join(str(ours[name].default).split()) == "".join(entry["default"].split())


def test_it_finds_what_papermill_gives_up_on(tmp_path: Path) -> None:
    cell = "%load_ext autoreload\noptions = dict(a=1)\nsame = 1 == 2\nfiles = !ls\nneeded: int\nalso = ...\na, b = 1, 2"
    known = read_parameters(write_notebook(tmp_path / "a.ipynb", parameters=cell)).known
    assert known is not None
    assert list(known) == ["options", "same", "files", "needed", "also"]
    assert known["options"].default == "dict(a=1)"
    assert [name for name, parameter in known.items() if parameter.is_required] == ["needed", "also"]


def refusal(tmp_path: Path, cell: str | None, **inputs: Any) -> str:
    path = write_notebook(tmp_path / "a.ipynb", "1", parameters=cell)
    with pytest.raises(ValidationException) as caught:
        MLClient(path=tmp_path).jobs.validate(notebook(path, inputs=inputs), raise_on_failure=True)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cell", "inputs", "message"),
    [
        ("lr = 0.1", {"lrr": 1}, "inputs.lrr: a.ipynb has no parameter of that name. Did you mean 'lr'? Valid are: lr"),
        (
            "lr: float = 0.1",
            {"lr": "x"},
            "inputs.lr: 'x' is no value for this parameter of a.ipynb: it is declared",
        ),
        ("n: int = 1", {"n": 1.5}, "it is declared int"),
        ("n: 'int | None' = None", {"n": 1.5}, "it is declared 'int | None'"),
        ("n = 1", {"n": True}, "True is no value for this parameter of a.ipynb: its default is 1"),
        ("t = 'a'", {"t": 1}, "its default is 'a'"),
        ("b = True", {"b": 1}, "its default is True"),
        ("n = 2 * 16", {"n": "2 * 32"}, "'2 * 32' is no value for this parameter of a.ipynb: its default is 2 * 16"),
        ("n = -(1 << 3) / 2.5", {"n": True}, "its default is -(1 << 3) / 2.5"),
        ("n = 1", {"n": Input(type="uri_file", path=__file__)}, "'a path' is no value"),
        ("n: int\nm = 1", {"m": 1}, "inputs.n: a.ipynb needs a value for n. Give it, as in inputs={'n': …}"),
        (None, {"n": 1}, "no cell is tagged 'parameters', so n would have no effect"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, cell: str | None, inputs: Any, message: str) -> None:
    assert message in refusal(tmp_path, cell, **inputs)


@pytest.mark.parametrize(
    ("cell", "inputs"),
    [
        ("lr = 1", {"lr": 0.5}),
        ("lr: float = 1", {"lr": 2}),
        ("x = None", {"x": 1}),
        ("x = None", {}),
        ("x = 2 * 16", {"x": 64}),
        ("x = 'a' * 3", {"x": "b"}),
        ("import os\nx = os.environ.get('A', 1)", {"x": "a"}),
        ("x: 'np.ndarray | None' = None", {"x": 1}),
        ("x: Path = 'a'", {"x": Input(type="uri_file", path=__file__)}),
        (None, {}),
    ],
)
def test_what_can_be_meant_is_taken(tmp_path: Path, cell: str | None, inputs: Any) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "1", parameters=cell)
    assert MLClient(path=tmp_path).jobs.validate(notebook(path, inputs=inputs), raise_on_failure=True) == []


@pytest.mark.parametrize(
    ("distribution", "fits"),
    [
        (Choice([1, 2]), True),
        (Choice([1, "many"]), False),
        (Randint(5), True),
        (LogUniform(-6, -1), False),
        (Normal(0, 1), False),
    ],
)
def test_a_search_space_is_held_against_the_types_too(tmp_path: Path, distribution: Any, fits: bool) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "1", parameters="n: int = 1")
    sweep = notebook(path, inputs={"n": 1})(n=distribution).sweep(
        primary_metric="m", goal="maximize", max_total_trials=1
    )
    problems = [p for p in MLClient(path=tmp_path).jobs.validate(sweep) if p.startswith("search_space.n")]
    assert bool(problems) is not fits, problems


def test_two_parameters_cells_are_refused(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "a.ipynb", "y = 2", parameters="x = 1")
    text = path.read_text()
    head, tail = text.rsplit('"metadata": {}', 2)[0], text[len(text.rsplit('"metadata": {}', 2)[0]) :]
    path.write_text(head + tail.replace('"metadata": {}', '"metadata": {"tags": ["parameters"]}', 1))
    with pytest.raises(ValidationException, match="2 cells are tagged 'parameters'"):
        MLClient(path=tmp_path).jobs.create_or_update(notebook(path))


def test_nobody_can_know_the_parameters_of_another_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "ir"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["R"], "display_name": "R", "language": "R"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    path = write_notebook(tmp_path / "a.ipynb", parameters="x <- 1", kernel="ir", language="R")
    [warning] = MLClient(path=tmp_path).jobs.validate(notebook(path, inputs={"x": 2}))
    assert warning == "a.ipynb: its parameters cell cannot be read, so nobody has checked the inputs"


@pytest.mark.parametrize(
    ("text", "message"), [("not json", "is no notebook of format 4"), ('{"worksheets": []}', "is no notebook")]
)
def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(ValidationException, match=message):
        read_parameters(tmp_path / "a.ipynb")
    with pytest.raises(NotFoundError, match="there is no notebook"):
        read_parameters(tmp_path / "b.ipynb")


def test_a_name_given_in_a_call_is_one_of_the_notebooks_parameters(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "book.ipynb", "print(lr)", parameters="lr = 0.1\n")
    client = MLClient(path=tmp_path)
    assert client.jobs.validate(notebook(path)(lr=0.5), raise_on_failure=True) == []
    with pytest.raises(ValidationException, match=r"inputs\.momentum"):
        client.jobs.validate(notebook(path)(momentum=1), raise_on_failure=True)
