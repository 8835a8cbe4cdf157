from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.definition.command import Command, CommandJob, child, command
from workbench.definition.distributions import Choice, LogUniform, Uniform
from workbench.definition.environment import BuildContext, Environment
from workbench.definition.inputs import Input, Output, data_of, literals_of
from workbench.definition.limits import SweepJobLimits
from workbench.definition.objective import Objective
from workbench.definition.policies import BanditPolicy
from workbench.definition.resources import JobResourceConfiguration
from workbench.definition.sampling import GridSamplingAlgorithm, RandomSamplingAlgorithm
from workbench.definition.sweep import Sweep, SweepJob
from workbench.errors import UnexpectedKeywordError, ValidationException


@pytest.fixture
def job() -> Command:
    return command(
        inputs={"data": Input(type="uri_folder", path="data"), "batch": 50, "lr": 0.001},
        command="python a.py --data ${{inputs.data}} --batch ${{inputs.batch}} --lr ${{ inputs.lr }}",
        code="./src",
        environment="keras:1",
        experiment_name="digits",
        description="A network",
        display_name="keras",
        properties={"p": "1"},
        name="first",
        timeout=90,
        instance_count=1,
        shm_size="2g",
        priority="High",
    )


def test_builder_fills_the_parts(job: Command) -> None:
    assert job.limits is not None
    assert job.limits.timeout == 90
    assert job.resources == JobResourceConfiguration(instance_count=1, shm_size="2g")
    assert job.queue_settings is not None
    assert job.queue_settings.priority == "high"
    assert job.inputs["batch"] == job.inputs.batch == 50
    assert CommandJob is Command


def test_call_returns_a_new_job_and_keeps_all_but_the_name(job: Command) -> None:
    other = job(batch=Choice([25, 50]))
    assert (other.experiment_name, other.description, other.display_name) == ("digits", "A network", "keras")
    assert other.properties == {"p": "1"}
    assert other.name is None
    assert (other.inputs["batch"], other.inputs["lr"]) == (Choice([25, 50]), 0.001)
    assert job.inputs["batch"] == 50
    other.inputs["lr"] = 1
    assert job.inputs["lr"] == 0.001
    with pytest.raises(UnexpectedKeywordError, match=r"inputs: .*'bacth'.*Did you mean 'batch'.*data, batch, lr"):
        job(bacth=3)


def test_sweep_splits_inputs_and_rewrites_the_command(job: Command) -> None:
    sweep = job(batch=Choice([25, 50]), lr=LogUniform(-6, -1)).sweep(
        compute="gpu-cluster",
        sampling_algorithm="random",
        primary_metric="Accuracy",
        goal="Maximize",
        max_total_trials=20,
        max_concurrent_trials=4,
        timeout=5,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )
    assert isinstance(sweep, Sweep)
    assert sweep.search_space == {"batch": Choice([25, 50]), "lr": LogUniform(-6, -1)}
    assert list(sweep.inputs) == ["data"]
    expected = "python a.py --data ${{inputs.data}} --batch ${{search_space.batch}} --lr ${{search_space.lr}}"
    assert sweep.trial.command == expected
    assert sweep.objective == Objective(goal="maximize", primary_metric="Accuracy")
    assert sweep.limits == SweepJobLimits(max_total_trials=20, max_concurrent_trials=4, timeout=5)
    assert (sweep.compute, sweep.experiment_name, sweep.name) == ("gpu-cluster", "digits", None)
    assert isinstance(sweep.sampling_algorithm, RandomSamplingAlgorithm)
    sweep.set_limits(max_total_trials=3)
    assert sweep.limits.max_concurrent_trials == 4
    sweep.set_objective(goal="MINIMIZE")
    assert sweep.objective == Objective(goal="minimize", primary_metric="Accuracy")
    sweep.set_resources(gpus=0.5)
    assert sweep.resources == JobResourceConfiguration(instance_count=1, shm_size="2g", gpus=0.5)


def test_constructor_form_and_later_assignment() -> None:
    trial = CommandJob(command="run ${{search_space.a}} ${{inputs.b}} ${{inputs.c}}", inputs={"b": 1})
    sweep = SweepJob(
        trial=trial,
        search_space={"a": Uniform(0, 1)},
        inputs={"c": 2},
        sampling_algorithm="Grid",
        objective=Objective(goal="Minimize", primary_metric="loss"),
    )
    assert dict(sweep.inputs) == {"b": 1, "c": 2}
    assert isinstance(sweep.sampling_algorithm, GridSamplingAlgorithm)
    sweep.search_space = {"a": Uniform(0, 1), "b": Choice([1, 2])}
    assert sweep.trial.command == "run ${{search_space.a}} ${{search_space.b}} ${{inputs.c}}"
    assert dict(sweep.inputs) == {"c": 2}


