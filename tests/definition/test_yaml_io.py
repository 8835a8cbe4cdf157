from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.definition.command import Command, command
from workbench.definition.distributions import Choice, LogUniform, Uniform
from workbench.definition.environment import Environment
from workbench.definition.inputs import Input, Output
from workbench.definition.policies import BanditPolicy
from workbench.definition.sweep import Sweep
from workbench.definition.yaml_io import dump, load_data, load_environment, load_job, load_model, to_yaml
from workbench.errors import UnexpectedKeywordError, ValidationException

COMMAND = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: >-
  python train.py --lr ${{inputs.lr}}
  --data ${{inputs.data}}
code: src
environment: azureml:keras@latest
compute: azureml:gpu-cluster
inputs:
  lr: 1e-4
  flag: no
  three: {value: 3}
  data: {type: uri_folder, path: ../data, mode: download}
  asset: {type: uri_file, path: "azureml:iris:1"}
  short: {path: "iris@latest"}
  web: {type: uri_file, path: "https://example.org/a.csv"}
outputs:
  model:
tags: {n: 3}
limits: {timeout: 60}
resources: {instance_count: 1}
"""
SWEEP = """\
type: sweep
trial:
  command: python train.py --lr ${{search_space.lr}} --b ${{search_space.b}}
  code: src
  environment: {image: "python:3.12", conda_file: conda.yml}
inputs: {data: {path: data}}
search_space:
  lr: {type: LogUniform, min_value: -6, max_value: -1}
  b:
    type: choice
    values: [25, 50, {x: {type: uniform, min_value: 0, max_value: 1}}]
