from __future__ import annotations

import math
import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.definition.distributions import (
    DISTRIBUTIONS,
    Choice,
    Distribution,
    LogNormal,
    LogUniform,
    Normal,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Randint,
    Uniform,
    combined_size,
    distribution_from_dict,
)
from workbench.errors import UnexpectedKeywordError, ValidationException

units = st.floats(0, 1, exclude_max=True)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
exponents = st.floats(-20, 20)
sigmas = st.floats(1e-3, 2)
steps = st.sampled_from([1, 2, 16, 0.1, 0.25, 0.05, 1e-3])


def ranges(values: st.SearchStrategy[float], gap: float) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(values, values).filter(lambda pair: pair[1] - pair[0] > gap)


def refused(where: str, fix: str) -> Any:
    return pytest.raises(ValidationException, match=rf"^{re.escape(where)}: .*{re.escape(fix)}")


@given(ranges(numbers, 1e-3), units)
def test_uniform_follows_its_formula(ends: tuple[float, float], u: float) -> None:
    low, high = ends
    value = Uniform(low, high).from_unit(u)
    assert value == pytest.approx(low + u * (high - low), rel=1e-9, abs=1e-6)
    assert isinstance(value, float)
    assert low <= value <= high


@given(ranges(exponents, 1e-3), units)
def test_loguniform_takes_exponents_of_e(ends: tuple[float, float], u: float) -> None:
    low, high = ends
    value = LogUniform(low, high).from_unit(u)
    assert isinstance(value, float)
    assert math.log(value) == pytest.approx(low + u * (high - low), abs=1e-9)
    assert math.exp(low) <= value <= math.exp(high)


def test_loguniform_of_the_tutorial_and_other_bases() -> None:
    assert LogUniform(-6, -1).bounds() == pytest.approx((0.00248, 0.3679), rel=1e-3)
    assert LogUniform(-6, -1).from_unit(0, logbase=10) == pytest.approx(1e-6)
    assert QLogUniform(0, 3, 1).from_unit(0.999999, logbase=10) == 1000


@given(ranges(st.floats(-1000, 1000), 20), steps, units)
def test_quniform_is_a_near_multiple_of_q(ends: tuple[float, float], q: float, u: float) -> None:
    low, high = ends
    value = QUniform(low, high, q).from_unit(u)
    assert isinstance(value, int | float)
    exact = low + u * (high - low)
    assert abs(value - exact) <= q / 2 + 1e-9
    assert value / q == pytest.approx(round(value / q), abs=1e-6)
    assert low - q / 2 - 1e-9 <= value <= high + q / 2 + 1e-9


@given(ranges(st.floats(-50, 50), 2), st.sampled_from([1, 0.5, 0.1]), units)
def test_quniform_values_are_those_of_its_support(ends: tuple[float, float], q: float, u: float) -> None:
    distribution = QUniform(*ends, q)
    support = distribution.support()
    assert support is not None
    assert len(support) == len(set(support)) == distribution.size()
    assert distribution.from_unit(u) in support
    assert (support[0], support[-1]) == distribution.bounds()


@given(ranges(st.floats(0, 6), 1.5), units)
def test_qloguniform_rounds_the_exponential(ends: tuple[float, float], u: float) -> None:
    low, high = ends
    distribution = QLogUniform(low, high, 1)
    value = distribution.from_unit(u)
    assert isinstance(value, int)
    assert abs(value - math.exp(low + u * (high - low))) <= 0.5 + 1e-6
    assert value in (distribution.support() or ())


@given(numbers, sigmas, st.floats(1e-6, 1 - 1e-6))
def test_normal_family_inverts_the_bell(mu: float, sigma: float, u: float) -> None:
    exact = NormalDist(mu, sigma).inv_cdf(u)
    assert Normal(mu, sigma).from_unit(u) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    rounded = QNormal(mu, sigma, 0.5).from_unit(u)
    assert isinstance(rounded, float)
    assert abs(rounded - exact) <= 0.25 + 1e-6


@given(st.floats(-3, 3), sigmas, st.floats(1e-6, 1 - 1e-6))
def test_lognormal_family_is_its_exponential(mu: float, sigma: float, u: float) -> None:
    exact = math.exp(NormalDist(mu, sigma).inv_cdf(u))
    assert LogNormal(mu, sigma).from_unit(u) == pytest.approx(exact, rel=1e-9)
    rounded = QLogNormal(mu, sigma, 2).from_unit(u)
    assert isinstance(rounded, int)
    assert rounded >= 0
    assert abs(rounded - exact) <= 1 + 1e-6


