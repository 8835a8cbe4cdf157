"""Form, code, cell and YAML mean the same job, whichever of them is written first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.views.builder.drafts import drafts, scalars
from workbench.errors import ValidationException
from workbench.notebooks.cell_files import read_cell_file
from workbench.store.workspace import open_workspace
from workbench.views.builder.cell import CellPlace, from_cell, to_cell
from workbench.views.builder.code import from_code, to_code
from workbench.views.builder.form import Draft
from workbench.views.builder.values import list_of, list_text, scalar_of, scalar_text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> CellPlace:
    workspace = open_workspace(tmp_path_factory.mktemp("cells"))
    return CellPlace(workspace, workspace.root)


def _same(one: Draft, other: Draft) -> bool:
    """Compare with types: 1, 1.0 and True are three values."""
    return one.is_sweep == other.is_sweep and _text(one) == _text(other)


def _text(draft: Draft) -> str:
    return json.dumps(draft.fields, sort_keys=True)


@settings(max_examples=150, deadline=None)
@given(draft=drafts())
def test_every_text_means_what_the_form_means(draft: Draft, place: CellPlace) -> None:
    assert _same(Draft.from_job(draft.to_job()), draft)
    assert _same(Draft.from_yaml(draft.to_yaml()), draft)
    assert _same(from_code(to_code(draft)), draft)
    assert _same(from_cell(to_cell(draft, place), place), draft)


@settings(max_examples=100, deadline=None)
@given(draft=drafts(wrong=True))
@example(draft=Draft({"experiment_name": ")(", "notebook": "train.ipynb"}))
def test_what_is_wrong_is_kept_as_it_was_written(draft: Draft, place: CellPlace) -> None:
    assert _same(Draft.from_yaml(draft.to_yaml()), draft)
    assert _same(from_code(to_code(draft)), draft)
    assert _same(from_cell(to_cell(draft, place), place), draft)


@settings(max_examples=200, deadline=None)
@given(value=scalars, values=st.lists(scalars, max_size=5))
def test_a_field_is_read_back_as_it_was_shown(value: object, values: list[object]) -> None:
    assert repr(scalar_of(scalar_text(value))) == repr(value)
    assert repr(list_of(list_text(values))) == repr(values)


CELL = """\
%%sweep --metric accuracy --goal maximize --trials 20 --stop bandit(slack_factor=0.1, evaluation_interval=2)
learning_rate = wb.LogUniform(log(1e-6), -1)   # of the optimizer
hidden: int = Choice([50,
                      100])
shift = -0.5
layers = [64, {"a": (1, 2)}]
nothing = None

# the body
%matplotlib inline
x = LogUniform
for i in range(3):
    print(i)   # {i} $x
