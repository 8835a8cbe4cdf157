"""Who must stop early: the three policies over what trials have reported so far.

Each report of the primary metric is one interval of its trial. A policy looks at interval N of a trial and at
all trials that have reached N; the formulas are those of Azure's documentation. Two things are settled here
that it leaves open: a bandit's slack factor widens away from zero whatever the sign of the metric, so the best
trial always stays within it; and NaN counts as the worst value there is.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from workbench.definition.policies import (
    BanditPolicy,
    EarlyTerminationPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)

__all__ = ["Judge", "Stop", "judge"]


@dataclass(frozen=True)
class Stop:
    """A verdict.

    Args:
        reason: the comparison that decided, with its numbers.
        interval: the report at which it was made, from 1.
    """

    reason: str
    interval: int


def judge(
    policy: EarlyTerminationPolicy | None,
    goal: str,
    values: Mapping[str, Sequence[float]],
    trial: str,
    after: int = 0,
) -> Stop | None:
    """Return the first verdict against a trial, or None.

    Args:
        policy: the policy, or None for none.
        goal: "maximize" or "minimize".
        values: what each trial has reported, in order.
        trial: the trial to judge.
        after: the interval up to which it was judged before.
    """
    court = Judge(policy, goal)
    for name, reports in values.items():
        for value in reports:
            court.add(name, value)
    return court.judge(trial, after)


@dataclass
class _Reports:
    """One trial, every value turned so that larger is better."""

    bests: list[float] = field(default_factory=list)
    total: Fraction = Fraction(0)
    infinite: float = 0.0

    def add(self, value: float) -> None:
        self.bests.append(max(value, self.bests[-1]) if self.bests else value)
        if math.isfinite(value):
            self.total += Fraction(value)
        else:
            self.infinite += value

    def average(self) -> float:
        # Exact sums: a trial that reports one value over and over must average to that value.
        if self.infinite:
            return -math.inf if math.isnan(self.infinite) else self.infinite
        return float(self.total / len(self.bests))


class Judge:
    """A policy that remembers what it has heard, so that each report costs microseconds.

    Args:
        policy: the policy, or None for none.
        goal: "maximize" or "minimize".
    """

    def __init__(self, policy: EarlyTerminationPolicy | None, goal: str) -> None:
        self.policy = policy
        self.sign = 1.0 if goal == "maximize" else -1.0
        self.step = max(policy.evaluation_interval, 1) if policy else 1
        self._reports: dict[str, _Reports] = {}
        self._peers: dict[int, list[float]] = {}

    def add(self, trial: str, value: float) -> int:
        """Take in one report of the primary metric; returns its interval, from 1."""
        reports = self._reports.setdefault(trial, _Reports())
        reports.add(-math.inf if math.isnan(value) else self.sign * value)
        interval = len(reports.bests)
        if self._applies(interval):
            self._compare_later(reports, self._peers.setdefault(interval, []))
        return interval

    def judge(self, trial: str, after: int = 0) -> Stop | None:
        """Return the first verdict against a trial at an interval above ``after``, or None."""
        reports = self._reports.get(trial, _Reports())
        for interval in range(after + 1, len(reports.bests) + 1):
            if self._applies(interval):
                reason = self._verdict(reports.bests[interval - 1], self._peers[interval])
                if reason is not None:
                    return Stop(f"{reason} at interval {interval}", interval)
        return None

    def report(self, trial: str, value: float) -> Stop | None:
        """Take in one report and return the verdict at its interval, or None."""
        return self.judge(trial, self.add(trial, value) - 1)

    def _applies(self, interval: int) -> bool:
        return self.policy is not None and interval % self.step == 0 and interval >= self.policy.delay_evaluation

    def _compare_later(self, reports: _Reports, peers: list[float]) -> None:
        if isinstance(self.policy, MedianStoppingPolicy):
            insort(peers, reports.average())
        elif isinstance(self.policy, TruncationSelectionPolicy):
            insort(peers, reports.bests[-1])
        else:
            peers[:] = [max([reports.bests[-1], *peers])]

    def _verdict(self, mine: float, peers: list[float]) -> str | None:
        if isinstance(self.policy, BanditPolicy):
            return self._bandit(self.policy, mine, peers[0])
        if isinstance(self.policy, MedianStoppingPolicy):
            return self._median(mine, peers)
        if isinstance(self.policy, TruncationSelectionPolicy):
            return self._truncation(self.policy, mine, peers)
        return None

    def _bandit(self, policy: BanditPolicy, mine: float, best: float) -> str | None:
        if policy.slack_amount is not None:
            bar = best - policy.slack_amount
            rule = f"{'-' if self.sign > 0 else '+'} {policy.slack_amount:g}"
        else:
            widened = 1 + (policy.slack_factor or 0)
            # Turned values of a minimized positive metric are negative, and there the slack multiplies.
            bar = best / widened if best >= 0 else best * widened
            rule = f"{'/' if best >= 0 else '*'} (1 + {policy.slack_factor or 0:g})"
        if not mine < bar:
            return None
        return f"{self._compared(mine, bar)} = best {self._shown(best)} {rule}"

    def _median(self, mine: float, averages: list[float]) -> str | None:
        middle, odd = divmod(len(averages), 2)
        median = averages[middle] if odd else (averages[middle - 1] + averages[middle]) / 2
        if not mine < median:
            return None
        return f"{self._compared(mine, median)} = median of the running averages of {len(averages)} trials"

    def _truncation(self, policy: TruncationSelectionPolicy, mine: float, bests: list[float]) -> str | None:
        cut = policy.truncation_percentage * len(bests) // 100
        if bisect_right(bests, mine) > cut:
            return None
        share = f"the worst {policy.truncation_percentage} percent of {len(bests)} trials"
        return f"{self._compared(mine, bests[cut])}, so among {share}"

    def _compared(self, mine: float, bar: float) -> str:
        return f"{self._shown(mine)} {'<' if self.sign > 0 else '>'} {self._shown(bar)}"

    def _shown(self, value: float) -> str:
        return f"{self.sign * value:.4g}"
