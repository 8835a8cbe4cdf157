from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.definition.distributions import Choice, Distribution, LogUniform, Normal, QUniform, Randint, Uniform
from workbench.definition.sampling import (
    BayesianSamplingAlgorithm,
    GridSamplingAlgorithm,
    RandomSamplingAlgorithm,
    SamplingAlgorithm,
)
from workbench.errors import ValidationException
from workbench.search.samplers import Observation, Sampler, make_sampler
from workbench.search.space import key

FINITE: dict[str, Distribution] = {"a": Choice([1, 2, 3]), "b": QUniform(0, 1, 0.5)}
ENDLESS: dict[str, Distribution] = {"a": Choice(["x", "y"]), "u": Uniform(0, 1), "q": QUniform(0, 8, 2)}
RANDOM, SOBOL = RandomSamplingAlgorithm(), RandomSamplingAlgorithm(rule="sobol")
ALGORITHMS: list[SamplingAlgorithm] = [RANDOM, SOBOL, BayesianSamplingAlgorithm()]


def score(params: object) -> float:
    return sum(map(ord, str(params))) % 17 / 17


def continued(sampler: Sampler, history: list[Observation], upto: int, running: int = 2) -> list[Observation]:
    """Propose up to a number of trials, a few of them running at any time, and some failing."""
    history = list(history)
    for number in range(len(history), upto):
        params = sampler.propose(number, history)
        if params is None:
            break
        history.append(Observation(number, params))
        done = number - running
        if done >= 0:
            old = history[done]
            history[done] = Observation(done, old.params, score(old.params), finished=True, failed=done % 5 == 4)
    return history


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=["random", "sobol", "bayesian"])
@pytest.mark.parametrize("space", [FINITE, ENDLESS], ids=["finite", "endless"])
def test_same_seed_same_trials_and_any_prefix_resumes(
    algorithm: SamplingAlgorithm, space: dict[str, Distribution]
) -> None:
    upto = 24 if space is ENDLESS else 9
    whole = continued(make_sampler(algorithm, space, "maximize", 7), [], upto)
    assert continued(make_sampler(algorithm, space, "maximize", 7), [], upto) == whole
    for cut in (1, upto // 2, upto - 2):
        # What was known when trial `cut` was proposed: later results had not come yet.
        prefix = continued(make_sampler(algorithm, space, "maximize", 7), [], cut)
        assert continued(make_sampler(algorithm, space, "maximize", 7), prefix, upto) == whole
    other = continued(make_sampler(algorithm, space, "maximize", 8), [], upto)
    assert [trial.params for trial in other] != [trial.params for trial in whole]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=["random", "sobol", "bayesian"])
def test_the_algorithms_own_seed_goes_first(algorithm: SamplingAlgorithm) -> None:
    seeded = algorithm.model_copy(update={"seed": 5})
    first = make_sampler(seeded, ENDLESS, "maximize", 1).propose(0, [])
    assert first == make_sampler(seeded, ENDLESS, "maximize", 2).propose(0, [])
    assert first == make_sampler(algorithm, ENDLESS, "maximize", 5).propose(0, [])


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([*ALGORITHMS, GridSamplingAlgorithm()]),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(0, 99),
)
def test_finite_spaces_are_walked_without_repeats_to_their_end(
    algorithm: SamplingAlgorithm, sizes: list[int], seed: int
) -> None:
    space: dict[str, Distribution] = {str(place): Choice(range(count)) for place, count in enumerate(sizes)}
    trials = continued(make_sampler(algorithm, space, "minimize", seed), [], math.prod(sizes) + 5)
    assert len(trials) == len({key(trial.params) for trial in trials}) == math.prod(sizes)


def test_grid_is_the_full_product_in_order() -> None:
    space: dict[str, Distribution] = {"a": Choice(["x", "y"]), "b": Choice([1, {"c": Choice([2, 3])}])}
    sampler = make_sampler(GridSamplingAlgorithm(), space, "maximize", 0)
    proposed = [sampler.propose(number, []) for number in range(7)]
    product = itertools.product(["x", "y"], [1, {"c": 2}, {"c": 3}])
    assert proposed == [*({"a": a, "b": b} for a, b in product), None]


