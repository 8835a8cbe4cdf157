"""How much each parameter matters, by Optuna's own measure: first what is observed, then the measure of that."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workbench.views.facts import Axis, JobFacts

__all__ = ["Observed", "measure", "observe"]

_MOST = 1000  # trials that are looked at; a study takes time with the square of them
_FEWEST = 8  # completed trials below which the measure says nothing


@dataclass(frozen=True)
class Observed:
    """What the measure looks at: plain numbers, which can travel to another process.

    Args:
        note: why there is nothing to measure, or how many of the trials are looked at, in words.
        goal: maximize or minimize.
        scores: of completed trials.
        places: where these trials lie on the axis of each parameter that varies.
        ranges: the part of each of these axes that the trials of the sweep cover.
    """

    note: str
    goal: str = "maximize"
    scores: Sequence[float] = ()
    places: Mapping[str, Sequence[float]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def observe(facts: JobFacts) -> Observed:
    """Return what there is to measure of a sweep."""
    completed = [
        trial
        for trial in facts.trials.values()
        if str(trial.status) == "Completed" and trial.score is not None and math.isfinite(trial.score)
    ]
    if len(completed) < _FEWEST:
        return Observed(f"{len(completed)} completed trials have a value; {_FEWEST} are needed to tell what matters")
    if len({trial.score for trial in completed}) == 1:
        return Observed("all completed trials have the same value")
    chosen = completed[:: -(-len(completed) // _MOST)]
    varied = [axis for axis in facts.axes if len({str(trial.params.get(axis.name)) for trial in chosen}) > 1]
    scores: list[float] = []
    rows: list[list[float]] = []
    for trial in chosen:
        row = [axis.place(trial.params.get(axis.name)) for axis in varied]
        there = [place for place in row if place is not None]
        if trial.score is not None and len(there) == len(row):
            scores.append(trial.score)
            rows.append(there)
    if not varied or len(rows) < _FEWEST:
        return Observed("the trials have too few parameters in common")
    return Observed(
        "" if len(chosen) == len(completed) else f"from {len(chosen)} of {len(completed)} completed trials",
        facts.goal,
        scores,
        {axis.name: [row[index] for row in rows] for index, axis in enumerate(varied)},
        {axis.name: _covered(axis, facts) for axis in varied},
    )


def measure(observed: Observed) -> dict[str, float]:
    """Return the importance of each parameter, which add up to 1; none where there is nothing to measure.

    The measure is PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023) over the completed trials. The first call takes
    seconds: Optuna brings all of its measures, and they bring scikit-learn.
    """
    if not observed.scores:
        return {}
    import optuna  # noqa: PLC0415 - heavy

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=observed.goal)
    distributions = {name: optuna.distributions.FloatDistribution(*ends) for name, ends in observed.ranges.items()}
    for index, score in enumerate(observed.scores):
        params = {name: places[index] for name, places in observed.places.items()}
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=score))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _covered(axis: Axis, facts: JobFacts) -> tuple[float, float]:
    """Return the ends of what the trials cover of an axis, as it is drawn."""
    places = [axis.place(trial.params[axis.name]) for trial in facts.trials.values() if axis.name in trial.params]
    there = [place for place in places if place is not None]
    return min(there), max(there)
