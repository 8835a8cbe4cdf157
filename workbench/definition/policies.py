"""When a trial is stopped before its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, model_validator

from workbench.definition.checking import Checked, Number, Whole, one_of, show
from workbench.errors import ValidationException

__all__ = [
    "BanditPolicy",
    "EarlyTerminationPolicy",
    "MedianStoppingPolicy",
    "TruncationSelectionPolicy",
    "as_early_termination",
]

_SLACK_FIX = "Write BanditPolicy(slack_factor=0.1), a ratio, or BanditPolicy(slack_amount=0.05), a difference"


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValidationException(f"must not be negative; got {show(value)}", fix="Give 0 or a positive number")
    return value


_Interval = Annotated[Whole, AfterValidator(_not_negative)]
_Slack = Annotated[Number, AfterValidator(_not_negative)]


class EarlyTerminationPolicy(Checked):
    """Base of the three policies.

    Args:
        evaluation_interval: apply the policy at every so many reports of the primary metric; 0 acts as 1.
        delay_evaluation: the number of reports before which the policy is not applied.
    """

    kind: ClassVar[str]
    evaluation_interval: _Interval = 0
    delay_evaluation: _Interval = 0

    @property
    def type(self) -> str:
        """Azure's name of the policy in YAML."""
        return self.kind

    def to_dict(self) -> dict[str, Any]:
        """Return the policy in the layout of Azure's YAML."""
        return {"type": self.kind, **super().to_dict()}


class BanditPolicy(EarlyTerminationPolicy):
    """Stop a trial whose best value is not within a slack of the best of all at the same interval.

    Args:
        slack_factor: the slack as a ratio: maximizing, the bar is best / (1 + slack_factor).
        slack_amount: the slack as a difference; exactly one of the two is needed.
        evaluation_interval: see ``EarlyTerminationPolicy``.
        delay_evaluation: see ``EarlyTerminationPolicy``.
    """

    kind: ClassVar[str] = "bandit"
    slack_factor: _Slack | None = None
    slack_amount: _Slack | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_slack(cls, fields: Any) -> Any:
        if not isinstance(fields, Mapping):
            return fields
        given = {name for name in ("slack_factor", "slack_amount") if fields.get(name) is not None}
        # Azure writes the unset one of the two as 0.
        meant = {name for name in given if fields[name] != 0} if len(given) == 2 else given
        if len(meant) == 1:
            return {name: value for name, value in fields.items() if name not in given - meant}
        if len(given) == 2:
            raise ValidationException("slack_factor and slack_amount exclude each other", "slack_factor", _SLACK_FIX)
        raise ValidationException("needs slack_factor or slack_amount", "slack_factor", _SLACK_FIX)


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Stop a trial whose best value is worse than the median of all trials' running averages.

    Args:
        evaluation_interval: see ``EarlyTerminationPolicy``.
        delay_evaluation: see ``EarlyTerminationPolicy``.
    """

    kind: ClassVar[str] = "median_stopping"
    evaluation_interval: _Interval = 1


def _percentage(value: int) -> int:
    if not 1 <= value <= 99:
        raise ValidationException(f"must be from 1 to 99; got {value}", fix="Write 20 to stop the worst 20 percent")
    return value


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Stop the worst so many percent of the trials at each interval.

    Args:
        truncation_percentage: how many percent, from 1 to 99.
        evaluation_interval: see ``EarlyTerminationPolicy``.
        delay_evaluation: see ``EarlyTerminationPolicy``.
    """

    kind: ClassVar[str] = "truncation_selection"
    truncation_percentage: Annotated[Whole, AfterValidator(_percentage)]


_POLICIES: dict[str, type[EarlyTerminationPolicy]] = {
    cls.kind: cls for cls in (BanditPolicy, MedianStoppingPolicy, TruncationSelectionPolicy)
}


def as_early_termination(value: object) -> EarlyTerminationPolicy | None:
    """Return the policy that a name, a mapping with a ``type``, or a policy object means; None for none.

    Raises:
        ValidationException: no policy has that name, or it lacks what it needs.
    """
    if value is None or isinstance(value, EarlyTerminationPolicy):
        return value
    fields = dict(value) if isinstance(value, Mapping) else {"type": value}
    kind = _POLICIES[one_of(fields.pop("type", None), _POLICIES, "early termination policy")]
    if kind is TruncationSelectionPolicy and "truncation_percentage" not in fields:
        raise ValidationException(
            "needs truncation_percentage",
            "truncation_percentage",
            "Write TruncationSelectionPolicy(truncation_percentage=20)",
        )
    return kind(**fields)
