from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.definition.checks import check
from workbench.definition.command import Command, command
from workbench.definition.distributions import Choice, LogUniform, QUniform, Randint, Uniform
from workbench.definition.inputs import Input
from workbench.definition.sampling import RandomSamplingAlgorithm
from workbench.definition.sweep import Sweep, Trial
from workbench.errors import ValidationException


def swept(text: str | None = "run ${{search_space.lr}}", **changes: Any) -> Sweep:
    fields: dict[str, Any] = {
        "trial": Trial(command=text),
        "search_space": {"lr": Uniform(0, 1)},
        "objective": {"goal": "maximize", "primary_metric": "a"},
        "limits": {"max_total_trials": 4},
        **changes,
    }
    return Sweep(**fields)


def test_good_jobs_pass_without_warning() -> None:
    job = command(
        command="run ${{inputs.a}} $[[--b ${{inputs.b}}]] ${{outputs.o}}", inputs={"a": 1}, outputs={"o": None}
    )
    assert check(job) == []
    assert check(swept()) == []
    assert check(command(command="x", environment="azureml:keras@latest"), environments=["keras"]) == []
    assert check(command(command="x", environment="local"), environments=[]) == []


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (command(), r"^command: is needed and was not given. Write what to run"),
        (command(command="  "), r"^command: is needed"),
        (
            command(command="run ${{inputs.bacth}}", inputs={"batch": 1}),
            r"^command: '\$\{\{inputs.bacth\}\}' refers to no input. Did you mean 'batch'\? Valid are: batch",
        ),
        (command(command="run ${{inputs.a}}"), r"^command: .* refers to no input. Add a to the inputs"),
        (command(command="run ${{outputs.a}}"), r"^command: .* refers to no output. Add a to the outputs"),
        (
            command(command="run ${{search_space.a}}"),
            r"^command: .* refers to no parameter .*\$\{\{inputs.a\}\} and sweep",
        ),
        (command(command="run \\${{inputs.a}}", inputs={"a": 1}), r"^command: .*Remove the backslash"),
        (command(command="x", inputs={"a": None}), r"^inputs.a: is null, and an input needs a value. Give a value"),
        (
            command(command="x", inputs={"a": Input(type="integer")}),
            r"^inputs.a: this integer has no value. Call job\(a=…\)",
        ),
        (command(command="x", inputs={"a": Input(path="")}), r"^inputs.a.path: has no path. Add path"),
        (command(command="x", inputs={"a": "b\0"}), r"^inputs.a: holds a null character.*Remove it"),
        (command(command="x", inputs={"a-b": 1}), r"^inputs.a-b: 'a-b' cannot be a name here. .*a_b"),
        (command(command="x", outputs={"a b": None}), r"^outputs.a b: 'a b' cannot be a name here"),
        (command(command="x", inputs={"a": Choice([1])}), r"^inputs.a: .* single command. Call job.sweep"),
        (command(command="x", environment=" "), r"^environment: is empty. Leave it out"),
        (swept(objective=None), r"^objective: is needed and was not given. Add objective="),
        (swept(search_space={}), r"^search_space: there is nothing to sweep over. Call job\(lr="),
        (swept(search_space={"l.r": Choice([1])}), r"^search_space.l.r: 'l.r' cannot be a name here"),
        (swept(None), r"^trial.command: is needed"),
        (swept("run ${{search_space.lrr}}"), r"^trial.command: .*refers to no parameter .* Did you mean 'lr'"),
        (swept("run"), r"^search_space.lr: the command never uses it.*Add \$\{\{search_space.lr\}\}.*AZUREML_SWEEP_lr"),
        (
            swept(sampling_algorithm="grid"),
            r"^search_space.lr: grid sampling takes choices only, not uniform. Write Choice",
        ),
        (
            swept(sampling_algorithm="grid", search_space={"lr": Choice([{"a": Randint(2)}])}),
            r"^search_space.lr: grid sampling takes choices only",
        ),
        (
            swept(sampling_algorithm="bayesian", search_space={"lr": LogUniform(-6, -1)}),
            r"^search_space.lr: bayesian sampling .* not loguniform. Use one of these, or sampling_algorithm='random'",
        ),
        (
            swept(sampling_algorithm="bayesian", search_space={"lr": Choice([{"a": Uniform(0, 1)}])}),
            r"^search_space.lr: bayesian sampling .* not nested choice",
        ),
        (
            swept(sampling_algorithm="bayesian", search_space={"lr": QUniform(0, 1e7, 1)}),
            r"^search_space.lr: bayesian sampling .* not quniform of 10000001 values",
        ),
        (
            swept(sampling_algorithm=RandomSamplingAlgorithm(logbase=10), search_space={"lr": LogUniform(0, 700)}),
            r"^search_space.lr: 10 to the power of 700 is beyond the range of numbers. Lower logbase",
        ),
    ],
)
def test_jobs_that_cannot_run_are_refused(job: Command | Sweep, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        check(job)


def test_unknown_environments() -> None:
    with pytest.raises(ValidationException, match=r"^environment: 'kers:1' is not known here. Did you mean 'keras'"):
        check(command(command="x", environment="kers:1"), environments=["keras"])


def test_parameters_may_be_read_from_the_environment(tmp_path: Path) -> None:
    assert check(swept('run "$AZUREML_SWEEP_lr"')) == []
    assert check(swept("run $AZUREML_PARAMETER_lr")) == []
    with pytest.raises(ValidationException, match="never uses it"):
        check(swept("run $AZUREML_SWEEP_lr2"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "image.bin").write_bytes(b"\xff\xfe AZUREML_SWEEP_lr")
    sweep = swept(trial=Trial(command="run", code="src"))
    with pytest.raises(ValidationException, match="never uses it"):
        check(sweep, code_root=tmp_path)
    (tmp_path / "src" / "a.py").write_text("lr = os.environ['AZUREML_SWEEP_lr']")
    assert check(sweep, code_root=tmp_path) == [
        "search_space.lr: the command does not use it; only the code reads AZUREML_SWEEP_lr"
    ]


def test_warnings() -> None:
    assert check(swept(limits=None)) == ["limits.max_total_trials: is not set, so up to 1000 trials will run"]
    small = swept(search_space={"lr": Choice([1, 2])})
    assert check(small) == ["search_space: holds only 2 combinations, so the sweep ends after 2 of 4 trials"]
    job = command(command="x", instance_count=2, distribution={"type": "pytorch"})
    assert [warning.partition(":")[0] for warning in check(job)] == ["distribution", "resources.instance_count"]
