"""A search space as unit coordinates, and as a numbered list where it is finite."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence

from workbench.definition.distributions import Distribution, Value, combined_size

__all__ = ["Space", "key", "size"]


def size(space: Mapping[str, Distribution], logbase: float = math.e) -> int | None:
    """Return how many combinations a search space holds, or None if there is no end of them."""
    return combined_size(space, logbase)


def key(params: Mapping[str, Value]) -> str:
    """Return a text that two parameter sets share exactly if they are the same."""
    return json.dumps(params, sort_keys=True)


class Space:
    """A search space with its dimensions side by side.

    Args:
        parameters: distributions by name, in the order of definition.
        logbase: what the log distributions raise to their exponents.
    """

    def __init__(self, parameters: Mapping[str, Distribution], logbase: float = math.e) -> None:
        self.parameters = dict(parameters)
        self.logbase = logbase
        self.width = sum(distribution.width for distribution in self.parameters.values())
        self.size = size(self.parameters, logbase)

    def at(self, units: Sequence[float]) -> dict[str, Value]:
        """Return the parameters at a point of the unit cube.

        Args:
            units: ``width`` coordinates in [0, 1).
        """
        params: dict[str, Value] = {}
        position = 0
        for name, distribution in self.parameters.items():
            end = position + distribution.width
            params[name] = distribution.from_units(units[position:end], self.logbase)
            position = end
        return params

    def nth(self, number: int) -> dict[str, Value]:
        """Return a combination of a finite space by its number; the last parameter changes fastest.

        Raises:
            ValueError: a parameter has too many values to be listed.
        """
        params: dict[str, Value] = {}
        for name, values in reversed(self._supports.items()):
            number, place = divmod(number, len(values))
            params[name] = values[place]
        return {name: params[name] for name in self.parameters}

    def all(self) -> Iterator[dict[str, Value]]:
        """Return all combinations of a finite space in the order of ``nth``."""
        return (self.nth(number) for number in range(self.size or 0))

    @functools.cached_property
    def _supports(self) -> dict[str, tuple[Value, ...]]:
        supports = {}
        for name, distribution in self.parameters.items():
            values = distribution.support(self.logbase)
            if values is None:
                raise ValueError(f"the values of {name} cannot be listed")
            supports[name] = values
        return supports