sampling_algorithm: {type: random, seed: 7}
objective: {goal: Maximize, primary_metric: acc}
limits: {max_total_trials: 20, max_concurrent_trials: 4}
early_termination: {type: bandit, slack_factor: 0.1, evaluation_interval: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


def written(folder: Path, text: str, name: str = "job.yml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_command_job(folder: Path) -> None:
    job = load_job(written(folder, COMMAND), params_override=[{"inputs.lr": 0.5}, {"limits.timeout": 5, "tags.x": "y"}])
    assert isinstance(job, Command)
    assert job.command == "python train.py --lr ${{inputs.lr}} --data ${{inputs.data}}"
    assert job.code == str(folder / "src")
    assert job.inputs["lr"] == 0.5
    assert (job.inputs["flag"], job.inputs["three"]) == ("no", 3)
    assert job.inputs["data"] == Input(type="uri_folder", path=folder.parent / "data", mode="download")
    assert job.inputs["asset"] == Input(type="uri_file", path="azureml:iris:1")
    assert job.inputs["short"] == Input(path="iris@latest")
    assert job.inputs["web"] == Input(type="uri_file", path="https://example.org/a.csv")
    assert job.outputs["model"] == Output()
    assert job.tags == {"n": "3", "x": "y"}
    assert job.limits is not None
    assert job.limits.timeout == 5


def test_yaml_1_2_numbers(folder: Path) -> None:
    job = load_job(written(folder, "command: x\ninputs: {lr: 1e-4, on: on}\n"))
    assert job.inputs["lr"] == 1e-4
    assert job.inputs["on"] == "on"


def test_sweep_job(folder: Path) -> None:
    sweep = load_job(written(folder, SWEEP))
    assert isinstance(sweep, Sweep)
    assert sweep.search_space == {"lr": LogUniform(-6, -1), "b": Choice([25, 50, {"x": Uniform(0, 1)}])}
    assert sweep.early_termination == BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    assert sweep.trial.environment == Environment(image="python:3.12", conda_file=str(folder / "conda.yml"))
    assert sweep.trial.code == str(folder / "src")
    assert sweep.inputs["data"] == Input(path=folder / "data")
    path = folder / "again.yml"
    dump(sweep, path)
    assert load_job(path) == sweep


def test_override_of_a_list_and_an_entry(folder: Path) -> None:
    override: list[dict[str, Any]] = [{"search_space.b.values": [1, 2]}, {"search_space.b.values.1": 3}]
    sweep = load_job(written(folder, SWEEP), params_override=override)
    assert isinstance(sweep, Sweep)
    assert sweep.search_space["b"] == Choice([1, 3])


def test_environment_by_file_and_origin(folder: Path, tmp_path: Path) -> None:
    written(folder, "name: e\nbuild: {path: docker}\n", "env.yml")
    job = load_job(written(folder, "command: x\nenvironment: file:env.yml\ncode: src\n"))
    assert isinstance(job, Command)
    assert isinstance(job.environment, Environment)
    assert job.environment.build is not None
    assert job.environment.build.path == str(folder / "docker")
    moved = load_job(written(folder, "command: x\ncode: src\n"), relative_origin=tmp_path)
    assert isinstance(moved, Command)
    assert moved.code == str(tmp_path / "src")


def test_assets(folder: Path) -> None:
    model = load_model(written(folder, "name: m\nversion: 3\ntype: mlflow_model\npath: out/model\n"))
    assert (model.version, model.path) == ("3", str(folder / "out/model"))
    data = load_data(written(folder, "name: d\ntype: uri_file\npath: azureml://datastores/a/paths/b\n"))
    assert data.path == "azureml://datastores/a/paths/b"
    environment = load_environment(written(folder, "name: e\nimage: python\nconda_file: {dependencies: [pip]}\n"))
    assert environment.conda_file == {"dependencies": ["pip"]}
    again = written(folder, to_yaml(model), "model.yml")
    assert load_model(again) == model


def test_several_lines_print_as_a_block() -> None:
    assert "command: |" in str(command(command="a\nb\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "command: x\nenviroment: local\n",
            r"job.yml: Command: unexpected keyword 'enviroment'. Did you mean 'environment'",
        ),
        ("command: x\nlimits: {timeut: 3}\n", r"job.yml: limits: unexpected keyword 'timeut'. Did you mean 'timeout'"),
        ("command: x\nlimits: {timeout: soon}\n", r"job.yml: limits.timeout: must be a number; got 'soon'"),
        ("environment: local\n", r"job.yml: command: is needed and was not given. Add command"),
        ("command: [x\n", r"job.yml, line 2, column 1: .*Correct the YAML there"),
        ("command: x\n  bad: y\n", r"job.yml, line 2, column 6: "),
        ("- a\n", r"job.yml: must be a mapping; got \['a'\] \(list\). Write 'key: value'"),
        ("trial: {command: x}\n", r"job.yml: type: is needed for a job with a trial. Add type: sweep"),
        ("type: pipeline\ncommand: x\n", r"job.yml: 'pipeline' is not a type of job. Valid are: command, notebook"),
        (SWEEP.replace("trial:\n", "trial:\n  type: command\n"), r"job.yml: trial: unexpected keyword 'type'"),
        (
            SWEEP.replace("min_value: -6", "min_value: 6"),
            r"job.yml: search_space.lr.min_value: 6 is not below max_value -1",
        ),
        (SWEEP.replace("LogUniform", "log_uniform"), r"job.yml: search_space.lr: .*Did you mean 'loguniform'"),
        (SWEEP.replace("objective:", "objectiv:"), r"job.yml: objective: is needed"),
        (SWEEP.replace("Maximize", "max"), r"job.yml: objective.goal: 'max' is not a goal"),
        (SWEEP.replace("slack_factor: 0.1,", ""), r"job.yml: early_termination.slack_factor: needs slack_factor"),
        (
            SWEEP.replace("seed: 7", "sed: 7"),
            r"job.yml: sampling_algorithm: unexpected keyword 'sed'. Did you mean 'seed'",
        ),
    ],
)
def test_mistakes_name_file_and_field(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        load_job(written(folder, text))


def test_other_mistakes(folder: Path) -> None:
    with pytest.raises(ValidationException, match=r"none.yml: cannot be read: No such file .*The current folder is"):
        load_job(folder / "none.yml")
    with pytest.raises(
        ValidationException, match=r"this is a conda file, not an environment. Write an environment with image"
    ):
        load_environment(written(folder, "name: e\nchannels: [a]\ndependencies: [pip]\n"))
    with pytest.raises(ValidationException, match=r"job.yml: name: is needed"):
        load_environment(written(folder, "image: python\n"))
    with pytest.raises(ValidationException, match=r"path: is needed and was not given. Add path"):
        load_data(written(folder, "name: d\n"))
    with pytest.raises(ValidationException, match=r"path: an mlflow_model is a folder, and 'm.pkl' looks like a file"):
        load_model(written(folder, "name: m\ntype: mlflow_model\npath: m.pkl\n"))
    with pytest.raises(UnexpectedKeywordError, match="Did you mean 'version'"):
        load_model(written(folder, "name: m\nvrsion: 3\n"))
    with pytest.raises(ValidationException, match=r"params_override.command.x: 'command' holds a plain value"):
        load_job(written(folder, "command: x\n"), params_override=[{"command.x": 3}])
