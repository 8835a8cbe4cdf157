"""What is wrong with a draft, by the form's field it belongs to: the same checks as at submit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.definition.distributions import distribution_from_dict
from workbench.definition.limits import SweepJobLimits
from workbench.definition.naming import check_name
from workbench.definition.objective import Objective
from workbench.definition.policies import as_early_termination
from workbench.definition.resources import JobResourceConfiguration
from workbench.definition.sampling import as_sampling_algorithm
from workbench.errors import WorkbenchError
from workbench.views.builder.form import Draft
from workbench.views.builder.values import is_distribution

__all__ = ["Problems", "find_problems"]

_PLACES = (("search_space.", "inputs."), ("trial.", ""))


@dataclass(frozen=True)
class Problems:
    """What is wrong and what is doubtful.

    Args:
        fields: a message for each field, by its path in the draft.
        general: what belongs to no field.
        warnings: what would run and may not be meant.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    general: Sequence[str] = ()
    warnings: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many things keep it from being submitted."""
        return len(self.fields) + len(self.general)

    def at(self, path: str) -> str:
        """Return what is wrong at a field or inside it; empty when nothing is."""
        inside = (text for place, text in self.fields.items() if place == path or place.startswith(f"{path}."))
        return next(inside, "")


def find_problems(draft: Draft, client: MLClient) -> Problems:
    """Return all that is wrong with single fields; only when nothing is, what is wrong with the job as a whole."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, check in _checks(draft):
            try:
                check()
            except WorkbenchError as error:
                place = _joined(path, error.where)
                found.setdefault(place, _message(error))
        if found:
            return Problems(found)
        try:
            return Problems(warnings=tuple(client.jobs.validate(draft.to_job(), raise_on_failure=True)))
        except WorkbenchError as error:
            where = error.where or ""
            for outer, inner in _PLACES:
                where = inner + where.removeprefix(outer) if where.startswith(outer) else where
            known = where.partition(".")[0] in _FIELDS
            return Problems({where: _message(error)}) if known else Problems(general=(str(error),))


_FIELDS = (
    "name",
    "experiment_name",
    "command",
    "notebook",
    "kernel",
    "code",
    "inputs",
    "environment",
    "resources",
    "objective",
    "sampling_algorithm",
    "limits",
    "early_termination",
    "retries",
)


def _checks(draft: Draft) -> list[tuple[str, Callable[[], Any]]]:
    checks: list[tuple[str, Callable[[], Any]]] = [
        (f"inputs.{name}", partial(distribution_from_dict, value))
        for name, value in draft.inputs.items()
        if is_distribution(value)
    ]
    if (name := draft.fields.get("name")) is not None:
        checks.append(("name", lambda: check_name(str(name))))
    checks.append(("resources", lambda: JobResourceConfiguration(**draft.part("resources"))))
    if not draft.is_sweep:
        limits = {key: value for key, value in draft.part("limits").items() if key == "timeout"}
        return [*checks, ("limits", lambda: SweepJobLimits(**limits))]
    return [
        *checks,
        ("objective", partial(Objective, **_one(draft, "goal"), primary_metric="any")),
        ("objective", partial(Objective, **_one(draft, "primary_metric"), goal="maximize")),
        ("sampling_algorithm", lambda: as_sampling_algorithm(draft.fields.get("sampling_algorithm"))),
        *(("limits", partial(SweepJobLimits, **{key: value})) for key, value in draft.part("limits").items()),
        ("early_termination", lambda: as_early_termination(draft.fields.get("early_termination"))),
    ]


def _one(draft: Draft, name: str) -> dict[str, Any]:
    value = draft.get(f"objective.{name}")
    return {} if value is None else {name: value}


def _joined(path: str, where: str | None) -> str:
    """Return the field that an error inside ``path`` means; the name of a class says nothing."""
    return f"{path}.{where}" if where and where[:1].islower() and where not in ("name",) else path


def _message(error: WorkbenchError) -> str:
    in_code = (error.fix or "").startswith(("Call ", "Add goal", "Add primary_metric"))  # the form itself is the fix
    return f"{error.what}. {error.fix}" if error.fix and not in_code else error.what
