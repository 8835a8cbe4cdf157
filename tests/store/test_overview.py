"""Lists of jobs: which, in which order, how their trials stand, and what has changed of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.test_database import record
from workbench.definition.status import JobStatus
from workbench.store.database import Store
from workbench.store.overview import Wanted
from workbench.store.schema import _STEPS, VERSION


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A sweep with four trials, a job that runs and one that waits."""
    store = Store(tmp_path / "workbench.db")
    with store.write() as writer:
        writer.add_job(
            record(
                "s",
                type="sweep",
                status=JobStatus.COMPLETED,
                created=9.0,
                definition={"limits": {"max_total_trials": 7}},
                launch={"kind": "notebook", "literals": {"x": "1"}},
                properties={
                    "primary_metric_config": json.dumps({"name": "loss", "goal": "Minimize"}),
                    "best_child_run_id": "s_1",
                },
            )
        )
    for number, score in enumerate((3.0, 1.0, None, 2.0)):
        with store.write() as writer:
            status = JobStatus.FAILED if score is None else JobStatus.COMPLETED
            writer.add_job(
                record(f"s_{number}", type="trial", parent="s", number=number, status=status, score=score, created=9.0)
            )
    with store.write() as writer:
        writer.add_job(record("runs", status=JobStatus.RUNNING, created=1.0, tags={"team": "Blue"}))
        writer.add_job(record("waits", status=JobStatus.QUEUED, created=2.0, experiment_name="other"))
    yield store
    store.close()


def names(store: Store, wanted: Wanted, *page: int) -> list[str]:
    return [one.record.name for one in store.overviews(wanted, *page)]


def test_an_overview_has_what_a_list_shows(store: Store) -> None:
    (sweep,) = store.overviews(Wanted(names=["s"]))
    assert (sweep.kind, sweep.total, sweep.literals) == ("notebook", 7, {"x": "1"})
    assert (sweep.metric, sweep.best) == (("loss", "minimize"), "s_1")
    assert sweep.counts == {"Completed": 3, "Failed": 1}
    assert (sweep.record.definition, sweep.record.launch) == ({}, {})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["runs", "waits", "s"]),
        (Wanted(order="newest"), ["s", "waits", "runs"]),
        (Wanted(parent="s", order="number"), ["s_0", "s_1", "s_2", "s_3"]),
        (Wanted(parent="s", order="best", goal="minimize"), ["s_1", "s_3", "s_0", "s_2"]),
        (Wanted(parent="s", order="best", goal="maximize"), ["s_0", "s_3", "s_1", "s_2"]),
        (Wanted(parent="s", order="worst", goal="minimize"), ["s_0", "s_3", "s_1", "s_2"]),
        (Wanted(experiment="other"), ["waits"]),
        (Wanted(statuses=[JobStatus.RUNNING, JobStatus.COMPLETED]), ["runs", "s"]),
        (Wanted(search="bLuE"), ["runs"]),
        (Wanted(search="100%_'; DROP TABLE jobs"), []),
        (Wanted(names=["s_2", "runs", "nobody"]), ["runs", "s_2"]),
        (Wanted(archived=True), []),
    ],
)
def test_lists_are_chosen_and_ordered(store: Store, wanted: Wanted, found: list[str]) -> None:
    assert names(store, wanted) == found
    assert store.count(wanted) == len(found)
    assert names(store, wanted, 2, 1) == found[1:3]


def test_changes_come_in_parts_and_what_was_written_at_once_stays_together(store: Store) -> None:
    parts, cursor = [], 0
    while cursor < store.now():
        cursor, changed = store.changed_overviews(cursor, limit=2)
        parts.append([one.record.name for one in changed])
    assert parts == [["s", "s_0"], ["s_1", "s_2"], ["s_3", "runs", "waits"]]
    assert store.changed_overviews(cursor) == (cursor, [])


def test_what_is_unfinished_is_work(store: Store) -> None:
    assert [one.record.name for one in store.unfinished_overviews()] == ["runs", "waits"]
    assert store.has_work()
    assert store.status_counts() == {"Completed": 1, "Running": 1, "Queued": 1}
    with store.write() as writer:
        for name in ("runs", "waits"):
            writer.move_job(name, JobStatus.CANCELED)
    assert not store.has_work()
    store.request("s", "extend", {"trials": 1})
    assert store.has_work()


def test_one_row_that_cannot_be_read_hides_no_other(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as raw:
        raw.execute("UPDATE jobs SET definition = '{', launch = 'NaN', properties = '[' WHERE name = 's'")
    found = {one.record.name: one for one in store.overviews(Wanted())}
    assert found.keys() == {"s", "runs", "waits"}
    assert (found["s"].total, found["s"].kind, found["s"].metric) == (None, None, None)


def test_a_store_of_the_first_format_is_brought_to_this_one(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
        raw.executescript(_STEPS[0] + ";PRAGMA user_version=1")
    store = Store(tmp_path / "old.db")
    with store.write() as writer:
        writer.add_job(record("kept"))
    store.close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (VERSION,)
        plan = raw.execute("EXPLAIN QUERY PLAN SELECT status, count(*) FROM jobs WHERE parent = 'x' GROUP BY status")
        assert "COVERING INDEX jobs_by_parent" in plan.fetchone()[3]
