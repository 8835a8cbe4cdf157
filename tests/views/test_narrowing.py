"""A brush keeps what it covers and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.definition.distributions import (
    Choice,
    Distribution,
    LogNormal,
    LogUniform,
    Normal,
    QLogUniform,
    QUniform,
    Randint,
    Uniform,
)
from workbench.errors import ValidationException
from workbench.views.facts import Axis
from workbench.views.narrowing import narrowed

CONTINUOUS: list[Distribution] = [
    Uniform(-2, 5),
    LogUniform(-7, 1),
    Normal(1, 2),
    LogNormal(0, 1),
    QUniform(-10, 10, 0.5),
    QLogUniform(2, 5, 0.05),
]


@pytest.mark.parametrize("distribution", CONTINUOUS, ids=lambda d: d.kind)
@given(middle=st.floats(0.1, 0.9), width=st.floats(0.02, 0.3), u=st.floats(0, 0.999))
def test_what_is_drawn_afterwards_lies_under_the_brush(
    distribution: Distribution, middle: float, width: float, u: float
) -> None:
    axis = Axis("x", "log" if distribution.log else "linear")
    ends = [axis.place(distribution.from_unit(side)) for side in (middle - width / 4, middle + width / 4)]
    if None in ends or ends[0] == ends[1]:
        return
    low, high = sorted(end for end in ends if end is not None)
    value = narrowed(distribution, axis, [(low, high)]).from_unit(u)
    assert isinstance(value, int | float)
    slack = getattr(distribution, "q", 0.0) / 2
    bounds = (10**low, 10**high) if distribution.log else (low, high)
    assert bounds[0] - slack - 1e-9 * abs(bounds[0]) <= value <= bounds[1] + slack + 1e-9 * abs(bounds[1])


def test_a_brush_beyond_the_ends_changes_nothing() -> None:
    assert narrowed(Uniform(0, 1), Axis("x", "linear"), [(-5, 9)]) == Uniform(0, 1)
    again = narrowed(LogUniform(-6, -1), Axis("x", "log"), [(-50, 9)])
    assert isinstance(again, LogUniform)
    assert (again.min_value, again.max_value) == (-6, -1)


def test_categories_are_kept_as_they_are_brushed() -> None:
    axis = Axis("x", "category", ("a", "b", "c", "d"))
    choice = Choice(["a", "b", "c", "d"])
    assert narrowed(choice, axis, [(-0.2, 0.4), (2.5, 3.2)]) == Choice(["a", "d"])
    with pytest.raises(ValidationException, match="no value of the choice is brushed"):
        narrowed(choice, axis, [(0.2, 0.8)])


def test_whole_numbers_stay_whole() -> None:
    axis = Axis("x", "linear")
    assert narrowed(Randint(10), axis, [(2.2, 5.9)]) == Choice([3, 4, 5])
    assert narrowed(Randint(10**6), axis, [(10.5, 90000)]) == QUniform(11, 90000, 1)
    with pytest.raises(ValidationException, match="no whole number is brushed"):
        narrowed(Randint(10), axis, [(2.2, 2.9)])


def test_ends_that_are_nowhere_are_those_of_the_axis() -> None:
    axis = Axis("x", "linear")
    assert narrowed(Randint(10), axis, [(7.5, math.inf)]) == Choice([8, 9])
    assert narrowed(Randint(10), axis, [(-math.inf, 1)]) == Choice([0, 1])
    assert narrowed(Uniform(-2, 5), axis, [(-math.inf, math.inf)]) == Uniform(-2, 5)


def test_an_empty_brush_is_refused() -> None:
    with pytest.raises(ValidationException, match="leaves no range"):
        narrowed(LogUniform(-6, -1), Axis("x", "log"), [(math.log10(5), math.log10(9))])
