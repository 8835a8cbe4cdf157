"""The form as its controls see it: what is chosen and typed changes the draft, all three texts, and what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import workbench
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.client.waiting import wait_until
from workbench.sweep import Choice, LogUniform, Normal, QUniform, Randint, Uniform
from workbench.views.builder.density import caption, density_svg
from workbench.views.builder.form import Draft
from workbench.views.builder.formulas import formula
from workbench.views.builder.problems import Problems, find_problems
from workbench.views.builder.widget import Builder

SCRIPT = """
import argparse, workbench
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
parser.add_argument("--decay", type=float, help="of the weights")
parser.add_argument("--verbose", action="store_true")
given = parser.parse_args()
workbench.log(accuracy=given.rate)
"""


def controls(widget: Any) -> Iterator[Any]:
    """Yield all that is inside a widget."""
    for child in getattr(widget, "children", ()):
        yield child
        yield from controls(child)


def control(form: Builder, label: str, row: str = "") -> Any:
    """Return the control of that label, of a parameter's row if one is named."""
    for found in controls(form):
        if row and "wb-row" in getattr(found, "_dom_classes", ()) and found.children[0].description == row:
            return next(child for child in controls(found) if getattr(child, "description", "") == label)
        if not row and getattr(found, "description", "") == label:
            return found
    raise AssertionError(f"no control {label!r}")


def note(form: Builder, row: str) -> str:
    """Return what is said of a parameter."""
    rows = (found for found in controls(form) if "wb-row" in getattr(found, "_dom_classes", ()))
    return str(next(found.children[3].value for found in rows if found.children[0].description == row))


