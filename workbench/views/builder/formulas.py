"""The early termination policies as people read them."""

from __future__ import annotations

from typing import Any

from workbench.views.builder.form import Draft

__all__ = ["formula"]


def formula(draft: Draft) -> str:
    """Return when a trial is stopped early, as a sentence with the draft's own numbers; empty without a policy.

    The formulas are those of Azure's documentation, as ``workbench.search.stopping`` applies them.
    """
    policy = draft.part("early_termination")
    kind = policy.get("type")
    metric = str(draft.get("objective.primary_metric") or "metric")
    up = str(draft.get("objective.goal") or "maximize").lower() != "minimize"
    if kind == "bandit":
        rule = _bandit(policy, metric, up=up)
    elif kind == "median_stopping":
        worse = "<" if up else ">"
        rule = f"its best {metric} {worse} median of all trials' running averages"
    elif kind == "truncation_selection":
        rule = f"it is among the worst {_number(policy.get('truncation_percentage'))} % of the trials"
    else:
        return ""
    interval = policy.get("evaluation_interval") or 1
    every = "each report" if interval in (0, 1) else f"every {_number(interval)} reports"
    delay = policy.get("delay_evaluation")
    return f"Stops a trial when {rule}; looked at after {every}{f', from report {_number(delay)} on' if delay else ''}."


def _bandit(policy: Any, metric: str, *, up: bool) -> str:
    worse, best = ("<", f"best {metric} of all") if up else (">", f"lowest {metric} of all")
    mine = f"its best {metric}" if up else f"its lowest {metric}"
    if policy.get("slack_amount") is not None:
        amount = _number(policy["slack_amount"])
        return f"{mine} {worse} {best} {'-' if up else '+'} {amount}"
    factor = _number(policy.get("slack_factor"))
    return f"{mine} {worse} {best} {'/' if up else '*'} (1 + {factor})"


def _number(value: Any) -> str:
    return "?" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
