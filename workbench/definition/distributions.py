"""The ten distributions of a search space: frozen values that map unit coordinates to parameters."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import PlainValidator

from workbench.definition.checking import Checked, Number, checked_call, number, one_of, plain, show, to_plain, within
from workbench.errors import ValidationException

__all__ = [
    "DISTRIBUTIONS",
    "Choice",
    "Distribution",
    "LogNormal",
    "LogUniform",
    "Normal",
    "QLogNormal",
    "QLogUniform",
    "QNormal",
    "QUniform",
    "Randint",
    "Uniform",
    "Value",
    "combined_size",
    "distribution_from_dict",
]

Value: TypeAlias = "int | float | str | bool | dict[str, Value]"
"""What a parameter can be; a dict comes from a choice between nested spaces."""

_MOST_VALUES = 1_000_000
_EDGE = 2.0**-53
_STANDARD = NormalDist()
_FARTHEST_SIGMA = 8.3  # inv_cdf of the outermost unit coordinate, rounded away from zero
_LARGEST_EXPONENT = math.log(math.nextafter(math.inf, 0))


class Distribution(Checked, frozen=True):
    """Base of the ten distributions; equality and hash distinguish 1, 1.0 and True."""

    kind: ClassVar[str]
    log: ClassVar[bool] = False

    @property
    def type(self) -> str:
        """Azure's name of the distribution in YAML."""
        return self.kind

    @property
    def width(self) -> int:
        """How many unit coordinates one value takes: 1, or more for a choice with nested distributions."""
        return 1

    def from_unit(self, u: float, logbase: float = math.e) -> Value:
        """Map a coordinate in [0, 1) to a value through the inverse of the cumulative distribution.

        Args:
            u: the coordinate.
            logbase: what the log distributions raise to their exponents.

        Raises:
            ValidationException: the value would overflow with this ``logbase``.
            ValueError: the distribution takes more than one coordinate (``width``).
        """
        return self.from_units((u,), logbase)

    def from_units(self, units: Sequence[float], logbase: float = math.e) -> Value:
        """Map ``width`` coordinates in [0, 1) to a value; see ``from_unit``."""
        raise NotImplementedError

    def size(self, logbase: float = math.e) -> int | None:  # noqa: ARG002
        """Return how many values are possible, or None if there is no end of them."""
        return None

    def support(self, logbase: float = math.e) -> tuple[Value, ...] | None:  # noqa: ARG002
        """Return all values in order, or None if they are infinite or more than a million."""
        return None

    def bounds(self, logbase: float = math.e) -> tuple[float, float] | None:  # noqa: ARG002
        """Return the smallest and largest possible value, or None where there is no order."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return the distribution in the layout of Azure's YAML."""
        return {"type": self.kind, **super().to_dict()}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Distribution) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)


def _options(values: Any) -> tuple[Any, ...]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, list | tuple | range):
        raise ValidationException(
            f"must be a list; got {show(values)}", fix="Write the options in square brackets: Choice([1, 2])"
        )
    if len(values) == 0:
        raise ValidationException("has no values", fix="Give at least one value to choose from")
    if len(values) > _MOST_VALUES:
        raise ValidationException(
            f"has {len(values)} values, more than {_MOST_VALUES}", fix="Use Randint or QUniform for long ranges"
        )
    kept: dict[str, Any] = {}
    for position, value in enumerate(values):
        option = _option(plain(value), str(position))
        kept.setdefault(json.dumps(to_plain(option), sort_keys=True), option)
    return tuple(kept.values())


def _option(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _part(plain(part), f"{where}.{name}") for name, part in value.items()}
    return _scalar(value, where)


def _part(value: Any, where: str) -> Any:
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Mapping):
        return distribution_from_dict(value, where)
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValidationException(f"must be finite; got {show(value)}", where, "Write an ordinary number")
    if not isinstance(value, str | int | float):
        raise ValidationException(
            f"{show(value)} cannot be a parameter",
            where,
            "Use numbers, text, booleans, or dicts of those and of distributions",
        )
    return value