@given(st.integers(1, 10**12), units)
def test_randint_stays_below_upper(upper: int, u: float) -> None:
    value = Randint(upper).from_unit(u)
    assert isinstance(value, int)
    assert 0 <= value < upper


@pytest.mark.parametrize(
    ("distribution", "median"),
    [
        (Uniform(2, 4), 3),
        (LogUniform(-4, -2), math.exp(-3)),
        (QUniform(0, 10, 2), 6),
        (QLogUniform(2, 4, 1), 20),
        (Normal(5, 2), 5),
        (LogNormal(1, 2), math.e),
        (QNormal(5.2, 1, 0.5), 5),
        (QLogNormal(3, 1, 1), 20),
        (Randint(9), 4),
        (Choice(["a", "b", "c"]), "b"),
    ],
)
def test_medians(distribution: Distribution, median: object) -> None:
    value = distribution.from_unit(0.5)
    assert value == (median if isinstance(median, str) else pytest.approx(median))


@pytest.mark.parametrize("distribution", [Choice([1, 2, 3]), Randint(4), QUniform(0.5, 4.5, 1)])
def test_finite_values_have_equal_odds(distribution: Distribution) -> None:
    support = distribution.support()
    assert support is not None
    drawn = [distribution.from_unit((index + 0.5) / 1200) for index in range(1200)]
    assert {value: drawn.count(value) for value in support} == dict.fromkeys(support, 1200 // len(support))


def test_normal_draws_have_the_asked_moments() -> None:
    drawn = [Normal(3, 2).from_unit((index + 0.5) / 4000) for index in range(4000)]
    assert np.mean(drawn) == pytest.approx(3, abs=1e-6)  # type: ignore[arg-type]
    assert np.std(drawn) == pytest.approx(2, rel=1e-2)  # type: ignore[arg-type]


def test_no_dust_and_whole_numbers() -> None:
    assert QUniform(0, 1, 0.1).support() == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert QUniform(16, 64, 16).support() == (16, 32, 48, 64)
    assert all(isinstance(value, int) for value in QUniform(16, 64, 16).support() or ())
    assert QUniform(0, 1, 1e-7).from_unit(0.3) == 0.3


@pytest.mark.parametrize("u", [0.0, math.nextafter(1, 0)])
def test_ends_of_the_unit_interval_are_finite(u: float) -> None:
    for distribution in (Normal(0, 1), LogNormal(0, 1), QNormal(0, 1, 1), QLogNormal(0, 1, 1), LogUniform(-5, 5)):
        value = distribution.from_unit(u)
        assert isinstance(value, int | float)
        assert math.isfinite(value)


def test_choice_folds_repeats_in_order_and_keeps_types_apart() -> None:
    assert Choice([3, 1, 3, 2, 1]).values == (3, 1, 2)
    assert len(Choice([1, 1.0, True, "1"]).values) == 4
    assert Choice([1]) != Choice([True])
    assert Choice(range(0, 10, 5)) == Choice((0, 5))
    assert Choice(np.array([1, 2])) == Choice([1, 2])
    assert {type(value) for value in Choice([np.int64(1), np.float32(0.5)]).values} == {int, float}


def test_nested_choice_samples_only_the_chosen_space() -> None:
    space = Choice([{"kind": "sgd", "lr": Uniform(0, 1)}, {"kind": "adam", "lr": Uniform(0, 1), "b": Choice([1, 2])}])
    assert space.width == 4
    assert space.from_units([0.1, 0.25, 0.5, 0.9]) == {"kind": "sgd", "lr": 0.25}
    assert space.from_units([0.9, 0.25, 0.5, 0.9]) == {"kind": "adam", "lr": 0.5, "b": 2}
    assert space.size() is None
    with pytest.raises(ValueError, match="4 unit coordinates"):
        space.from_unit(0.5)


def test_nested_choice_lists_its_combinations() -> None:
    space = Choice([{"a": Choice([1, 2]), "b": Randint(2)}, {"c": 0}, 7])
    expected = ({"a": 1, "b": 0}, {"a": 1, "b": 1}, {"a": 2, "b": 0}, {"a": 2, "b": 1}, {"c": 0}, 7)
    assert space.support() == expected
    assert space.size() == 6
    assert combined_size({"x": space, "y": Randint(3)}) == 18
    assert combined_size({"x": space, "y": Normal(0, 1)}) is None


def test_long_supports_have_a_size_only() -> None:
    assert Randint(10**9).size() == 10**9
    assert Randint(10**9).support() is None


def test_equality_hash_and_freezing() -> None:
    assert len({Uniform(0, 1), Uniform(0, 1), Uniform(0, 2), LogUniform(0, 1)}) == 3
    with pytest.raises(ValidationException, match=r"max_value: cannot be changed .* Make a new one"):
        Uniform(0, 1).max_value = 3  # type: ignore[misc]


@pytest.mark.parametrize("distribution", [Choice([1, {"a": Normal(0, 1)}]), QLogNormal(1, 2, 3), Randint(upper=3)])
def test_dicts_round_trip(distribution: Distribution) -> None:
    assert distribution_from_dict(distribution.to_dict()) == distribution


def test_azures_keywords() -> None:
    assert Choice(values=[1], type="choice") == Choice([1])
    assert QUniform(min_value=0, max_value=4, q=2) == QUniform(0, 4, 2, type="quniform")
    assert set(DISTRIBUTIONS) == {
        *("choice", "uniform", "loguniform", "quniform", "qloguniform"),
        *("normal", "lognormal", "qnormal", "qlognormal", "randint"),
    }
    with refused("type", "Leave type out"):
        Choice([1], type="uniform")
    with pytest.raises(UnexpectedKeywordError, match=r"Uniform: .*'min'.*Valid are: min_value, max_value"):
        Uniform(min=0, max=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationException, match=r"missing .*'max_value'.*Its arguments are"):
        Uniform(0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "where", "fix"),
    [
        (lambda: Choice([]), "values", "at least one value"),
        (lambda: Choice("abc"), "values", "square brackets"),
        (lambda: Choice([1, [2]]), "values.1", "Use numbers, text"),
        (lambda: Choice([None]), "values.0", "Use numbers, text"),
        (lambda: Choice([math.nan]), "values.0", "ordinary number"),
        (lambda: Choice(range(10**7)), "values", "Use Randint"),
        (lambda: Choice([{"a": {"type": "unifrm"}}]), "values.0.a", "Did you mean 'uniform'?"),
        (lambda: Uniform(5, 1), "min_value", "smaller number first"),
        (lambda: Uniform(1, 1), "min_value", "smaller number first"),
        (lambda: Uniform(math.nan, 1), "min_value", "ordinary number"),
        (lambda: Uniform(0, math.inf), "max_value", "ordinary number"),
        (lambda: Uniform("0", 1), "min_value", "without quotes"),  # type: ignore[arg-type]
        (lambda: Uniform(True, 3), "min_value", "without quotes"),
        (lambda: LogUniform(1, 1000), "max_value", "exponents of e"),
        (lambda: LogUniform(-1000, -900), "max_value", "exponents of e"),
        (lambda: QUniform(0, 1, 0), "q", "step between values"),
        (lambda: QUniform(0, 1, -1), "q", "step between values"),
        (lambda: QUniform(0, 1, 2), "q", "Lower q"),
        (lambda: QUniform(0, 1, 1e-20), "q", "Raise q"),
        (lambda: QLogUniform(0, 1, 5), "q", "Lower q"),
        (lambda: Normal(0, -2), "sigma", "Write 2"),
        (lambda: Normal(3, 0), "sigma", "value 3 as a plain input"),
        (lambda: LogNormal(700, 5), "mu", "exponents of e"),
        (lambda: Randint(0), "upper", "Randint(10)"),
        (lambda: Randint(2.5), "upper", "Randint(10)"),  # type: ignore[arg-type]
        (lambda: distribution_from_dict({"values": [1]}, "x"), "x", "Add one of type"),
        (lambda: distribution_from_dict({"type": "log_uniform"}, "x"), "x", "Did you mean 'loguniform'?"),
        (lambda: distribution_from_dict({"type": "normal", "mu": 0, "sigma": -1}, "x"), "x.sigma", "Write 1"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, where: str, fix: str) -> None:
    with refused(where, fix):
        make()


def test_a_base_that_overflows_is_refused() -> None:
    with refused("logbase", "Lower logbase"):
        LogUniform(0, 700).from_unit(0.99, logbase=10)
