from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.definition.policies import (
    BanditPolicy,
    EarlyTerminationPolicy,
    MedianStoppingPolicy,
    TruncationSelectionPolicy,
)
from workbench.search.stopping import Judge, Stop, judge

Reports = Mapping[str, Sequence[float]]


def plainly(policy: EarlyTerminationPolicy, goal: str, values: Reports, trial: str, after: int) -> int | None:
    """The policies once more, slowly and straight from their description; returns the interval of the stop."""
    pick = max if goal == "maximize" else min
    for interval in range(after + 1, len(values[trial]) + 1):
        if interval % (policy.evaluation_interval or 1) or interval < policy.delay_evaluation:
            continue
        bests = {name: pick(reports[:interval]) for name, reports in values.items() if len(reports) >= interval}
        means = [statistics.mean(values[name][:interval]) for name in bests]
        if is_stopped(policy, goal, bests, means, trial):
            return interval
    return None


def is_stopped(
    policy: EarlyTerminationPolicy, goal: str, bests: Mapping[str, float], means: list[float], trial: str
) -> bool:
    mine, up = bests[trial], goal == "maximize"
    if isinstance(policy, MedianStoppingPolicy):
        return mine < statistics.median(means) if up else mine > statistics.median(means)
    if isinstance(policy, TruncationSelectionPolicy):
        cut = math.floor(policy.truncation_percentage * len(bests) / 100)
        not_better = [best for best in bests.values() if (best <= mine if up else best >= mine)]
        return len(not_better) <= cut
    assert isinstance(policy, BanditPolicy)
    best = max(bests.values()) if up else min(bests.values())
    if policy.slack_amount is not None:
        return mine < best - policy.slack_amount if up else mine > best + policy.slack_amount
    widened = 1 + (policy.slack_factor or 0)
    if up:
        return mine < (best / widened if best >= 0 else best * widened)
    return mine > (best * widened if best >= 0 else best / widened)


timing = {"evaluation_interval": st.integers(0, 3), "delay_evaluation": st.integers(0, 4)}
policies: st.SearchStrategy[EarlyTerminationPolicy] = st.one_of(
    st.builds(BanditPolicy, slack_factor=st.sampled_from([0, 0.1, 0.5]), **timing),
    st.builds(BanditPolicy, slack_amount=st.sampled_from([0, 0.25, 2]), **timing),
    st.builds(MedianStoppingPolicy, **timing),
    st.builds(TruncationSelectionPolicy, truncation_percentage=st.integers(1, 99), **timing),
)
metrics = st.floats(-4, 4).map(lambda value: round(value, 1))
histories = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(metrics, max_size=7), max_size=8)
goals = st.sampled_from(["maximize", "minimize"])


@given(policies, goals, histories, st.lists(metrics, min_size=1, max_size=7), st.integers(0, 3))
def test_policies_do_what_their_description_says(
    policy: EarlyTerminationPolicy, goal: str, others: Reports, mine: list[float], after: int
) -> None:
    values = {**others, "x": mine}
    verdict = judge(policy, goal, values, "x", after)
    assert (verdict and verdict.interval) == plainly(policy, goal, values, "x", after)


@given(policies, goals, st.lists(st.tuples(st.sampled_from("abcd"), metrics), max_size=30))
def test_report_by_report_gives_the_same_verdicts(
    policy: EarlyTerminationPolicy, goal: str, arriving: list[tuple[str, float]]
) -> None:
    court = Judge(policy, goal)
    heard: dict[str, list[float]] = {}
    for trial, value in arriving:
        heard.setdefault(trial, []).append(value)
        assert court.report(trial, value) == judge(policy, goal, heard, trial, len(heard[trial]) - 1)


def test_the_worked_example_and_its_reason() -> None:
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2, delay_evaluation=5)
    values = {"best": [0.73] * 6, "poor": [0.61] * 7, "fair": [0.665] * 6}
    reason = "0.61 < 0.6636 = best 0.73 / (1 + 0.1) at interval 6"
    assert judge(policy, "maximize", values, "poor") == Stop(reason, 6)
    assert judge(policy, "maximize", values, "fair") is None
    assert judge(policy, "maximize", values, "best") is None
    assert judge(policy, "maximize", values, "poor", after=6) is None


def test_reasons_of_the_others() -> None:
    amount = judge(BanditPolicy(slack_amount=0.5), "minimize", {"a": [1.0], "b": [2.0]}, "b")
    assert amount == Stop("2 > 1.5 = best 1 + 0.5 at interval 1", 1)
    factor = judge(BanditPolicy(slack_factor=0.5), "minimize", {"a": [1.0], "b": [2.0]}, "b")
    assert factor == Stop("2 > 1.5 = best 1 * (1 + 0.5) at interval 1", 1)
    median = judge(MedianStoppingPolicy(), "maximize", {"a": [1.0], "b": [2.0], "c": [3.0]}, "a")
    assert median == Stop("1 < 2 = median of the running averages of 3 trials at interval 1", 1)
    worst = judge(
        TruncationSelectionPolicy(truncation_percentage=34), "maximize", {"a": [1.0], "b": [2.0], "c": [3.0]}, "a"
    )
    assert worst == Stop("1 < 2, so among the worst 34 percent of 3 trials at interval 1", 1)


def test_only_trials_that_got_there_count() -> None:
    values = {"fast": [0.1, 0.2], "slow": [0.9]}
    assert judge(BanditPolicy(slack_amount=0.1), "maximize", values, "fast", after=1) is None
    assert judge(BanditPolicy(slack_amount=0.1), "maximize", values, "fast") is not None
    assert judge(BanditPolicy(slack_amount=0.1), "maximize", values, "unheard") is None
    assert judge(None, "maximize", values, "fast") is None


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_nan_is_worst_and_infinity_is_ordered(goal: str) -> None:
    good = math.inf if goal == "maximize" else -math.inf
    values = {"nan": [math.nan], "one": [1.0], "good": [good], "bad": [-good]}
    bandit = BanditPolicy(slack_factor=0.1)
    assert judge(bandit, goal, {"nan": [math.nan], "one": [1.0]}, "nan") is not None
    assert judge(bandit, goal, {"nan": [math.nan], "one": [1.0]}, "one") is None
    assert judge(bandit, goal, values, "one") is not None
    assert judge(bandit, goal, values, "good") is None
    truncation = TruncationSelectionPolicy(truncation_percentage=50)
    stopped = [trial for trial in values if judge(truncation, goal, values, trial)]
    assert stopped == ["nan", "bad"]
    assert judge(MedianStoppingPolicy(), goal, {"a": [math.nan], "b": [1.0], "c": [1.0]}, "a") is not None
    assert judge(MedianStoppingPolicy(), goal, {"a": [good, -good], "b": [1.0, 1.0]}, "b", after=1) is None


@given(policies, goals, st.integers(2, 6))
def test_equal_trials_are_never_stopped(policy: EarlyTerminationPolicy, goal: str, count: int) -> None:
    values = {str(trial): [0.1] * 6 for trial in range(count)}
    assert [judge(policy, goal, values, trial) for trial in values] == [None] * count


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=20), st.integers(1, 99))
def test_truncation_never_cuts_more_than_its_share(scores: list[float], percentage: int) -> None:
    values = {str(trial): [score] for trial, score in enumerate(scores)}
    policy = TruncationSelectionPolicy(truncation_percentage=percentage)
    stopped = [trial for trial in values if judge(policy, "maximize", values, trial)]
    assert len(stopped) <= percentage * len(scores) // 100
