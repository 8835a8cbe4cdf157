from __future__ import annotations

import re
from typing import Any

import pytest

from workbench.definition.naming import check_key, default_experiment_name, generate_name
from workbench.definition.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
    as_early_termination,
)
from workbench.definition.sampling import (
    BayesianSamplingAlgorithm,
    GridSamplingAlgorithm,
    RandomSamplingAlgorithm,
    as_sampling_algorithm,
)
from workbench.errors import ValidationException


def test_defaults_are_azures() -> None:
    assert (BanditPolicy(slack_factor=0.1).evaluation_interval, MedianStoppingPolicy().evaluation_interval) == (0, 1)
    assert TruncationSelectionPolicy(truncation_percentage=20).evaluation_interval == 0
    assert BanditPolicy(slack_factor=0).slack_factor == 0
    assert BanditPolicy(slack_factor=0.2, slack_amount=0) == BanditPolicy(slack_factor=0.2)


def test_names_and_mappings_become_objects() -> None:
    assert as_early_termination("Median_Stopping") == MedianStoppingPolicy()
    assert as_early_termination({"type": "bandit", "slack_amount": 1}) == BanditPolicy(slack_amount=1)
    assert as_early_termination(None) is None
    assert as_sampling_algorithm("BAYESIAN") == BayesianSamplingAlgorithm()
    assert as_sampling_algorithm("grid") == GridSamplingAlgorithm()
    fields = {"type": "random", "rule": "Sobol", "seed": 3, "logbase": "10"}
    assert as_sampling_algorithm(fields) == RandomSamplingAlgorithm(rule="sobol", seed=3, logbase=10)
    assert RandomSamplingAlgorithm(logbase="e").base == pytest.approx(2.71828, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            BanditPolicy,
            r"slack_factor: needs slack_factor or slack_amount. Write BanditPolicy\(slack_factor=0.1\)",
        ),
        (lambda: BanditPolicy(slack_factor=1, slack_amount=1), r"exclude each other. Write BanditPolicy"),
        (lambda: BanditPolicy(slack_factor=-1), r"slack_factor: must not be negative; got -1. Give 0 or"),
        (lambda: BanditPolicy(slack_amount=1, delay_evaluation=-1), r"delay_evaluation: must not be negative"),
        (
            lambda: MedianStoppingPolicy(evaluation_interval=1.5),
            r"evaluation_interval: must be a whole number; got 1.5",
        ),
        (lambda: TruncationSelectionPolicy(truncation_percentage=100), r"truncation_percentage: must be from 1 to 99"),
        (lambda: TruncationSelectionPolicy(truncation_percentage=0), r"Write 20 to stop the worst 20 percent"),
        (lambda: as_early_termination("bandit"), r"slack_factor: needs .*Write BanditPolicy\(slack_factor=0.1\)"),
        (
            lambda: as_early_termination("truncation_selection"),
            r"TruncationSelectionPolicy\(truncation_percentage=20\)",
        ),
        (lambda: as_early_termination("medain_stopping"), r"Did you mean 'median_stopping'"),
        (lambda: as_sampling_algorithm("rndom"), r"'rndom' is not a sampling algorithm. Did you mean 'random'"),
        (lambda: RandomSamplingAlgorithm(rule="halton"), r"rule: 'halton' is not a rule. Valid are: random, sobol"),
        (lambda: RandomSamplingAlgorithm(seed=-1), r"seed: must not be negative; got -1. Give a whole number"),
        (lambda: RandomSamplingAlgorithm(logbase=1), r"logbase: must be above 1; got 1. Write 10, 2 or 'e'"),
        (lambda: check_key("lr.min", "inputs"), r"inputs.lr.min: 'lr.min' cannot be a name here. .*lr_min"),
        (lambda: check_key("1x", "search_space"), r"search_space.1x: .*p_1x"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        make()


def test_generated_names_leave_room_for_trials() -> None:
    names = {generate_name() for _ in range(300)}
    assert len(names) == 300
    assert all(re.fullmatch(r"[a-z]+_[a-z]+_[b-df-hj-np-tv-z0-9]{10}", name) for name in names)
    assert max(map(len, names)) <= 27
    assert default_experiment_name()