@pytest.fixture
def form(tmp_path: Path, shared_client: MLClient, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """A form of the script."""
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/train.py").write_text(SCRIPT)
    made = workbench.builder("src/train.py", client=shared_client)
    assert isinstance(made, Builder)
    return made


def test_a_distribution_makes_a_sweep_of_the_form_and_of_all_texts(form: Builder) -> None:
    assert not form.draft.is_sweep
    control(form, "rate").value = "loguniform"
    assert form.draft.get("inputs.rate") == {"type": "loguniform", "min_value": -4.61, "max_value": 0.0}
    assert form.draft.get("objective") == {"goal": "maximize", "primary_metric": "accuracy"}, "found in the script"
    control(form, "from e^", "rate").value = "log(0.001)"
    control(form, "trials").value = "7"
    assert "LogUniform(-6.907755278982137, 0.0)" in form.texts["code"]
    assert form.texts["cell"].startswith("%%sweep --metric accuracy --goal maximize --trials 7")
    assert "max_total_trials: 7" in form.texts["yaml"]
    assert form.problems.count == 0
    control(form, "rate").value = "fixed"
    assert not form.draft.is_sweep


def test_each_text_changes_the_form_and_the_others_and_is_left_as_it_was_typed(form: Builder) -> None:
    control(form, "rate").value = "uniform"
    typed = form.texts["code"].replace('goal="maximize"', "goal='minimize'")
    control(form, "Python").value = typed
    assert control(form, "goal").value == "minimize"
    assert "--goal minimize" in form.texts["cell"]
    assert form.texts["code"] == typed
    control(form, "YAML").value = form.texts["yaml"].replace("goal: minimize", "goal: maximize")
    assert (control(form, "goal").value, "goal: maximize" in form.texts["yaml"]) == ("maximize", True)
    control(form, "Cell").value = form.texts["cell"].replace("epochs = 5", "epochs = Choice([1, 2])")
    assert control(form, "of", "epochs").value == "1, 2"


@pytest.mark.parametrize(
    ("label", "typed", "path", "value"),
    [
        ("at every", "15", "early_termination.evaluation_interval", 15),
        ("not before", "05", "early_termination.delay_evaluation", 5),
        ("experiment", "digits2", "experiment_name", "digits2"),
        ("environment", "local-gpu", "environment", "local-gpu"),
        ("seed", "0.5e1", "sampling_algorithm.seed", 5.0),
    ],
)
def test_a_field_keeps_what_is_typed_where_it_begins_like_a_default(
    form: Builder, label: str, typed: str, path: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("digits").mkdir()
    monkeypatch.chdir("digits")  # the folder's name is the default of the experiment
    control(form, "rate").value = "uniform"
    control(form, "stop early").value = "median_stopping"
    field = control(form, label)
    for letter in typed:
        before = field.value
        field.value += letter
        assert field.value == before + letter
    assert form.draft.get(path) == value
    assert field.value == typed


def test_a_default_that_was_typed_means_the_default(form: Builder) -> None:
    before = form.draft.to_job()
    control(form, "environment").value = "local"
    assert "environment: local" in form.texts["yaml"]
    assert Draft.from_yaml(form.texts["yaml"]).fields == Draft.from_job(before).fields
    control(form, "YAML").value += "tags: {a: b}\n"
    assert control(form, "environment").value == "", "another text is written as briefly as can be"


def test_an_option_that_may_be_left_out_is_given_or_swept(form: Builder) -> None:
    assert form.problems.count == 0, "it is left out"
    assert "left out while it is empty" in note(form, "decay")
    control(form, "value", "decay").value = "0.1"
    assert form.draft.get("inputs.decay") == 0.1
    control(form, "value", "decay").value = ""
    assert form.draft.get("inputs.decay") == {"type": "number", "optional": True}
    control(form, "decay").value = "uniform"
    assert "$[[--decay ${{search_space.decay}}]]" in form.texts["yaml"]
    assert form.problems.count == 0
    control(form, "decay").value = "choice"
    control(form, "of", "decay").value = ""
    control(form, "decay").value = "fixed"
    assert form.draft.get("inputs.decay") == {"type": "number", "optional": True}


def test_values_that_a_script_lists_are_offered(form: Builder) -> None:
    assert "one of adam, sgd" in note(form, "optimizer")
    control(form, "optimizer").value = "choice"
    assert control(form, "of", "optimizer").value == "adam, sgd"


def test_a_flag_is_offered_and_is_given_or_swept_once_it_is_added(form: Builder) -> None:
    before = form.draft.get("command")
    control(form, "Add --verbose").click()
    assert form.draft.get("command") == f"{before} $(test ${{{{inputs.verbose}}}} = True && printf %s --verbose)"
    assert control(form, "value", "verbose").value == "true"
    control(form, "verbose").value = "choice"
    assert control(form, "of", "verbose").value == "true, false"
    assert form.problems.count == 0
    with pytest.raises(AssertionError):
        control(form, "Add --verbose")
    control(form, "command").value = before
    assert "all trials would be alike" in form.problems.at("inputs.verbose")


def test_a_cell_is_read_when_it_is_left_as_reading_it_keeps_things(form: Builder) -> None:
    # The browser sends a text at each letter, or when it is left; tests/browser/test_story.py types into it.
    assert [control(form, pane).continuous_update for pane in ("Python", "Cell", "YAML")] == [True, False, True]


@pytest.mark.parametrize(
    ("pane", "broken", "message"),
    [
        ("Python", "job = command(", "line 1: '(' was never closed"),
        ("Cell", "%%sweep --odd", "'--odd' is no option"),
        ("YAML", "a: 1\n b: 2", "line 2, column"),
    ],
)
def test_a_text_that_cannot_be_read_is_kept_and_changes_nothing(
    form: Builder, pane: str, broken: str, message: str
) -> None:
    before = form.draft
    control(form, pane).value = broken
    assert form.draft == before
    control(form, "epochs", "").value = "randint"
    assert control(form, pane).value == broken, "changing the form loses nothing"
    shown = [child.value for child in controls(form) if isinstance(child, ipywidgets.HTML)]
    assert any(message.replace("'", "&#x27;") in text and "The form is as before" in text for text in shown)
    backs = [child for child in controls(form) if getattr(child, "description", "").startswith("Back to the form")]
    visible = [button for button in backs if "wb-gone" not in button._dom_classes]
    assert len(visible) == 1
    visible[0].click()
    assert control(form, pane).value in form.texts.values()
    assert control(form, pane).value != broken


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        (lambda form: control(form, "to", "rate"), "inputs.rate", "is not below max_value"),
        (lambda form: control(form, "trials"), "limits.max_total_trials", "must be a number"),
        (lambda form: control(form, "slack factor"), "early_termination", "must be a number"),
        (lambda form: control(form, "cores"), "resources.cpus", "must be a number"),
        (lambda form: control(form, "memory"), "resources.memory", "is not a size"),
        (lambda form: control(form, "name"), "name", "cannot name a job"),
        (lambda form: control(form, "seed"), "sampling_algorithm.seed", "must be a number"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_keeps_run_away(
    form: Builder, change: Any, place: str, message: str
) -> None:
    control(form, "rate").value = "uniform"
    control(form, "stop early").value = "bandit"
    assert not control(form, "Run").disabled
    wrong = "-9" if place == "inputs.rate" else "no such"
    change(form).value = wrong
    assert message in form.problems.at(place), form.problems
    assert control(form, "Run").disabled
    assert "1 thing to mend" in form.children[1].value
    assert wrong in form.texts["yaml"], "the texts mean what the form means, wrong or not"


def test_the_workspaces_own_checks_are_the_forms_too(form: Builder) -> None:
    control(form, "cores").value = "9999"
    assert "cores" in form.problems.at("resources")
    control(form, "cores").value = ""
    control(form, "environment").value = "azureml:none:1"
    assert "no environment 'none:1' is registered here" in form.problems.at("environment")
    control(form, "environment").value = ""
    control(form, "command").value = "python train.py ${{inputs.rat}}"
    assert "refers to no input" in form.problems.at("command")


def test_a_form_is_run_after_a_dry_run_that_came_true(form: Builder, shared_client: MLClient) -> None:
    control(form, "rate").value = "uniform"
    control(form, "trials").value = "2"
    control(form, "seed").value = "3"
    control(form, "Dry run").click()
    assert form.preview is not None
    control(form, "Run").click()
    assert form.job is not None
    name = str(form.job.name)
    assert wait_until(lambda: shared_client.jobs.record(name).status.is_finished, shared_client.context, 120)
    trials = shared_client.context.store.children(name)
    assert [trial.params for trial in trials] == list(form.preview.params)
    assert {str(trial.status) for trial in trials} == {"Completed"}
    assert workbench.builder(name, client=shared_client).draft == form.draft


def test_metrics_of_the_script_and_of_earlier_runs_are_offered(
    tmp_path: Path, ml_client: MLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    past_sweep(ml_client, tmp_path / "past", 1)
    Path("t.py").write_text("import workbench\nworkbench.log(f1=1)\n")
    offers = control(Builder("t.py", client=ml_client), "metric").options
    assert offers[0] == "f1"
    assert set(offers) == {"f1", "accuracy", "loss"}


def test_a_source_that_cannot_be_read_leaves_the_form_alone(form: Builder) -> None:
    before = form.draft
    form.begin_with("none.py")
    assert form.draft == before
    Path("other.py").write_text(SCRIPT.replace("--rate", "--speed"))
    form.begin_with("other.py")
    assert "speed" in form.draft.inputs


def test_every_control_has_a_label(form: Builder) -> None:
    control(form, "rate").value = "quniform"
    for found in controls(form):
        if isinstance(found, ipywidgets.Text | ipywidgets.Textarea | ipywidgets.Dropdown | ipywidgets.Combobox):
            assert found.description, found


def test_a_change_of_one_field_costs_few_messages(form: Builder) -> None:
    control(form, "rate").value = "uniform"
    sent: list[Any] = []
    for found in controls(form):
        found.observe(sent.append, "value")
    control(form, "trials").value = "8"
    assert len(sent) == 4, "the field and the three texts"


@pytest.mark.parametrize(
    ("distribution", "words"),
    [
        (LogUniform(-6, -1), "0.00248 … 0.368, log scale"),
        (Uniform(-1, 1), "-1 … 1"),
        (QUniform(0, 10, 2), "0 … 10, 6 values"),
        (Randint(5), "0 … 4, 5 values"),
        (Normal(0, 1), "95 % in -1.96 … 1.96"),
        (Choice(["a<b", 2]), "a<b · 2"),
        (Choice(list(range(9))), "0 · 1 · 2 · 3 · 4 · 5 and 3 more"),
    ],
)
def test_a_distribution_is_drawn_and_told(distribution: Any, words: str) -> None:
    assert caption(distribution) == words
    drawn = density_svg(distribution)
    assert "aria-label" in drawn
    assert "a<b" not in drawn
    assert drawn.count("<rect") == {6: 6, 5: 5, 2: 2, 9: 9}.get(distribution.size() or 0, 0)


def test_a_bell_is_drawn_as_one() -> None:
    heights = [float(step.split("H")[0]) for step in density_svg(Normal(0, 1)).split("V")[1:-1]]
    assert min(heights) < 2, "its middle reaches the top"
    assert heights[0] > 20
    assert heights[-1] > 20


@pytest.mark.parametrize(
    ("policy", "goal", "text"),
    [
        ({"type": "bandit", "slack_factor": 0.1}, "maximize", "its best acc < best acc of all / (1 + 0.1)"),
        ({"type": "bandit", "slack_amount": 2}, "minimize", "its lowest acc > lowest acc of all + 2"),
        ({"type": "median_stopping", "delay_evaluation": 5}, "maximize", "from report 5 on"),
        ({"type": "truncation_selection", "truncation_percentage": 20}, "maximize", "the worst 20 %"),
        ({"type": "bandit", "evaluation_interval": 2}, "maximize", "every 2 reports"),
        (None, "maximize", ""),
    ],
)
def test_a_policy_is_told_with_its_own_numbers(policy: Any, goal: str, text: str) -> None:
    fields = {"early_termination": policy, "objective": {"goal": goal, "primary_metric": "acc"}}
    assert text in formula(Draft(fields, is_sweep=True))


def test_what_is_typed_while_another_thread_changes_the_form_is_kept(
    form: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab sends the first messages to the kernel's main shell, and the rest to a thread."""
    is_changing, may_go_on = threading.Event(), threading.Event()

    def find_slowly(*arguments: Any) -> Problems:
        if threading.current_thread() is chooses:
            is_changing.set()
            assert may_go_on.wait(60)
        return find_problems(*arguments)

    monkeypatch.setattr("workbench.views.builder.widget.find_problems", find_slowly)
    distribution, trials = control(form, "rate"), control(form, "trials")
    uniform = [label for label, _ in distribution.options].index("Uniform")
    chooses = threading.Thread(target=distribution.set_state, args=[{"index": uniform}])
    types = threading.Thread(target=trials.set_state, args=[{"value": "4"}])
    chooses.start()
    assert is_changing.wait(60)
    types.start()
    types.join(0.5)
    assert trials.value == "", "it is not yet its turn"
    may_go_on.set()
    chooses.join(60)
    types.join(60)
    assert trials.value == "4"
    assert form.draft.get("limits.max_total_trials") == 4
    assert form.draft.get("inputs.rate")["type"] == "uniform"
    assert "max_total_trials: 4" in form.texts["yaml"]