class Choice(Distribution, frozen=True):
    """One of a list of values, with equal odds.

    Args:
        values: a list, tuple or range of int, float, str, bool, or of dicts whose values may be
            distributions (a nested space). Repeated values are kept once.

    Raises:
        ValidationException: no values, or a value that cannot be a parameter.
    """

    kind: ClassVar[str] = "choice"
    values: Annotated[tuple[Any, ...], PlainValidator(_options)]

    @checked_call
    def __init__(self, values: Iterable[Any], *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        Checked.__init__(self, values=values)

    @property
    def width(self) -> int:
        """One coordinate for the choice, and one for each distribution nested anywhere in it."""
        return 1 + sum(nested.width for option in self.values for nested in _nested(option).values())

    @property
    def nested(self) -> tuple[Distribution, ...]:
        """The distributions inside the options."""
        return tuple(inner for option in self.values for inner in _nested(option).values())

    def from_units(self, units: Sequence[float], logbase: float = math.e) -> Value:
        """Map ``width`` coordinates to one option, its nested distributions sampled by their own ones."""
        first, *others = units
        if len(units) != self.width:
            raise ValueError(f"{self.width} unit coordinates are needed, not {len(units)}")
        chosen = min(int(first * len(self.values)), len(self.values) - 1)
        skipped = sum(inner.width for option in self.values[:chosen] for inner in _nested(option).values())
        option = self.values[chosen]
        if not isinstance(option, dict):
            return option  # type: ignore[no-any-return]  # checked by _options
        position, sampled = skipped, dict(option)
        for name, inner in _nested(option).items():
            sampled[name] = inner.from_units(others[position : position + inner.width], logbase)
            position += inner.width
        return sampled

    def size(self, logbase: float = math.e) -> int | None:
        """Return the number of options, nested combinations counted, or None if one is endless."""
        total = 0
        for option in self.values:
            sizes = [inner.size(logbase) for inner in _nested(option).values()]
            finite = [size for size in sizes if size is not None]
            if len(finite) < len(sizes):
                return None
            total += math.prod(finite)
        return total

    def support(self, logbase: float = math.e) -> tuple[Value, ...] | None:
        """Return all options, nested ones expanded, in order."""
        size = self.size(logbase)
        if size is None or size > _MOST_VALUES:
            return None
        return tuple(value for option in self.values for value in _expanded(option, logbase))


def _nested(option: object) -> dict[str, Distribution]:
    if not isinstance(option, dict):
        return {}
    return {name: inner for name, inner in option.items() if isinstance(inner, Distribution)}


def _expanded(option: Any, logbase: float) -> Iterable[Value]:
    nested = _nested(option)
    if not nested:
        return [dict(option) if isinstance(option, dict) else option]
    supports = [inner.support(logbase) or () for inner in nested.values()]
    return [{**option, **dict(zip(nested, values, strict=True))} for values in itertools.product(*supports)]


def _upper(value: Any) -> int:
    bound = number(value)
    if bound != int(bound) or bound < 1:
        raise ValidationException(
            f"must be a whole number of at least 1; got {show(value)}",
            fix="Randint draws from 0 up to, but without, upper; write Randint(10) for 0 … 9",
        )
    return int(bound)


class Randint(Distribution, frozen=True):
    """A whole number in [0, upper), with equal odds.

    Args:
        upper: the first number that is not drawn; at least 1.

    Raises:
        ValidationException: ``upper`` is no whole number or below 1.
    """

    kind: ClassVar[str] = "randint"
    upper: Annotated[int, PlainValidator(_upper)]

    @checked_call
    def __init__(self, upper: int, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        Checked.__init__(self, upper=upper)

    def from_units(self, units: Sequence[float], logbase: float = math.e) -> Value:  # noqa: ARG002
        """Map one coordinate to floor(u * upper)."""
        (u,) = units
        return min(int(u * self.upper), self.upper - 1)

    def size(self, logbase: float = math.e) -> int:  # noqa: ARG002
        """Return ``upper``."""
        return self.upper

    def support(self, logbase: float = math.e) -> tuple[Value, ...] | None:  # noqa: ARG002
        """Return 0 … upper - 1."""
        return tuple(range(self.upper)) if self.upper <= _MOST_VALUES else None

    def bounds(self, logbase: float = math.e) -> tuple[float, float]:  # noqa: ARG002
        """Return 0 and upper - 1."""
        return 0, self.upper - 1


class _Continuous(Distribution, frozen=True):
    """A value on a line, raised to a power by the log distributions and rounded to q by the q ones."""

    def from_units(self, units: Sequence[float], logbase: float = math.e) -> Value:
        """Map one coordinate through the inverse cumulative distribution, then power, then rounding."""
        (u,) = units
        exponent = self._on_line(min(max(u, 0.0), 1 - _EDGE))
        value = _power(logbase, exponent) if self.log else exponent
        return self._finish(value, logbase)

    def _on_line(self, u: float) -> float:
        raise NotImplementedError

    def _line_bounds(self) -> tuple[float, float]:
        raise NotImplementedError

    def _finish(self, value: float, logbase: float) -> Value:
        low, high = self._raised_bounds(logbase)
        return min(max(value, low), high)

    def _raised_bounds(self, logbase: float) -> tuple[float, float]:
        low, high = self._line_bounds()
        return (_power(logbase, low), _power(logbase, high)) if self.log else (low, high)

    def bounds(self, logbase: float = math.e) -> tuple[float, float]:
        """Return the smallest and largest possible value; infinite for the normal family."""
        return self._raised_bounds(logbase)


class _Quantized(_Continuous, frozen=True):
    q: Number

    def _finish(self, value: float, logbase: float) -> Value:
        lowest, highest = self._steps(logbase)
        step = max(_half_up(value / self.q), lowest)
        return self._at(step if highest is None else min(step, highest))

    def _steps(self, logbase: float) -> tuple[float, float | None]:
        raise NotImplementedError

    def _at(self, step: float) -> float:
        return _multiple(int(step), self.q)

    def _check_steps(self, largest: float) -> None:
        if self.q <= 0:
            raise ValidationException(f"must be above 0; got {show(self.q)}", "q", "Give the step between values")
        if largest / self.q > 2**53:
            raise ValidationException(f"{self.q} is too fine a step for values as large as {largest:g}", "q", "Raise q")


class _Ranged(_Continuous, frozen=True):
    min_value: Number
    max_value: Number

    def _on_line(self, u: float) -> float:
        return self.min_value + u * (self.max_value - self.min_value)

    def _line_bounds(self) -> tuple[float, float]:
        return self.min_value, self.max_value

    def _check_range(self) -> None:
        if not self.min_value < self.max_value:
            raise ValidationException(
                f"{self.min_value} is not below max_value {self.max_value}",
                "min_value",
                "Put the smaller number first",
            )
        if self.log:
            _check_exponent(self.max_value, "max_value", self.kind)
        elif not math.isfinite(self.max_value - self.min_value):
            raise ValidationException("the range is too wide for a number", "max_value", "Narrow the range")


class _QRanged(_Ranged, _Quantized, frozen=True):
    def _steps(self, logbase: float) -> tuple[float, float]:
        # The half-open range [min, max) of the unrounded value decides which steps can occur at its ends.
        low, high = self._raised_bounds(logbase)
        lowest = _half_up(low / self.q)
        return lowest, max(lowest, math.ceil(high / self.q + 0.5) - 1)

    def bounds(self, logbase: float = math.e) -> tuple[float, float]:
        """Return the smallest and largest rounded value; they may leave the range by up to q/2."""
        lowest, highest = self._steps(logbase)
        return self._at(lowest), self._at(highest)

    def size(self, logbase: float = math.e) -> int:
        """Return the number of steps that the range covers."""
        lowest, highest = self._steps(logbase)
        return int(highest - lowest) + 1

    def support(self, logbase: float = math.e) -> tuple[Value, ...] | None:
        """Return the rounded values in order, unless they are more than a million."""
        if self.size(logbase) > _MOST_VALUES:
            return None
        lowest, highest = self._steps(logbase)
        return tuple(self._at(step) for step in range(int(lowest), int(highest) + 1))

    def _check_quantized(self) -> None:
        self._check_range()
        low, high = self._raised_bounds(math.e)
        self._check_steps(max(abs(low), abs(high)))
        if self.q > high - low:
            raise ValidationException(
                f"{self.q} is larger than the range, which is {high - low:g} wide", "q", "Lower q"
            )


class _Bell(_Continuous, frozen=True):
    mu: Number
    sigma: Number

    def _on_line(self, u: float) -> float:
        return self.mu + self.sigma * _STANDARD.inv_cdf(max(u, _EDGE))

    def _line_bounds(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def _raised_bounds(self, logbase: float) -> tuple[float, float]:  # noqa: ARG002
        return (0.0 if self.log else -math.inf), math.inf

    def _check_bell(self) -> None:
        if self.sigma < 0:
            raise ValidationException(f"must not be negative; got {self.sigma}", "sigma", f"Write {-self.sigma}")
        if self.sigma == 0:
            raise ValidationException(
                "0 allows a single value only", "sigma", f"Write the value {self.mu} as a plain input instead"
            )
        farthest = abs(self.mu) + _FARTHEST_SIGMA * self.sigma
        if not math.isfinite(farthest):
            raise ValidationException("the values are too large for a number", "sigma", "Lower sigma")
        if self.log:
            _check_exponent(self.mu + _FARTHEST_SIGMA * self.sigma, "mu", self.kind)


class _QBell(_Bell, _Quantized, frozen=True):
    def _steps(self, logbase: float) -> tuple[float, float | None]:  # noqa: ARG002
        return (0 if self.log else -math.inf), None

    def _check_quantized(self) -> None:
        self._check_bell()
        farthest = abs(self.mu) + _FARTHEST_SIGMA * self.sigma
        self._check_steps(math.exp(self.mu + _FARTHEST_SIGMA * self.sigma) if self.log else farthest)


class Uniform(_Ranged, frozen=True):
    """U(min_value, max_value).

    Args:
        min_value: the smallest value.
        max_value: the largest value.

    Raises:
        ValidationException: the range is empty, reversed or not finite.
    """

    kind: ClassVar[str] = "uniform"

    @checked_call
    def __init__(self, min_value: float, max_value: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(min_value=min_value, max_value=max_value)
        self._check_range()


class LogUniform(_Ranged, frozen=True):
    """exp(U(min_value, max_value)): the arguments are exponents of e.

    Args:
        min_value: the exponent of the smallest value; -6 means 0.00248.
        max_value: the exponent of the largest value; -1 means 0.3679.

    Raises:
        ValidationException: the range is empty, reversed, or its exponential is no number.
    """

    kind: ClassVar[str] = "loguniform"
    log: ClassVar[bool] = True

    @checked_call
    def __init__(self, min_value: float, max_value: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(min_value=min_value, max_value=max_value)
        self._check_range()


class QUniform(_QRanged, frozen=True):
    """round(U(min_value, max_value) / q) * q; whole numbers where q is one.

    Args:
        min_value: the smallest value before rounding.
        max_value: the largest value before rounding.
        q: the step between values.

    Raises:
        ValidationException: the range is empty or reversed, or q is not above 0 or wider than the range.
    """

    kind: ClassVar[str] = "quniform"

    @checked_call
    def __init__(self, min_value: float, max_value: float, q: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(min_value=min_value, max_value=max_value, q=q)
        self._check_quantized()


class QLogUniform(_QRanged, frozen=True):
    """round(exp(U(min_value, max_value)) / q) * q: the first two arguments are exponents of e.

    Args:
        min_value: the exponent of the smallest value before rounding.
        max_value: the exponent of the largest value before rounding.
        q: the step between values.

    Raises:
        ValidationException: the range is empty or reversed, or q is not above 0 or wider than the range.
    """

    kind: ClassVar[str] = "qloguniform"
    log: ClassVar[bool] = True

    @checked_call
    def __init__(self, min_value: float, max_value: float, q: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(min_value=min_value, max_value=max_value, q=q)
        self._check_quantized()


class Normal(_Bell, frozen=True):
    """N(mu, sigma²), unbounded.

    Args:
        mu: the mean.
        sigma: the standard deviation, above 0.

    Raises:
        ValidationException: sigma is 0 or negative.
    """

    kind: ClassVar[str] = "normal"

    @checked_call
    def __init__(self, mu: float, sigma: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(mu=mu, sigma=sigma)
        self._check_bell()


class LogNormal(_Bell, frozen=True):
    """exp(N(mu, sigma²)): the arguments describe the logarithm of the value.

    Args:
        mu: the mean of the logarithm.
        sigma: the standard deviation of the logarithm, above 0.

    Raises:
        ValidationException: sigma is 0 or negative, or the exponential is no number.
    """

    kind: ClassVar[str] = "lognormal"
    log: ClassVar[bool] = True

    @checked_call
    def __init__(self, mu: float, sigma: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(mu=mu, sigma=sigma)
        self._check_bell()


class QNormal(_QBell, frozen=True):
    """round(N(mu, sigma²) / q) * q; whole numbers where q is one.

    Args:
        mu: the mean.
        sigma: the standard deviation, above 0.
        q: the step between values.

    Raises:
        ValidationException: sigma or q is 0 or negative.
    """

    kind: ClassVar[str] = "qnormal"

    @checked_call
    def __init__(self, mu: float, sigma: float, q: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(mu=mu, sigma=sigma, q=q)
        self._check_quantized()


class QLogNormal(_QBell, frozen=True):
    """round(exp(N(mu, sigma²)) / q) * q.

    Args:
        mu: the mean of the logarithm.
        sigma: the standard deviation of the logarithm, above 0.
        q: the step between values.

    Raises:
        ValidationException: sigma or q is 0 or negative, or the exponential is no number.
    """

    kind: ClassVar[str] = "qlognormal"
    log: ClassVar[bool] = True

    @checked_call
    def __init__(self, mu: float, sigma: float, q: float, *, type: str | None = None) -> None:
        _check_type(type, self.kind)
        super().__init__(mu=mu, sigma=sigma, q=q)
        self._check_quantized()


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    cls.kind: cls
    for cls in (
        Choice,
        Uniform,
        LogUniform,
        QUniform,
        QLogUniform,
        Normal,
        LogNormal,
        QNormal,
        QLogNormal,
        Randint,
    )
}


def distribution_from_dict(fields: Mapping[str, Any], where: str | None = None) -> Distribution:
    """Return the distribution that a mapping with a ``type`` describes.

    Args:
        fields: the mapping, as Azure's YAML has it.
        where: the dotted field it was found in, for messages.

    Raises:
        ValidationException: no or an unknown type, or arguments that do not fit it.
    """
    rest = {str(name): value for name, value in fields.items() if name != "type"}
    try:
        if "type" not in fields:
            raise ValidationException("has no type", fix=f"Add one of type: {', '.join(DISTRIBUTIONS)}")
        cls = DISTRIBUTIONS[one_of(fields["type"], DISTRIBUTIONS, "distribution")]
        return cls(**rest)
    except ValidationException as error:
        raise type(error)(error.what, within(where, error.where), error.fix) from None


def combined_size(space: Mapping[str, Distribution], logbase: float = math.e) -> int | None:
    """Return how many combinations a search space holds, or None if there is no end of them.

    Args:
        space: distributions by name.
        logbase: what the log distributions raise to their exponents.
    """
    total = 1
    for distribution in space.values():
        size = distribution.size(logbase)
        if size is None:
            return None
        total *= size
    return total


def _check_type(given: str | None, kind: str) -> None:
    if given is not None and given.lower() != kind:
        raise ValidationException(
            f"type {show(given)} does not belong to this class", "type", f"Leave type out or write '{kind}'"
        )


def _check_exponent(exponent: float, where: str, kind: str) -> None:
    if exponent > _LARGEST_EXPONENT or math.exp(exponent) == 0:
        raise ValidationException(
            f"exp({exponent:g}) is beyond the range of numbers",
            where,
            f"The arguments of {kind} are exponents of e: write log(0.001) = -6.9 for 0.001",
        )


def _power(base: float, exponent: float) -> float:
    try:
        return math.exp(exponent) if base == math.e else math.pow(base, exponent)
    except OverflowError:
        raise ValidationException(
            f"{base} to the power of {exponent:g} is beyond the range of numbers",
            "logbase",
            "Lower logbase or the exponents",
        ) from None


def _half_up(number: float) -> int:
    return math.floor(number + 0.5)


def _multiple(step: int, q: float) -> float:
    if q == int(q):
        return step * int(q)
    exponent = Decimal(repr(q)).normalize().as_tuple().exponent
    return round(step * q, -int(exponent))