def test_random_values_spread_over_the_space() -> None:
    space: dict[str, Distribution] = {"u": Uniform(0, 1), "n": Normal(0, 1)}
    for algorithm in (RANDOM, SOBOL):
        sampler = make_sampler(algorithm, space, "maximize", 1)
        drawn = [sampler.propose(number, []) or {} for number in range(256)]
        quarters = [
            sum(1 for params in drawn if quarter <= float(str(params["u"])) * 4 < quarter + 1) for quarter in range(4)
        ]
        assert all(40 <= count <= 90 for count in quarters)
        if algorithm is SOBOL:
            assert quarters == [64] * 4


def test_sobol_is_the_same_in_any_order() -> None:
    forward = make_sampler(SOBOL, ENDLESS, "maximize", 3)
    points = [forward.propose(number, []) for number in range(20)]
    backward = make_sampler(SOBOL, ENDLESS, "maximize", 3)
    assert [backward.propose(number, []) for number in reversed(range(20))] == points[::-1]


def test_logbase_replaces_e() -> None:
    space: dict[str, Distribution] = {"lr": LogUniform(-3, -1)}
    natural = make_sampler(RANDOM, space, "maximize", 1).propose(0, [])
    decimal = make_sampler(RandomSamplingAlgorithm(logbase=10), space, "maximize", 1).propose(0, [])
    assert natural is not None
    assert decimal is not None
    assert math.log(float(str(natural["lr"]))) == pytest.approx(math.log10(float(str(decimal["lr"]))))


def test_large_finite_spaces_are_not_listed() -> None:
    sampler = make_sampler(RANDOM, {"n": Randint(10**12), "m": Randint(10)}, "maximize", 1)
    assert len({key(trial.params) for trial in continued(sampler, [], 50)}) == 50


def test_bayesian_learns() -> None:
    space: dict[str, Distribution] = {"x": Uniform(-5, 5), "y": Uniform(-5, 5)}
    sampler = make_sampler(BayesianSamplingAlgorithm(), space, "minimize", 0)
    history: list[Observation] = []
    for number in range(50):
        params = sampler.propose(number, history)
        assert params is not None
        loss = (float(str(params["x"])) - 2) ** 2 + (float(str(params["y"])) + 1) ** 2
        history.append(Observation(number, params, loss, finished=True))
    early, late = ([trial.score or 0 for trial in part] for part in (history[:10], history[-10:]))
    assert sum(late) < sum(early) / 4


def test_bayesian_survives_odd_reports_and_a_changed_past() -> None:
    sampler = make_sampler(BayesianSamplingAlgorithm(), ENDLESS, "maximize", 0)
    history = [
        Observation(0, {"a": "x", "u": 0.5, "q": 2}, math.nan, finished=True),
        Observation(1, {"a": "x", "u": 0.5, "q": 2}, None, finished=True),
        Observation(2, {"a": "gone", "u": 7.5, "q": 2}, 0.5, finished=True),
        Observation(3, {"a": "y", "u": 0.25, "q": 8}, math.inf, finished=True),
    ]
    first = sampler.propose(4, history)
    rewritten = [Observation(0, {"a": "y", "u": 0.1, "q": 0}, 1.0, finished=True)]
    assert sampler.propose(1, rewritten) is not None
    assert sampler.propose(4, history) == first


@pytest.mark.parametrize(
    ("algorithm", "distribution", "message"),
    [
        (
            BayesianSamplingAlgorithm(),
            LogUniform(0, 1),
            r"search_space.p: bayesian sampling .* not loguniform. Use one of",
        ),
        (GridSamplingAlgorithm(), Uniform(0, 1), r"sampling_algorithm: grid sampling needs finite choices. Use Choice"),
    ],
)
def test_misfits_are_refused(algorithm: SamplingAlgorithm, distribution: Distribution, message: str) -> None:
    with pytest.raises(ValidationException, match=message):
        make_sampler(algorithm, {"p": distribution}, "maximize", 0)
