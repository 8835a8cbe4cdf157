"""Drafts of all kinds, right and wrong ones, for the property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from workbench.views.builder.form import Draft
from workbench.views.builder.values import ARGUMENTS

__all__ = ["drafts", "policies"]

names = st.sampled_from(["lr", "hidden", "epochs", "data_folder", "class", "x1", "type", "values"])
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(st.integers(-(10**12), 10**12), floats, st.booleans(), words)
numbers = st.one_of(st.integers(-20, 20), st.floats(-20, 20))


@st.composite
def _right_distributions(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted((draw(st.integers(-9, 3)), draw(st.integers(4, 9))))
    makers: list[dict[str, Any]] = [
        {"type": "choice", "values": draw(st.lists(scalars, min_size=1, max_size=4))},
        {
            "type": "choice",
            "values": [{"depth": draw(scalars), "rate": {"type": "uniform", "min_value": 0, "max_value": 1}}],
        },
        {"type": "uniform", "min_value": low, "max_value": high + 0.5},
        {"type": "loguniform", "min_value": low, "max_value": high},
        {"type": "quniform", "min_value": low, "max_value": high, "q": 1},
        {"type": "normal", "mu": low, "sigma": 0.25},
        {"type": "randint", "upper": high},
    ]
    return draw(st.sampled_from(makers))


@st.composite
def _wrong_distributions(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(ARGUMENTS)))
    given = {name: draw(st.one_of(numbers, words)) for name in ARGUMENTS[kind] if draw(st.booleans())}
    return {"type": kind, **given}


policies = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("bandit"), "slack_factor": st.sampled_from([0.1, 1, 0.25])},
        optional={"evaluation_interval": st.integers(1, 5), "delay_evaluation": st.integers(1, 5)},
    ),
    st.fixed_dictionaries({"type": st.just("median_stopping")}, optional={"delay_evaluation": st.integers(1, 9)}),
    st.fixed_dictionaries({"type": st.just("truncation_selection"), "truncation_percentage": st.integers(1, 99)}),
)
samplers = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("random")},
        optional={"seed": st.integers(0, 10**9), "rule": st.just("sobol"), "logbase": st.just(10)},
    ),
    st.just({"type": "grid"}),
    st.fixed_dictionaries({"type": st.just("bayesian")}, optional={"seed": st.integers(0, 9)}),
)
_texts = st.dictionaries(st.sampled_from(["team", "note", "k"]), words, max_size=2)
_common = {
    "name": st.sampled_from(["run_1", "Sweep-2"]),
    "display_name": words,
    "experiment_name": words,
    "description": words,
    "tags": _texts,
    "environment": st.one_of(st.sampled_from(["azureml:keras:1", "x y"]), st.just({"image": "python:3.12"})),
    "environment_variables": _texts,
    "resources": st.fixed_dictionaries(
        {}, optional={"gpus": st.sampled_from([0.5, 1, 2]), "cpus": st.integers(1, 9), "memory": st.just("4g")}
    ),
    "retries": st.sampled_from([{"any": 2}, {"host_lost": 1, "any": 1}]),
    "outputs": st.just({"model": {"type": "uri_folder"}}),
}
_limits = st.fixed_dictionaries(
    {},
    optional={
        "max_total_trials": st.integers(1, 99),
        "max_concurrent_trials": st.integers(1, 9),
        "timeout": st.integers(1, 999),
        "trial_timeout": st.sampled_from([1.5, 60]),
    },
)
_data = st.fixed_dictionaries({"type": st.just("uri_folder"), "path": st.sampled_from(["./data", "a b"])})


@st.composite
def drafts(draw: st.DrawFn, *, wrong: bool = False) -> Draft:
    """Draw a draft of a command or a notebook, swept or not; ``wrong`` ones hold what no job can."""
    distributions = _wrong_distributions() if wrong else _right_distributions()
    inputs = draw(st.dictionaries(names, st.one_of(scalars, _data), max_size=3))
    is_sweep = draw(st.booleans())
    if is_sweep:
        inputs |= draw(st.dictionaries(names, distributions, min_size=1, max_size=3))
    fields = draw(st.fixed_dictionaries({}, optional=_common)) | {"inputs": inputs}
    if draw(st.booleans()):
        fields |= {
            "command": f"python t.py {draw(st.sampled_from(['', '--lr ${{inputs.lr}}', chr(10) + 'echo $X']))}".strip()
        }
        fields |= draw(st.sampled_from([{}, {"code": "./src"}]))
    else:
        fields |= {"notebook": draw(st.sampled_from(["train.ipynb", "a b/x.ipynb"]))}
        fields |= draw(st.sampled_from([{}, {"kernel": "python3"}]))
    if is_sweep:
        fields |= {"sampling_algorithm": draw(samplers), "limits": draw(_limits)}
        fields |= {
            "objective": {
                "goal": draw(st.sampled_from(["maximize", "minimize"])),
                "primary_metric": draw(words.filter(str.strip)),
            }
        }
        fields |= draw(st.one_of(st.just({}), policies.map(lambda policy: {"early_termination": policy})))
    elif draw(st.booleans()):
        fields |= {"limits": {"timeout": 60}}
    return Draft(fields, is_sweep).brief().settled()
