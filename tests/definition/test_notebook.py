"""Notebook jobs as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import Input, command, notebook
from workbench.definition.checks import check
from workbench.definition.command import child
from workbench.definition.notebook import Notebook
from workbench.definition.records import job_from_record, to_record
from workbench.definition.sweep import Sweep
from workbench.definition.yaml_io import dump, load_job
from workbench.errors import UnexpectedKeywordError, ValidationException
from workbench.sweep import LogUniform


def job() -> Notebook:
    return notebook(
        "train.ipynb",
        inputs={"lr": 0.1, "data": Input(type="uri_file", path="/data")},
        kernel="python3",
        timeout=60,
        resources={"gpus": 1},
        retries=2,
        environment_variables={"A": "1"},
        experiment_name="digits",
    )


def test_parameters_that_the_notebook_has_need_no_value_first() -> None:
    called = notebook("train.ipynb")(lr=LogUniform(-6, -1), epochs=3)
    assert list(called.inputs) == ["lr", "epochs"]
    assert list(called.sweep(primary_metric="a", goal="minimize", max_total_trials=2).search_space) == ["lr"]


def test_it_is_called_and_swept_like_a_command() -> None:
    swept = job()(lr=LogUniform(-6, -1))
    assert isinstance(swept, Notebook)
    sweep = swept.sweep(primary_metric="accuracy", goal="maximize", max_total_trials=3)
    assert (sweep.trial.notebook, sweep.trial.kernel, sweep.trial.command) == ("train.ipynb", "python3", None)
    assert list(sweep.search_space) == ["lr"]
    assert list(sweep.inputs) == ["data"]
    assert sweep.retries == job().retries
    assert check(sweep) == []
    trial = child(sweep.with_fields(name="s"), 0, {"lr": 0.5})
    assert isinstance(trial, Notebook)
    assert (trial.notebook, trial.name, trial.params) == ("train.ipynb", "s_0", {"lr": 0.5})


@pytest.mark.parametrize("swept", [False, True])
def test_records_and_yaml_round_trip(tmp_path: Path, swept: bool) -> None:
    made = job()(lr=LogUniform(-6, -1)).sweep(primary_metric="a", goal="minimize") if swept else job()
    record = to_record(made)
    again = job_from_record(record)
    assert type(again) is (Sweep if swept else Notebook)
    assert to_record(again) == record
    dump(made, tmp_path / "job.yml")
    loaded = load_job(tmp_path / "job.yml")
    part = loaded.trial if isinstance(loaded, Sweep) else loaded
    assert isinstance(part, Notebook) is not swept
    assert getattr(part, "notebook", None) == str(tmp_path / "train.ipynb")
    assert to_record(loaded)["inputs"] == record["inputs"]


def test_yaml_finds_the_notebook_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "in_code.ipynb").touch()
    (tmp_path / "job.yml").write_text("type: notebook\nnotebook: a.ipynb\nkernel: ir\ninputs: {lr: 0.1}\n")
    loaded = load_job(tmp_path / "job.yml")
    assert isinstance(loaded, Notebook)
    assert (loaded.notebook, loaded.kernel) == (str(tmp_path / "a.ipynb"), "ir")
    (tmp_path / "sweep.yml").write_text(
        "type: sweep\ntrial: {notebook: in_code.ipynb, code: src}\nsearch_space: {lr: {type: uniform, min_value: 0, "
        "max_value: 1}}\nobjective: {goal: maximize, primary_metric: m}\nlimits: {max_total_trials: 2}\n"
    )
    sweep = load_job(tmp_path / "sweep.yml")
    assert isinstance(sweep, Sweep)
    assert (sweep.trial.notebook, sweep.trial.code) == ("in_code.ipynb", str(tmp_path / "src"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type: notebook\n", "notebook: is needed and was not given"),
        ("type: notebook\nnotebook: a.ipynb\ncommand: x\n", "unexpected keyword 'command'"),
        (
            "type: sweep\ntrial: {kernel: x}\nobjective: {goal: maximize, primary_metric: m}\n",
            "trial.command: is",
        ),
    ],
)
def test_mistakes_in_yaml_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "job.yml").write_text(text)
    with pytest.raises(ValidationException, match=message):
        load_job(tmp_path / "job.yml")


def test_mistakes_are_refused() -> None:
    with pytest.raises(UnexpectedKeywordError, match=r"unexpected keyword 'kernl'\. Did you mean 'kernel'"):
        notebook("a.ipynb", kernl="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationException, match="is to be swept, but the job is a single notebook"):
        check(job()(lr=LogUniform(-6, -1)))
    with pytest.raises(ValidationException, match="notebook: is needed"):
        check(notebook(" "))
    both = {"command": "echo", "notebook": "a.ipynb"}
    space, objective = {"x": LogUniform(0, 1)}, {"goal": "maximize", "primary_metric": "m"}
    with pytest.raises(ValidationException, match=r"trial\.command: has a notebook too"):
        check(Sweep(trial=both, search_space=space, objective=objective))


@pytest.mark.parametrize("preload", [None, [], ["torch", "sklearn.svm"]])
def test_what_is_imported_ahead_is_kept_by_yaml_records_and_sweeps(tmp_path: Path, preload: list[str] | None) -> None:
    path = tmp_path / "job.yml"
    for one in (notebook("train.ipynb", preload=preload), command(command="python x.py", preload=preload)):
        dump(one, path)
        again = [load_job(path), job_from_record(to_record(one)), one(x=3) if isinstance(one, Notebook) else one()]
        assert [job.preload for job in again if not isinstance(job, Sweep)] == [preload] * 3
        sweep = one.sweep(primary_metric="a", goal="minimize", search_space={"x": LogUniform(-6, -1)})
        assert sweep.trial.preload == preload
