from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.definition.command import Command
from workbench.definition.distributions import Choice, Distribution, LogUniform, Normal, QUniform, Randint, Uniform
from workbench.definition.environment import BuildContext, Environment
from workbench.definition.inputs import Input, Output
from workbench.definition.limits import CommandJobLimits, SweepJobLimits
from workbench.definition.objective import Objective
from workbench.definition.policies import BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy
from workbench.definition.records import job_from_record, to_record
from workbench.definition.resources import JobResourceConfiguration, QueueSettings
from workbench.definition.sampling import (
    BayesianSamplingAlgorithm,
    GridSamplingAlgorithm,
    RandomSamplingAlgorithm,
)
from workbench.definition.sweep import Sweep, Trial
from workbench.definition.yaml_io import load_job, to_yaml
from workbench.definition.yaml_text import from_text
from workbench.errors import ValidationException

keys = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    texts, st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
distributions: st.SearchStrategy[Distribution] = st.one_of(
    st.lists(scalars, min_size=1, max_size=4).map(Choice),
    st.dictionaries(keys, scalars | st.just(Uniform(0, 1)), max_size=2).map(lambda option: Choice([option, 1])),
    st.integers(1, 50).map(Randint),
    st.tuples(st.floats(-5, 0), st.floats(1, 5)).map(lambda ends: Uniform(*ends)),
    st.tuples(st.integers(-5, 0), st.floats(1, 5)).map(lambda ends: LogUniform(*ends)),
    st.just(QUniform(0, 8, 2)),
    st.just(Normal(0, 1)),
)
literals = st.builds(Input, type=st.just("integer"), default=st.integers(0, 9))
data = st.builds(
    Input, type=st.sampled_from(["uri_file", "uri_folder"]), path=texts, mode=st.sampled_from([None, "direct"])
)
inputs = st.dictionaries(keys, st.one_of(scalars, st.none(), literals, data), max_size=3)
outputs = st.dictionaries(
    keys, st.builds(Output, path=st.none() | texts, mode=st.sampled_from([None, "upload"])), max_size=2
)
environments = st.one_of(
    st.sampled_from([None, "local", "keras:1"]),
    st.builds(Environment, image=texts, conda_file=st.sampled_from([None, "c.yml", {"dependencies": ["pip"]}])),
    st.just(Environment(build=BuildContext(path="docker"), tags={"a": None, "b": "c"})),
)
resources = st.none() | st.builds(
    JobResourceConfiguration,
    gpus=st.sampled_from([None, 1, 0.5]),
    docker_args=st.sampled_from([None, "-it", ["a", "b"]]),
)
common: dict[str, Any] = {
    "name": st.sampled_from([None, "a_1"]),
    "display_name": st.none() | texts,
    "experiment_name": texts,
    "tags": st.dictionaries(texts, st.none() | texts, max_size=2),
    "outputs": outputs,
    "queue_settings": st.none() | st.builds(QueueSettings, priority=st.sampled_from(["low", "high"])),
}
parts: dict[str, Any] = {
    "command": st.none() | texts.filter(lambda text: "{" not in text),
    "code": st.none() | texts,
    "environment": environments,
    "environment_variables": st.dictionaries(keys, texts, max_size=2),
    "resources": resources,
}
commands = st.builds(
    Command,
    **common,
    **parts,
    inputs=st.one_of(inputs, st.dictionaries(keys, distributions, max_size=2)),
    limits=st.none() | st.builds(CommandJobLimits, timeout=st.none() | st.integers(1, 99)),
)
sweeps = st.builds(
    Sweep,
    **common,
    inputs=inputs,
    trial=st.builds(Trial, **parts),
    search_space=st.dictionaries(keys, distributions, max_size=3),
    objective=st.none() | st.just(Objective(goal="minimize", primary_metric="loss")),
    sampling_algorithm=st.sampled_from(
        [
            RandomSamplingAlgorithm(rule="sobol", seed=3, logbase=10),
            RandomSamplingAlgorithm(logbase="e"),
            GridSamplingAlgorithm(),
            BayesianSamplingAlgorithm(seed=0),
        ]
    ),
    limits=st.builds(SweepJobLimits, max_total_trials=st.none() | st.integers(1, 9), timeout=st.none() | st.just(2.5)),
    early_termination=st.sampled_from(
        [
            None,
            BanditPolicy(slack_amount=0.5),
            MedianStoppingPolicy(delay_evaluation=2),
            TruncationSelectionPolicy(truncation_percentage=9),
        ]
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(commands, sweeps))
def test_records_are_json_and_round_trip_exactly(job: Command | Sweep) -> None:
    record = to_record(job)
    again = job_from_record(json.loads(json.dumps(record)))
    assert again == job
    assert json.dumps(to_record(again)) == json.dumps(record)
    assert record["type"] == job.type


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(sweeps)
def test_printed_yaml_is_a_record_too(job: Sweep) -> None:
    assert job_from_record(from_text(to_yaml(job), "x")) == job


def test_unknown_types_are_refused() -> None:
    with pytest.raises(ValidationException, match=r"'pipeline' is not a type of job. Valid are: command, notebook"):
        job_from_record({"type": "pipeline"})


def test_load_job_is_importable_for_streams(tmp_path: Any) -> None:
    path = tmp_path / "job.yml"
    path.write_text("command: echo hi\nenvironment: local\n")
    with path.open() as stream:
        assert load_job(stream) == load_job(path)
