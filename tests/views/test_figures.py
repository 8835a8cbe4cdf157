"""The facts that figures show, and that plotly takes them."""

from __future__ import annotations

import math
from dataclasses import replace

import plotly.graph_objects as go
import pytest

from workbench.definition.status import JobStatus
from workbench.errors import ValidationException
from workbench.views import figures
from workbench.views.facts import Axis, JobFacts
from workbench.views.figures import (
    FIGURES,
    MOST_AXES,
    MOST_CURVES,
    USUAL_AXES,
    curves,
    importance,
    parallel_coordinates,
    progress,
    scatter,
)


@pytest.mark.parametrize("kind", FIGURES)
def test_plotly_takes_every_figure(past: JobFacts, kind: str) -> None:
    figure = FIGURES[kind](past)
    assert go.Figure(data=figure.data, layout=figure.layout).data
    assert figure.to_json()["trials"] == list(figure.trials)


def test_parallel_coordinates_have_a_line_for_each_trial_with_a_value(past: JobFacts) -> None:
    figure = parallel_coordinates(past)
    scored = [row for row in past.rows() if row["score"] is not None]
    (trace,) = figure.data
    assert figure.trials == [row["number"] for row in scored]
    assert [axis.name for axis in figure.axes] == ["trial", "lr", "units", "drop", "accuracy"]
    by_label = {dimension["label"]: dimension for dimension in trace["dimensions"]}
    assert by_label["lr"]["values"] == pytest.approx([math.log10(row["params"]["lr"]) for row in scored])
    assert by_label["units"]["ticktext"] == ["10", "50", "200"]
    assert by_label["accuracy"]["values"] == trace["line"]["color"] == [row["score"] for row in scored]
    assert figure.note == "4 of 30 trials have no value"


def test_the_ticks_of_a_logarithmic_axis_read_as_values(past: JobFacts) -> None:
    dimension = parallel_coordinates(past).data[0]["dimensions"][1]
    for place, text in zip(dimension["tickvals"], dimension["ticktext"], strict=True):
        assert float(text) == pytest.approx(10**place, rel=1e-2)
    assert {0.001, 0.01, 0.1} <= {float(text) for text in dimension["ticktext"]}


def test_parallel_coordinates_of_the_best_and_of_chosen_axes(past: JobFacts) -> None:
    figure = parallel_coordinates(past, top=3, params=["drop", "lr"])
    best = sorted((row for row in past.rows() if row["score"] is not None), key=lambda row: -row["score"])[:3]
    assert set(figure.trials) == {row["number"] for row in best}
    assert [axis.name for axis in figure.axes] == ["trial", "drop", "lr", "accuracy"]
    with pytest.raises(ValidationException, match="no parameter 'depth'"):
        parallel_coordinates(past, params=["depth"])


def test_parallel_coordinates_of_very_many_parameters(past: JobFacts) -> None:
    past.axes = (*past.axes, *(Axis(f"width{index}", "linear") for index in range(67)))
    usual = parallel_coordinates(past)
    assert len(usual.axes) == USUAL_AXES + 2
    assert usual.note.endswith(f"{USUAL_AXES} of 70 parameters drawn")
    chosen = parallel_coordinates(past, params=["width66", "lr"])
    assert [axis.name for axis in chosen.axes] == ["trial", "width66", "lr", "accuracy"]
    most = parallel_coordinates(past, params=[axis.name for axis in past.axes])
    assert len(most.axes) == MOST_AXES


def test_curves_mark_the_best_and_what_is_selected(past: JobFacts) -> None:
    figure = curves(past, selected=[2])
    by_number = {trace["customdata"][0]: trace for trace in figure.data}
    best = past.trials[past.best or ""].number
    assert by_number[best]["name"] == f"trial {best} (best)"
    assert by_number[2]["showlegend"]
    assert by_number[3]["opacity"] < by_number[2]["opacity"]
    assert by_number[2]["x"] == [0, 1, 2, 3, 4]
    over_time = curves(past, over="time").data[0]
    assert over_time["x"] == [0, 1, 2, 3, 4]
    assert len(figure.data) == 26 <= MOST_CURVES


def test_trials_that_a_policy_has_stopped_look_like_no_others(past: JobFacts) -> None:
    stopped, canceled = list(past.trials)[1:3]
    early = "stopped early: 0.4 < 0.9091 = best 1 / (1 + 0.1) at interval 2"
    past.trials[stopped] = replace(past.trials[stopped], status=JobStatus.CANCELED, reason=early)
    past.trials[canceled] = replace(past.trials[canceled], status=JobStatus.CANCELED, reason="canceled by the user")
    lines = {trace["name"]: trace["line"]["dash"] for trace in curves(past).data}
    assert lines["trial 1 (stopped early)"] == lines["stopped early"] == "dash"
    assert lines["trial 2 (Canceled)"] == lines["canceled or failed"] == "dot"
    assert lines["trial 3"] == "solid"
    for figure in (progress(past), scatter(past)):
        marks = {trace["name"]: trace for trace in figure.data if trace["mode"] == "markers"}
        assert marks["stopped early"]["customdata"] == [1]
        assert marks["not completed"]["customdata"] == [2]
        assert len({trace["marker"]["symbol"] for trace in marks.values()}) == 3


