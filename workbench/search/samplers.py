"""Which parameters a trial gets: a function of the definition, the trial's number and what came before.

Nothing is kept that could not be computed again, so a sweep whose process was killed goes on as if nothing
had happened; what the samplers do keep between calls only saves time.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from workbench.definition.distributions import Choice, Distribution, QUniform, Uniform, Value
from workbench.definition.sampling import (
    BayesianSamplingAlgorithm,
    GridSamplingAlgorithm,
    RandomSamplingAlgorithm,
    SamplingAlgorithm,
)
from workbench.errors import ValidationException
from workbench.search.space import Space, key

__all__ = ["Observation", "Sampler", "make_sampler"]

_MOST_LISTED = 1_000_000
_MOST_TRIES = 1_000


@dataclass(frozen=True)
class Observation:
    """What is known of an earlier trial.

    Args:
        number: the trial's number, from 0.
        params: its parameters.
        score: its best value of the primary metric, if any.
        finished: True once it runs no more.
        failed: True if it ended without success.
    """

    number: int
    params: Mapping[str, Value]
    score: float | None = None
    finished: bool = False
    failed: bool = False


class Sampler(Protocol):
    """A way to choose parameters."""

    def propose(self, number: int, history: Sequence[Observation]) -> dict[str, Value] | None:
        """Return the parameters of a trial, or None if the space holds no more.

        Args:
            number: the trial's number, from 0.
            history: all trials before it, running ones included.
        """
        ...


def make_sampler(algorithm: SamplingAlgorithm, space: Mapping[str, Distribution], goal: str, seed: int) -> Sampler:
    """Return the sampler that an algorithm describes.

    Args:
        algorithm: random, grid or bayesian; its own seed goes before ``seed``.
        space: distributions by name, in the order of definition.
        goal: "maximize" or "minimize".
        seed: what all choices follow from; keep it with the sweep.

    Raises:
        ValidationException: the algorithm cannot take one of the distributions.
    """
    if isinstance(algorithm, GridSamplingAlgorithm):
        return _Grid(Space(space))
    if isinstance(algorithm, BayesianSamplingAlgorithm):
        return _Bayesian(Space(space), goal, seed if algorithm.seed is None else algorithm.seed)
    if isinstance(algorithm, RandomSamplingAlgorithm):
        unit_space = Space(space, algorithm.base)
        chosen_seed = seed if algorithm.seed is None else algorithm.seed
        return (_Sobol if algorithm.rule == "sobol" else _Random)(unit_space, chosen_seed)
    raise ValidationException(
        f"{type(algorithm).__name__} is not a sampling algorithm", "sampling_algorithm", "Use random, grid or bayesian"
    )


class _Grid:
    """Every combination, by number."""

    def __init__(self, space: Space) -> None:
        if space.size is None:
            raise ValidationException(
                "grid sampling needs finite choices", "sampling_algorithm", "Use Choice([…]) throughout, or 'random'"
            )
        self.space, self.size = space, space.size

    def propose(self, number: int, history: Sequence[Observation]) -> dict[str, Value] | None:  # noqa: ARG002
        return self.space.nth(number) if number < self.size else None


class _Unrepeated:
    """Keeps proposals apart from earlier ones where the space is finite."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._listed: dict[str, int] | None = None
        self._keys: dict[int, tuple[Mapping[str, Value], str]] = {}

    def used(self, history: Sequence[Observation]) -> set[str]:
        if self.space.size is None:
            return set()
        return {self._key(observation) for observation in history}

    def unused(self, used: set[str]) -> list[int] | None:
        """Return the numbers of all combinations left; None where listing them is not worth it."""
        size = self.space.size
        if size is None or size > _MOST_LISTED or 2 * len(used) < size:
            return None
        if self._listed is None:
            self._listed = {key(params): number for number, params in enumerate(self.space.all())}
        return [number for listed, number in self._listed.items() if listed not in used]

    def _key(self, observation: Observation) -> str:
        known = self._keys.get(observation.number)
        if known is None or known[0] is not observation.params:
            known = observation.params, key(observation.params)
            self._keys[observation.number] = known
        return known[1]