def test_child_is_a_command_of_its_own(job: Command) -> None:
    sweep = job(lr=Uniform(0, 1)).sweep(primary_metric="a", goal="maximize", trial_timeout=7)
    sweep.name = "brave_owl"
    trial = child(sweep, 3, {"lr": 0.5})
    assert (trial.name, trial.parent_job_name, trial.experiment_name) == ("brave_owl_3", "brave_owl", "digits")
    assert trial.params == {"lr": 0.5}
    assert trial.limits is not None
    assert trial.limits.timeout == 7
    assert trial.code == "./src"
    assert list(trial.inputs) == ["data", "batch"]


def test_facts_are_apart_from_the_definition(job: Command) -> None:
    assert (job.status, job.params, job.error) == (None, None, None)
    done = job.with_facts(status="Completed", score=0.5, properties={"best_child_run_id": "x_1"})
    assert (done.status, done.score) == ("Completed", 0.5)
    assert done.properties == {"p": "1", "best_child_run_id": "x_1"}
    assert job.status is None
    assert "status: Completed" in str(done)
    assert "status" not in str(job)
    with pytest.raises(UnexpectedKeywordError, match="Did you mean 'status'"):
        job.with_facts(stats="x")


def test_html_is_escaped(job: Command) -> None:
    job.experiment_name = "<script>"
    shown = job._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert all(title in shown for title in ("Experiment", "Name", "Type", "Status", "Folder"))


def test_setters(job: Command) -> None:
    job.set_limits(timeout=0.5)
    job.set_resources(gpus=1, memory="4g")
    job.set_queue_settings(job_tier="Spot")
    assert job.limits is not None
    assert job.limits.timeout == 0.5
    assert job.resources == JobResourceConfiguration(instance_count=1, shm_size="2g", gpus=1, memory="4g")
    assert job.queue_settings is not None
    assert (job.queue_settings.job_tier, job.queue_settings.priority) == ("spot", "high")


def test_experiment_is_named_after_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert command(command="true").experiment_name == "mywork"
    monkeypatch.chdir(os.sep)
    assert command(command="true").experiment_name == "Default"


def test_outputs_and_numpy_inputs() -> None:
    job = command(
        command="x", inputs={"n": np.int64(3), "p": Path("a")}, outputs={"o": None, "q": Output(mode="upload")}
    )
    assert type(job.inputs["n"]) is int
    assert job.inputs["p"] == "a"
    assert job.outputs["o"] == Output()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: command(inptus={}), r"command: unexpected keyword 'inptus'. Did you mean 'inputs'"),  # type: ignore[call-arg]
        (lambda: command(name="a/b"), r"name: 'a/b' cannot name a job. Use up to 255 letters"),
        (lambda: command(name=".."), r"name: '..' cannot name a job"),
        (lambda: command(name="x" * 256), r"name: .* cannot name a job"),
        (lambda: command(timeout=0), r"timeout: must be above 0; got 0. Give a positive number"),
        (lambda: command(shm_size="2 apples"), r"shm_size: '2 apples' is not a size. Write a number and b, k, m or g"),
        (lambda: command(instance_count=0), r"instance_count: must be above 0"),
        (lambda: command(resources={"gpu": 1}), r"unexpected keyword 'gpu'. Did you mean 'gpus'"),
        (lambda: command(resources={"cpus": 0}), r"cpus: must be above 0"),
        (lambda: command(priority="urgent"), r"priority: 'urgent' is not a priority. Valid are: low, medium, high"),
        (lambda: command(inputs={"x": [1]}), r"inputs.x: \[1\] \(list\) cannot be an input. Use a number"),
        (lambda: command(inputs={"x": float("nan")}), r"inputs.x: must be finite; got nan. Write it as text"),
        (lambda: command(inputs={"x": {"type": "uri_flie"}}), r"inputs.x.type: .*Did you mean 'uri_file'"),
        (lambda: command(outputs={"o": 3}), r"outputs.o: 3 cannot be an output. Use Output"),
        (lambda: command(environment=3), r"environment: 3 is no environment. Write 'name:version'"),  # type: ignore[arg-type]
        (lambda: command(command=3.5, tags=4), r"tags: must be a mapping; got 4. Write name: value"),  # type: ignore[arg-type]
        (lambda: Environment(name="e"), r"image: has neither image nor build, and names no packages. Add image"),
        (lambda: Environment(image="i", build=BuildContext(path="p")), r"build: image and build exclude each other"),
        (
            lambda: Environment(build=BuildContext(path="p"), conda_file="c.yml"),
            r"conda_file: .*needs an image, not a fo",
        ),
        (
            lambda: Environment(image="i", requirements=["x"]),
            r"requirements: requirements is for environments without a",
        ),
        (lambda: Environment(conda_file="c", requirements=["x"]), r"requirements and conda_file exclude each other"),
        (lambda: Environment(requirements=3), r"requirements: must be a file or a list of packages; got 3"),
        (lambda: Environment(dependencies=[]), r"this is a conda file, not an environment"),  # type: ignore[call-arg]
        (lambda: Input(type="integer", default="x"), r"default: 'x' is no integer. Give a value of type integer"),
        (lambda: Input(type="number", default=9, max=3), r"default: 9 is not within -inf … 3"),
        (lambda: Input(type="string", default="a", enum=["b"]), r"default: 'a' is not allowed. Give one of \['b'\]"),
        (lambda: Input(path="x", mode="rw_mount"), r"mode: 'rw_mount' is not a mode of a uri_folder input"),
        (lambda: Input(type="string", path="x"), r"path: a string takes no path. Use type uri_file"),
        (lambda: Input(path="x", default=3), r"default: a uri_folder takes no default. Give it a path"),
        (lambda: Output(mode="download"), r"mode: 'download' is not a mode of an output"),
        (lambda: Output(version=3), r"version: a version needs a name. Add name"),
        (lambda: Objective(goal="up", primary_metric="a"), r"goal: 'up' is not a goal. Valid are: maximize, minimize"),
        (lambda: Objective(goal="maximize", primary_metric=" "), r"primary_metric: is empty. Write the name"),
        (lambda: SweepJobLimits(max_total_trials=0), r"max_total_trials: must be above 0; got 0"),
        (lambda: SweepJobLimits(max_concurrent_trials=-1), r"max_concurrent_trials: must be above 0"),
        (lambda: SweepJobLimits(trial_timeout="1h"), r"trial_timeout: must be a number; got '1h'"),
        (
            lambda: Sweep(trial={"type": "command", "command": "x"}),
            r"^trial: unexpected keyword 'type'",
        ),
        (lambda: Sweep(search_space={}), r"trial: is needed and was not given. Add trial"),
        (lambda: Sweep(trial=command(), search_space={"a": 3}), r"search_space.a: 3 is no distribution. Write Choice"),
    ],
)
def test_wrong_fields_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        make()


