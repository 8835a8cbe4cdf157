"""From a brush over parallel coordinates to a narrower search space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench.definition.distributions import (
    Choice,
    Distribution,
    LogUniform,
    QLogNormal,
    QLogUniform,
    QNormal,
    QUniform,
    Randint,
    Uniform,
)
from workbench.definition.records import job_from_record
from workbench.definition.sweep import Sweep
from workbench.errors import ValidationException
from workbench.views.facts import Axis, JobFacts

__all__ = ["Ranges", "brushed", "narrowed", "narrowed_text"]

Ranges = Sequence[tuple[float, float]]
"""The brushed intervals of one axis, in the units of the axis."""

_MOST_INTEGERS = 1000


def brushed(facts: JobFacts, ranges: Mapping[str, Ranges]) -> dict[str, Distribution]:
    """Return the narrower distributions of the parameters of a sweep whose axes are brushed.

    Args:
        facts: of the sweep.
        ranges: by name; axes that are no parameters, such as the metric's, are passed over.

    Raises:
        ValidationException: it is no sweep, no parameter is brushed, or a brush leaves nothing.
    """
    sweep = job_from_record(facts.record.definition)
    if not isinstance(sweep, Sweep):
        raise ValidationException("only a sweep has a search space", facts.name)
    axes = {axis.name: axis for axis in facts.axes}
    space = {
        name: narrowed(sweep.search_space[name], axes[name], [(low, high) for low, high in of_axis])
        for name, of_axis in ranges.items()
        if name in sweep.search_space and of_axis
    }
    if not space:
        raise ValidationException("no parameter is brushed", "narrow", "Drag along an axis of the parallel coordinates")
    return space


def narrowed(distribution: Distribution, axis: Axis, ranges: Ranges) -> Distribution:
    """Return the distribution over the brushed part of its axis.

    Numbers get the smallest interval that holds all brushes: a bell becomes uniform there, on its own scale.

    Args:
        distribution: as it is.
        axis: its axis.
        ranges: what is brushed.

    Raises:
        ValidationException: nothing of the distribution is left, or it cannot be narrowed.
    """
    if isinstance(distribution, Choice):
        return _chosen(distribution, axis, ranges)
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if isinstance(distribution, Randint):
        return _integers(distribution, axis.name, low, high)
    if distribution.log:
        low, high = low * math.log(10), high * math.log(10)  # the arguments of these are exponents of e
    if isinstance(distribution, Uniform | LogUniform | QUniform | QLogUniform):
        low, high = max(low, distribution.min_value), min(high, distribution.max_value)
    if not low < high:
        raise ValidationException("the brush leaves no range", axis.name, "Make the brush larger, inside the axis")
    if isinstance(distribution, QUniform | QLogUniform | QNormal | QLogNormal):
        return (QLogUniform if distribution.log else QUniform)(low, high, distribution.q)
    return (LogUniform if distribution.log else Uniform)(low, high)


def narrowed_text(space: Mapping[str, Distribution]) -> str:
    """Return in words that a sweep goes on with other distributions."""
    return "the trials yet to come are drawn from " + ", ".join(f"{name}: {value}" for name, value in space.items())


def _chosen(distribution: Choice, axis: Axis, ranges: Ranges) -> Choice:
    if any(isinstance(value, Mapping) for value in distribution.values):
        raise ValidationException("a choice between nested spaces cannot be narrowed by a brush", axis.name)
    kept = [
        value
        for value in distribution.values
        if (place := axis.place(value)) is not None and any(low <= place <= high for low, high in ranges)
    ]
    if not kept:
        raise ValidationException("no value of the choice is brushed", axis.name, "Brush over one of its marks")
    return Choice(kept)


def _integers(distribution: Randint, name: str, low: float, high: float) -> Distribution:
    first, last = math.ceil(max(0, low)), math.floor(min(distribution.upper - 1, high))
    if last < first:
        raise ValidationException("no whole number is brushed", name, "Make the brush larger")
    if last - first >= _MOST_INTEGERS:
        return QUniform(first, last, 1)
    return Choice(list(range(first, last + 1)))
