"""Facts follow the store: what was there at first, and what has changed since."""

from __future__ import annotations

import pytest

from workbench import MLClient
from workbench.definition.status import JobStatus
from workbench.errors import NotFoundError
from workbench.store.records import JobRecord, Point
from workbench.views.facts import Axis, JobFacts


def test_the_first_look_has_everything(past: JobFacts) -> None:
    header = past.header()
    assert (header["status"], header["counts"], header["total"]) == ("Completed", {"Completed": 26, "Failed": 4}, 30)
    assert header["metric"] == {"name": "accuracy", "goal": "maximize"}
    assert [(axis["name"], axis["scale"]) for axis in header["axes"]] == [
        ("lr", "log"),
        ("units", "category"),
        ("drop", "linear"),
    ]
    assert [axis["categories"] for axis in header["axes"]] == [[], [10, 50, 200], []]
    best = max((row for row in past.rows() if row["score"] is not None), key=lambda row: row["score"])
    assert header["best"]["name"] == best["name"]
    assert [row["number"] for row in past.rows()] == list(range(30))
    first = past.rows()[0]
    assert len(first["spark"]) == 5
    assert first["last"] == first["spark"][-1] == pytest.approx(first["score"])
    assert past.metrics() == ["accuracy", "loss"]


def test_a_refresh_tells_what_has_changed_and_nothing_else(past: JobFacts, ml_client: MLClient) -> None:
    assert past.refresh() is None
    name = past.rows()[3]["name"]
    with ml_client.context.store.write() as writer:
        writer.add_points([Point(name, "accuracy", 0.99, 9, 1_700_000_009_000), Point(name, "other", 1.0, 0, 0)])
        writer.update_job(name, score=0.99, status=JobStatus.RUNNING)
    change = past.refresh()
    assert change is not None
    assert (change.trials, change.points) == (frozenset({name}), True)
    (row,) = past.rows(change.trials)
    assert (row["last"], row["score"], row["status"]) == (0.99, 0.99, "Running")
    assert past.refresh() is None


def test_points_written_while_a_metric_is_read_come_once(
    past: JobFacts, ml_client: MLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, workspace = ml_client.context.store, ml_client.context.workspace
    sweep, name = past.name, past.rows()[0]["name"]
    steps = iter(range(100, 1000, 100))

    def stream() -> None:
        with store.write() as writer:
            step = next(steps)
            writer.add_points([Point(name, key, 0.5, step, 1_700_000_009_000) for key in ("accuracy", "loss")])

    read = store.job

    def job(wanted: str) -> JobRecord | None:
        stream()  # another process writes between two reads of a view that opens
        return read(wanted)

    monkeypatch.setattr(store, "job", job)
    facts, alone = JobFacts(store, workspace, sweep), JobFacts(store, workspace, name)
    monkeypatch.setattr(store, "job", read)
    stream()  # and before another metric is chosen
    facts.curves_of("loss")
    facts.refresh()
    alone.refresh()
    assert [step for step, _, _ in facts.curves_of("accuracy")[name]] == [0, 1, 2, 3, 4, 100, 200, 300]
    assert [step for step, _, _ in facts.curves_of("loss")[name]] == [0, 100, 200, 300]
    assert [step for step, _, _ in alone.curves_of("accuracy")[name]] == [0, 1, 2, 3, 4, 100, 200, 300]


def test_a_trial_that_is_tried_again_begins_a_new_curve(past: JobFacts, ml_client: MLClient) -> None:
    name = past.rows()[0]["name"]
    with ml_client.context.store.write() as writer:
        writer.forget_points(name)
        writer.update_job(name, attempt=2, score=None, status=JobStatus.RUNNING)
        writer.add_points([Point(name, "accuracy", 0.1, 0, 1_700_000_000_000)])
    past.refresh()
    (row,) = past.rows([name])
    assert (row["spark"], row["attempt"]) == ([0.1], 2)


def test_a_job_that_is_tried_again_begins_new_curves_too(past: JobFacts, ml_client: MLClient) -> None:
    name = past.rows()[0]["name"]
    alone = JobFacts(ml_client.context.store, ml_client.context.workspace, name)
    assert len(alone.curves_of("accuracy")[name]) == 5
    with ml_client.context.store.write() as writer:
        writer.forget_points(name)
        writer.update_job(name, attempt=2, score=None, status=JobStatus.RUNNING)
        writer.add_points([Point(name, "accuracy", 0.1, 0, 1_700_000_000_000)])
    alone.refresh()
    assert alone.curves_of("accuracy") == {name: [(0, 0.1, 1_700_000_000_000)]}
    assert alone.metrics() == ["accuracy"]


def test_a_value_that_no_axis_has_gets_a_place(past: JobFacts, ml_client: MLClient) -> None:
    trial = past.trials[past.rows()[0]["name"]]
    with ml_client.context.store.write() as writer:
        writer.update_job(trial.name, params={**trial.params, "units": 77})
    past.refresh()
    (axis,) = (axis for axis in past.axes if axis.name == "units")
    assert axis.categories == (10, 50, 77, 200)
    assert axis.place(77) == 2


@pytest.mark.parametrize(
    ("axis", "value", "place"),
    [
        (Axis("x", "linear"), 3, 3.0),
        (Axis("x", "log"), 100, 2.0),
        (Axis("x", "log"), 0, None),
        (Axis("x", "linear"), "three", None),
        (Axis("x", "linear"), float("nan"), None),
        (Axis("x", "category", ("a", "b")), "b", 1.0),
        (Axis("x", "category", ("a", "b")), "c", None),
    ],
)
def test_where_a_value_lies(axis: Axis, value: object, place: float | None) -> None:
    assert axis.place(value) == place


def test_an_unknown_job_is_told_of(ml_client: MLClient) -> None:
    with pytest.raises(NotFoundError, match="no job named 'nobody'"):
        JobFacts(ml_client.context.store, ml_client.context.workspace, "nobody")