def test_what_is_selected_stands_out_among_marks(past: JobFacts) -> None:
    for figure in (progress(past, selected=[2, 3]), scatter(past, selected=[2, 3])):
        (marks,) = (trace for trace in figure.data if trace["mode"] == "markers")
        assert [marks["customdata"][index] for index in marks["selectedpoints"]] == [2, 3]
        assert marks["selected"]["marker"]["size"] > marks["marker"]["size"]
        assert go.Figure(data=figure.data).data
    assert all("selectedpoints" not in trace for trace in progress(past).data)


def test_progress_never_gets_worse(past: JobFacts) -> None:
    line = next(trace for trace in progress(past).data if trace["name"] == "best so far")
    assert line["y"] == sorted(line["y"])
    assert line["y"][-1] == past.header()["best"]["score"]


def test_scatter_spells_out_categories_and_keeps_numbers(past: JobFacts) -> None:
    categories = scatter(past, param="units")
    assert categories.layout["xaxis"]["ticktext"] == ["10", "50", "200"]
    logarithmic = scatter(past, param="lr")
    assert logarithmic.layout["xaxis"]["type"] == "log"
    values = {number: row for row in past.rows() for number in [row["number"]]}
    for x, number in zip(logarithmic.data[0]["x"], logarithmic.data[0]["customdata"], strict=True):
        assert x == pytest.approx(values[number]["params"]["lr"])


def test_importance_finds_what_matters(past: JobFacts) -> None:
    figure = importance(past)
    (bars,) = figure.data
    shares = dict(zip(bars["y"], bars["x"], strict=True))
    assert shares["lr"] > shares["drop"]
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_says_why_there_is_none(past: JobFacts) -> None:
    for name in list(past.trials)[5:]:
        del past.trials[name]
    figure = importance(past)
    assert (figure.data, figure.note) == ([], "5 completed trials have a value; 8 are needed to tell what matters")


def test_what_has_no_room_is_shortened_in_the_middle_and_thinned(past: JobFacts) -> None:
    long = "the_learning_rate_of_the_second_optimizer_group"
    past.axes = (*past.axes, Axis(long, "linear"), Axis("seed", "category", tuple(range(60))))
    figure = parallel_coordinates(past, params=[long, "seed"])
    assert figure.axes[1].name == long
    name, seed = figure.data[0]["dimensions"][1:3]
    assert name["label"] == "the_learnin…izer_group"
    assert seed["tickvals"] == list(range(0, 60, 4))
    assert seed["ticktext"] == [str(place) for place in seed["tickvals"]]


def test_one_trial_has_its_number_once_and_no_scale_of_colours(past: JobFacts) -> None:
    for name in list(past.trials)[1:]:
        del past.trials[name]
    (trace,) = parallel_coordinates(past).data
    assert trace["dimensions"][0]["tickvals"] == [0]
    assert not trace["line"]["showscale"]


def test_a_sweep_without_finite_values_draws_nothing(past: JobFacts) -> None:
    for name, trial in past.trials.items():
        past.trials[name] = replace(trial, score=math.nan)
    past.curves["accuracy"] = {name: [(0, math.nan, 0)] for name in past.trials}
    assert all(FIGURES[kind](past).data == [] for kind in ("curves", "progress", "scatter"))
    assert {row["diverged"] for row in past.rows()} == {True}
    assert {row["last"] for row in past.rows()} == {None}


def test_importance_shows_the_parameters_that_matter_most(past: JobFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = {f"width{index:02}": index / 190 for index in range(20)}
    monkeypatch.setattr(figures, "measure", lambda observed: shares)
    figure = importance(past)
    assert figure.data[0]["y"] == [f"width{index:02}" for index in range(8, 20)]
    assert figure.note == "the 12 of 20 parameters that matter most"


def test_a_paused_sweep_foretells_no_end(past: JobFacts) -> None:
    limits = {**past.record.definition, "limits": {"max_total_trials": 40}}
    past.record = replace(past.record, status=JobStatus.RUNNING, definition=limits)
    assert past.header()["remaining"] > 0
    past.record = replace(past.record, held=True)
    assert past.header()["remaining"] is None
