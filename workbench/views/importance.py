"""How much each parameter matters, by Optuna's own measure."""

from __future__ import annotations

import math
import warnings
from typing import Any

from workbench.views.facts import Axis, JobFacts

__all__ = ["load_measure", "parameter_importance"]

_MOST = 1000  # trials that are looked at; a study takes time with the square of them
_FEWEST = 8  # completed trials below which the measure says nothing


def load_measure() -> None:
    """Import the measure: seconds the first time, for Optuna brings all of its measures, and they bring scikit-learn.

    Whoever holds a lock calls this before.
    """
    import optuna  # noqa: PLC0415 - heavy

    assert optuna.importance.PedAnovaImportanceEvaluator  # noqa: S101 - the name is what loads it


def parameter_importance(facts: JobFacts) -> tuple[dict[str, float], str]:
    """Return the importance of each parameter, which add up to 1, and in words why there is none.

    The measure is PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023) over the completed trials.
    """
    completed = [
        trial
        for trial in facts.trials.values()
        if str(trial.status) == "Completed" and trial.score is not None and math.isfinite(trial.score)
    ]
    if len(completed) < _FEWEST:
        return {}, f"{len(completed)} completed trials have a value; {_FEWEST} are needed to tell what matters"
    if len({trial.score for trial in completed}) == 1:
        return {}, "all completed trials have the same value"
    import optuna  # noqa: PLC0415 - half a second

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = len(completed)
    completed = completed[:: -(-found // _MOST)]
    study = optuna.create_study(direction=facts.goal)
    varied = [axis for axis in facts.axes if len({str(trial.params.get(axis.name)) for trial in completed}) > 1]
    distributions = {axis.name: _distribution(axis, facts) for axis in varied}
    for trial in completed:
        places = {axis.name: axis.place(trial.params.get(axis.name)) for axis in varied}
        if any(place is None for place in places.values()):
            continue
        study.add_trial(
            optuna.create_trial(
                params={name: _asked(place) for name, place in places.items()},
                distributions=distributions,
                value=trial.score,
            )
        )
    if not varied or len(study.trials) < _FEWEST:
        return {}, "the trials have too few parameters in common"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    note = "" if len(completed) == found else f"from {len(completed)} of {found} completed trials"
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator)), note


def _asked(place: float | None) -> float:
    return float(place or 0.0)


def _distribution(axis: Axis, facts: JobFacts) -> Any:
    """Return the range that the trials cover, on the axis as it is drawn."""
    from optuna.distributions import FloatDistribution  # noqa: PLC0415

    places = [axis.place(trial.params[axis.name]) for trial in facts.trials.values() if axis.name in trial.params]
    there = [place for place in places if place is not None]
    return FloatDistribution(min(there), max(there))
