"""What a sweep is after."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from workbench.definition.checking import Checked, one_of
from workbench.errors import ValidationException

__all__ = ["Objective"]


def _goal(value: Any) -> str:
    return one_of(value, ("maximize", "minimize"), "goal")


def _metric(value: str) -> str:
    if not value.strip():
        raise ValidationException("is empty", fix="Write the name that the training script logs, such as 'accuracy'")
    return value


class Objective(Checked):
    """The metric that decides which trial is best.

    Args:
        goal: "maximize" or "minimize", in any case.
        primary_metric: the name under which trials log it, character for character.
    """

    goal: Annotated[str, BeforeValidator(_goal)]
    primary_metric: Annotated[str, AfterValidator(_metric)]