def test_declared_literals_keep_their_type() -> None:
    job = command(command="x", inputs={"n": Input(type="integer", default=3, max=9), "d": Input(path="p"), "s": "a"})
    assert literals_of(job(n=4).inputs) == {"n": 4, "s": "a"}
    assert literals_of(job.inputs) == {"n": 3, "s": "a"}
    assert data_of(job.inputs) == {"d": Input(path="p")}
    assert job(n=Choice([1, 2])).inputs["n"] == Choice([1, 2])
    with pytest.raises(ValidationException, match=r"^inputs.n: 10 is not within -inf … 9. Give a number in between"):
        job(n=10)
    with pytest.raises(ValidationException, match=r"^inputs.n: 'many' is no integer. Give a value of type integer"):
        job(n="many")


def test_copies_share_nothing(job: Command) -> None:
    other = job(lr=1)
    sweep = job(lr=Uniform(0, 1)).sweep(primary_metric="a", goal="maximize")
    assert isinstance(job.inputs["data"], Input)
    assert job.limits is not None
    assert job.resources is not None
    job.inputs["data"].path = "elsewhere"
    job.limits.timeout = 1
    job.resources.shm_size = "1g"
    assert other.inputs["data"] == sweep.inputs["data"] == Input(type="uri_folder", path="data")
    assert other.limits is not None
    assert other.limits.timeout == 90
    assert sweep.trial.resources == JobResourceConfiguration(instance_count=1, shm_size="2g")
    shown = sweep.with_facts(status="Running")
    sweep.set_limits(max_total_trials=3)
    assert shown.limits.max_total_trials is None


def test_assignments_are_checked(job: Command) -> None:
    with pytest.raises(ValidationException, match=r"name: '\.\./x' cannot name a job"):
        job.name = "../x"
    with pytest.raises(UnexpectedKeywordError, match=r"unexpected keyword 'comand'. Did you mean 'command'"):
        job.comand = "x"
    with pytest.raises(ValidationException, match=r"extra: \[1\] \(list\) cannot be an input"):
        job.inputs["extra"] = [1]
    with pytest.raises(AttributeError, match="Did you mean 'batch'"):
        _ = job.inputs.batcch


def test_patterns_of_metrics_go_with_the_job_and_its_sweep() -> None:
    patterns = {"accuracy": r"acc: (\S+)", "loss": r"(?P<step>\d+) (?P<value>\S+)"}
    job = command(command="python a.py ${{inputs.x}}", inputs={"x": 1}, metric_patterns=patterns)
    assert job(x=2).metric_patterns == patterns
    sweep = job(x=Choice([1, 2])).sweep(primary_metric="accuracy", goal="maximize")
    assert sweep.trial.metric_patterns == patterns


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        ("accuracy", "must map metrics to patterns"),
        ({"": "(.)"}, "is no name of a metric"),
        ({"a": 1}, "1 is no pattern"),
        ({"a": "(("}, "is no regular expression"),
        ({"a": "acc"}, "has no group around the value"),
        ({"a": r"(?P<step>\d+)"}, "has no group around the value"),
        ({"a": r"(?P<step>\d+) (\d+)"}, "is the step"),
    ],
)
def test_patterns_that_cannot_find_a_value_are_refused(patterns: Any, told: str) -> None:
    with pytest.raises(ValidationException, match=told):
        command(command="python a.py", metric_patterns=patterns)