class _Random:
    """Independent draws, each from a generator of its own."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space, self.seed = space, seed
        self._unrepeated = _Unrepeated(space)

    def propose(self, number: int, history: Sequence[Observation]) -> dict[str, Value] | None:
        generator = np.random.default_rng([self.seed, number])
        used = self._unrepeated.used(history)
        left = self._unrepeated.unused(used)
        if left is not None:
            return self.space.nth(left[int(generator.integers(len(left)))]) if left else None
        for _ in range(_MOST_TRIES):
            params = self.space.at(generator.random(self.space.width).tolist())
            if not used or key(params) not in used:
                return params
        return None


class _Sobol:
    """Points of a scrambled Sobol sequence; a repeat gives way to the next point."""

    def __init__(self, space: Space, seed: int) -> None:
        self.space, self.seed = space, seed
        self._unrepeated = _Unrepeated(space)
        self._engine: Any = None

    def propose(self, number: int, history: Sequence[Observation]) -> dict[str, Value] | None:
        used = self._unrepeated.used(history)
        for index in range(number, number + _MOST_TRIES):
            params = self.space.at(self._point(index))
            if not used or key(params) not in used:
                return params
            left = self._unrepeated.unused(used)
            if left is not None:
                return self._nearest(left, self._point(number))
        return None

    def _nearest(self, left: list[int], point: list[float]) -> dict[str, Value] | None:
        return self.space.nth(left[int(point[0] * len(left))]) if left else None

    def _point(self, index: int) -> list[float]:
        if self._engine is None:
            from scipy.stats import qmc  # noqa: PLC0415 - half a second, for this rule only

            self._engine = qmc.Sobol(self.space.width, scramble=True, seed=self.seed)
        if self._engine.num_generated > index:
            self._engine.reset()
        if self._engine.num_generated < index:
            self._engine.fast_forward(index - self._engine.num_generated)
        return [float(unit) for unit in self._engine.random(1)[0]]


class _Bayesian:
    """Optuna's tree-structured Parzen estimator, told in memory what the history says."""

    def __init__(self, space: Space, goal: str, seed: int) -> None:
        self.space, self.goal, self.seed = space, goal, seed
        self._unrepeated = _Unrepeated(space)
        self._axes = {name: _axis(name, entry) for name, entry in space.parameters.items()}
        self._study: Any = None
        self._told: list[Observation] = []

    def propose(self, number: int, history: Sequence[Observation]) -> dict[str, Value] | None:
        used = self._unrepeated.used(history)
        left = self._unrepeated.unused(used)
        if left == []:
            return None
        with _quiet_optuna():
            self._tell(sorted(history, key=lambda observation: observation.number))
            params = self._ask(number)
        if used and key(params) in used:
            return _Random(self.space, self.seed).propose(number, history)
        return params

    def _ask(self, number: int) -> dict[str, Value]:
        import optuna  # noqa: PLC0415 - a second, for this sampler only

        # One seed for each trial: the pick does not depend on how many were made by this process.
        state = int(np.random.default_rng([self.seed, number]).integers(2**32))
        self._study.sampler = optuna.samplers.TPESampler(seed=state, multivariate=True, constant_liar=True)
        trial = self._study.ask({name: axis.distribution for name, axis in self._axes.items()})
        params = {name: axis.to_value(trial.params[name]) for name, axis in self._axes.items()}
        self._told.append(Observation(number, params))
        return params

    def _tell(self, history: Sequence[Observation]) -> None:
        if self._study is None or not self._continues(history):
            self._restart()
        for place, observation in enumerate(history):
            if place >= len(self._told):
                self._add(observation)
            elif observation.finished and not self._told[place].finished:
                self._finish(place, observation)

    def _continues(self, history: Sequence[Observation]) -> bool:
        """Tell whether the study is a beginning of the history: anything else is told afresh."""
        return len(self._told) <= len(history) and all(
            told.number == seen.number
            and told.params == seen.params
            and (not told.finished or (seen.finished and told.score == seen.score and told.failed == seen.failed))
            for told, seen in zip(self._told, history, strict=False)
        )

    def _restart(self) -> None:
        import optuna  # noqa: PLC0415 - as above

        self._study = optuna.create_study(direction=self.goal)
        self._told = []

    def _add(self, observation: Observation) -> None:
        import optuna  # noqa: PLC0415 - as above

        named = {name: axis.from_value(observation.params.get(name)) for name, axis in self._axes.items()}
        known = {name: place for name, place in named.items() if place is not None}
        self._study.add_trial(
            optuna.trial.create_trial(
                state=_state(observation),
                value=observation.score if _state(observation).name == "COMPLETE" else None,
                params=known,
                distributions={name: self._axes[name].distribution for name in known},
            )
        )
        self._told.append(observation)

    def _finish(self, place: int, observation: Observation) -> None:
        state = _state(observation)
        self._study.tell(place, observation.score if state.name == "COMPLETE" else None, state=state)
        self._told[place] = observation


def _state(observation: Observation) -> Any:
    import optuna  # noqa: PLC0415 - as above

    states = optuna.trial.TrialState
    if not observation.finished:
        return states.RUNNING
    scored = observation.score is not None and not math.isnan(observation.score)
    return states.COMPLETE if scored and not observation.failed else states.FAIL


class _Listed:
    """An axis whose values Optuna knows by their place in a list: a category, or a step of q."""

    def __init__(self, values: Sequence[Value], *, ordered: bool) -> None:
        import optuna  # noqa: PLC0415 - as above

        self.values = list(values)
        self.places = {key({"": value}): place for place, value in enumerate(self.values)}
        self.distribution: Any = (
            optuna.distributions.IntDistribution(0, len(self.values) - 1)
            if ordered
            else optuna.distributions.CategoricalDistribution(range(len(self.values)))
        )

    def to_value(self, place: Any) -> Value:
        return self.values[int(place)]

    def from_value(self, value: Any) -> int | None:
        return self.places.get(key({"": value}))


class _Line:
    """An axis of real numbers."""

    def __init__(self, low: float, high: float) -> None:
        import optuna  # noqa: PLC0415 - as above

        self.low, self.high = low, high
        self.distribution: Any = optuna.distributions.FloatDistribution(low, high)

    def to_value(self, value: Any) -> Value:
        return float(value)

    def from_value(self, value: Any) -> float | None:
        within = isinstance(value, int | float) and self.low <= value <= self.high
        return float(value) if within else None


def _axis(name: str, distribution: Distribution) -> _Listed | _Line:
    if isinstance(distribution, Uniform):
        return _Line(*distribution.bounds())
    values = distribution.support()
    if isinstance(distribution, Choice | QUniform) and distribution.width == 1 and values is not None:
        return _Listed(values, ordered=isinstance(distribution, QUniform))
    raise ValidationException(
        f"bayesian sampling takes plain choice, uniform and quniform, not {distribution.kind}",
        f"search_space.{name}",
        "Use one of these, or sampling_algorithm='random'",
    )


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    import optuna  # noqa: PLC0415 - as above

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