"""


def test_a_cell_is_taken_apart(place: CellPlace) -> None:
    draft = from_cell(CELL, place)
    assert draft.inputs == {
        "learning_rate": {"type": "loguniform", "min_value": -13.815510557964274, "max_value": -1},
        "hidden": {"type": "choice", "values": [50, 100]},
        "shift": -0.5,
    }
    assert draft.get("early_termination") == {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 2}
    cell = read_cell_file(place.folder / str(draft.notebook))
    assert cell is not None
    assert cell.body.startswith("# the body\n%matplotlib inline\nx = LogUniform\n")
    assert [(line.name, line.annotation, line.comment, line.constant) for line in cell.lines] == [
        ("learning_rate", None, "# of the optimizer", None),
        ("hidden", "int", "", None),
        ("shift", None, "", None),
        ("layers", None, "", '[64, {"a": (1, 2)}]'),
        ("nothing", None, "", "None"),
    ]
    again = to_cell(draft.put("inputs.shift", 2), place)
    assert "shift = 2\n" in again
    assert 'layers = [64, {"a": (1, 2)}]\n' in again
    assert from_cell(again, place) == draft.put("inputs.shift", 2)


def test_the_cell_is_read_and_never_run(place: CellPlace, tmp_path: Path) -> None:
    text = f"%%job\nx = 1\n\nopen({str(tmp_path / 'x')!r}, 'w')\n"
    from_cell(text, place)
    from_cell(f"%%job\nx = open({str(tmp_path / 'x')!r}, 'w')\n", place)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%sweep --metrc a\nx = Choice([1])\nf()", r"'--metrc' is no option. Did you mean '--metric'"),
        ("%%sweep --trials\nx = Choice([1])\nf()", r"--trials: expected one argument"),
        ("%%sweep --stop bandit(0.1)\nx = Choice([1])\nf()", r"without a name.*bandit\(slack_factor=0.1"),
        ("%%sweep --stop bandid(a=1)\nx = Choice([1])\nf()", r"is no policy. Did you mean 'bandit'"),
        ("%%sweep --stop 'x\nx = 1", r"No closing quotation. Close the quote"),
        ("%%sweep\nx = LogUnifrom(-6, -1)\nf()", r"line 2: LogUnifrom is no distribution. Did you mean 'LogUniform'"),
        ("%%sweep\nx = LogUniform(low, -1)\nf()", r"line 2: LogUniform\(low, -1\) needs the value"),
        ("%%sweep\nx = LogUniform(1, 2, 3)\nf()", r"line 2, x: has too many arguments.*LogUniform\(min_value, max_"),
        ("%%sweep\nimport a\nx = Choice([1])\nf()", r"line 3: x = Choice\(\[1\]\) stands below the first line"),
        ("%%sweep\nx = Choice([1])\n", r"the cell has no body"),
        ("%%job\nx = 1\n\nfor:\n  pass", r"line 4: invalid syntax"),
        ("%%job --shell\nx = 1\nls", r"no empty line between the parameters and the command"),
        ("%%job --notebook a.ipynb\nx = 1\nprint(x)", r"has a body, and --notebook"),
        ("%%job --seed 1\nx", r"'--seed' is no option"),
        ("%%run\nx", r"Begin with %%sweep or %%job"),
    ],
)
def test_a_cell_that_cannot_be_read_says_where_and_why(cell: str, message: str, place: CellPlace) -> None:
    with pytest.raises(ValidationException, match=message):
        from_cell(cell, place)


AZURE = """\
from azure.ai.ml import MLClient, command, Input
from azure.ai.ml.sweep import Choice, LogUniform

\"\"\"Azure's way of writing it.\"\"\"
batch = [25, 50]
job = command(
    inputs=dict(data=Input(type="uri_folder", path="./data"), batch_size=50, lr=0.001),
    code="./src/", command="python train.py --b ${{inputs.batch_size}} --lr ${{inputs.lr}} --d ${{inputs.data}}",
    environment="local", instance_count=1,
)
swept = job(batch_size=Choice(batch), lr=LogUniform(-6, -1))
sweep = swept.sweep(sampling_algorithm="random", primary_metric="Accuracy", goal="Maximize")
sweep.set_limits(max_total_trials=4, max_concurrent_trials=2)
sweep.name = "mine"
returned = MLClient().create_or_update(sweep)
ml_client.jobs.stream(returned.name)
"""


def test_azures_way_of_writing_a_sweep_is_understood() -> None:
    draft = from_code(AZURE)
    assert draft.is_sweep
    assert draft.get("name") == "mine"
    assert draft.get("objective") == {"goal": "maximize", "primary_metric": "Accuracy"}
    assert draft.get("limits") == {"max_total_trials": 4, "max_concurrent_trials": 2}
    assert draft.get("inputs.batch_size") == {"type": "choice", "values": [25, 50]}
    assert draft.get("resources") == {"instance_count": 1}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = (", r"line 1: '\(' was never closed"),
        ("x = 1", "describes no job"),
        ("job = command(command='a', inputs=dict(x=f()))", r"line 1: f\(\) has no value before it runs"),
        ("job = command(comand='a')", "line 1: unexpected keyword 'comand'. Did you mean 'command'"),
        ("job = command(command='a')\nfor x in y: pass", "line 2: would have to be run"),
        ("job = command(command='a')\nprint(job)", "line 2: would have to be run"),
    ],
)
def test_code_that_cannot_be_followed_says_where_and_why(code: str, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        from_code(code)


def test_yaml_that_is_none_says_where() -> None:
    with pytest.raises(ValidationException, match="YAML, line 2, column"):
        Draft.from_yaml("a: 1\n b: 2\n")
    with pytest.raises(ValidationException, match="is no job"):
        Draft.from_yaml("- 1\n")
