"""How a sweep picks parameters: random, grid or bayesian."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, PlainValidator

from workbench.definition.checking import Checked, Whole, number, one_of, show
from workbench.errors import ValidationException

__all__ = [
    "BayesianSamplingAlgorithm",
    "GridSamplingAlgorithm",
    "RandomSamplingAlgorithm",
    "SamplingAlgorithm",
    "as_sampling_algorithm",
]


def _logbase(value: Any) -> float | str | None:
    if value is None or value == "e":
        return value  # type: ignore[no-any-return]
    base = number(float(value) if isinstance(value, str) and _is_numeric(value) else value)
    if base <= 1:
        raise ValidationException(f"must be above 1; got {show(value)}", fix="Write 10, 2 or 'e'")
    return base


def _is_numeric(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _seed(value: int) -> int:
    if value < 0:
        raise ValidationException(f"must not be negative; got {value}", fix="Give a whole number from 0 up")
    return value


_Seed = Annotated[Whole, AfterValidator(_seed)]


class SamplingAlgorithm(Checked):
    """Base of the three sampling algorithms."""

    kind: ClassVar[str]

    @property
    def type(self) -> str:
        """Azure's name of the algorithm."""
        return self.kind

    def to_dict(self) -> dict[str, Any]:
        """Return the algorithm in the layout of Azure's YAML."""
        return {"type": self.kind, **super().to_dict()}


class RandomSamplingAlgorithm(SamplingAlgorithm):
    """Draw each trial's parameters at random, without repeats where the space is finite.

    Args:
        rule: "random", or "sobol" for a sequence that fills the space evenly.
        seed: makes the draws repeatable; a whole number from 0 up.
        logbase: what the log distributions raise to their exponents instead of e: a number above 1, or "e".
    """

    kind: ClassVar[str] = "random"
    rule: Annotated[str, PlainValidator(lambda value: one_of(value, ("random", "sobol"), "rule"))] = "random"
    seed: _Seed | None = None
    logbase: Annotated[float | str | None, PlainValidator(_logbase)] = None

    @property
    def base(self) -> float:
        """What log distributions raise to their exponents: ``logbase``, or e."""
        return self.logbase if isinstance(self.logbase, int | float) else math.e


class GridSamplingAlgorithm(SamplingAlgorithm):
    """Try every combination of choices, the last parameter changing fastest."""

    kind: ClassVar[str] = "grid"


class BayesianSamplingAlgorithm(SamplingAlgorithm):
    """Learn from finished trials where to look next (tree-structured Parzen estimator).

    Args:
        seed: makes the picks repeatable; not in Azure.
    """

    kind: ClassVar[str] = "bayesian"
    seed: _Seed | None = None


_ALGORITHMS: dict[str, type[SamplingAlgorithm]] = {
    cls.kind: cls for cls in (RandomSamplingAlgorithm, GridSamplingAlgorithm, BayesianSamplingAlgorithm)
}


def as_sampling_algorithm(value: object) -> SamplingAlgorithm:
    """Return the algorithm that a name, a mapping with a ``type``, or an algorithm object means.

    Raises:
        ValidationException: no algorithm has that name, or its options are wrong.
    """
    if isinstance(value, SamplingAlgorithm):
        return value
    if value is None:
        return RandomSamplingAlgorithm()
    fields = dict(value) if isinstance(value, Mapping) else {"type": value}
    name = one_of(fields.pop("type", None), _ALGORITHMS, "sampling algorithm")
    return _ALGORITHMS[name](**fields)
