"""The store: transactions, changes since a cursor, and what happens to broken files."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.definition.status import JobStatus
from workbench.errors import StoreError, ValidationException
from workbench.store.database import Store
from workbench.store.records import JobRecord, Point
from workbench.store.schema import VERSION, migrate


def record(name: str, **columns: object) -> JobRecord:
    facts = {
        "name": name,
        "type": "command",
        "status": JobStatus.NOT_STARTED,
        "display_name": name,
        "experiment_name": "e",
        "folder": name,
        "created": 1.0,
    }
    return JobRecord(**(facts | columns))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "workbench.db")
    yield store
    store.close()


def test_a_job_comes_back_as_it_was_written(store: Store) -> None:
    written = record(
        "a", params={"lr": 0.1, "layers": [1, 2]}, tags={"t": "ü"}, definition={"type": "command"}, score=0.5
    )
    with store.write() as writer:
        writer.add_job(written)
    read = store.job("a")
    assert read is not None
    assert read.seq == 1
    assert {**vars_of(read), "seq": 0} == vars_of(written)


def vars_of(one: JobRecord) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def test_a_taken_name_is_refused_and_nothing_else_of_the_transaction_remains(store: Store) -> None:
    with store.write() as writer:
        writer.add_job(record("a"))
    with pytest.raises(ValidationException, match="named 'a' exists"), store.write() as writer:
        writer.add_job(record("b"))
        writer.add_job(record("a"))
    assert store.job("b") is None


def test_two_trials_never_get_the_same_number(store: Store) -> None:
    with store.write() as writer:
        writer.add_job(record("s_0", parent="s", number=0))
    with pytest.raises(ValidationException), store.write() as writer:
        writer.add_job(record("other", parent="s", number=0))


def test_a_finished_job_moves_no_more(store: Store) -> None:
    with store.write() as writer:
        writer.add_job(record("a"))
        assert writer.move_job("a", JobStatus.COMPLETED)
        assert not writer.move_job("a", JobStatus.CANCEL_REQUESTED, reason="late")
    found = store.job("a")
    assert found is not None
    assert (found.status, found.reason) == (JobStatus.COMPLETED, None)


def test_changes_are_what_was_written_after_the_cursor(store: Store) -> None:
    with store.write() as writer:
        writer.add_job(record("a"))
        writer.add_job(record("b"))
    first = store.changes()
    assert [job.name for job in first.jobs] == ["a", "b"]
    with store.write() as writer:
        writer.update_job("b", status=JobStatus.RUNNING)
        writer.add_points([Point("b", "loss", math.nan, 3, 5), Point("b", "loss", math.inf, 4, 6)])
        writer.add_event("a", "note", "hello")
    second = store.changes(first.cursor)
    assert [job.name for job in second.jobs] == ["b"]
    assert math.isnan(second.points[0].value)
    assert second.points[1].value == math.inf
    assert [event.text for event in second.events] == ["hello"]
    assert store.changes(second.cursor).jobs == ()


def test_changes_of_one_sweep_are_its_own_and_its_trials(store: Store) -> None:
    with store.write() as writer:
        writer.add_job(record("s"))
        writer.add_job(record("s_0", parent="s", number=0))
        writer.add_job(record("other"))
        writer.add_points([Point("s_0", "m", 1, 0, 0), Point("other", "m", 2, 0, 0)])
    changes = store.changes(0, "s")
    assert [job.name for job in changes.jobs] == ["s", "s_0"]
    assert [point.job for point in changes.points] == ["s_0"]


def test_requests_and_cursors_are_no_changes(store: Store) -> None:
    number = store.request("a", "cancel", {"reason": "x"})
    with store.write() as writer:
        writer.set_cursor("mlflow", 7)
    assert (store.now(), store.cursor("mlflow")) == (0, 7)
    assert [(request.verb, dict(request.payload)) for request in store.waiting_requests()] == [
        ("cancel", {"reason": "x"})
    ]
    with store.write() as writer:
        writer.handle_request(number, "no")
    assert (store.outcome(number), store.waiting_requests()) == ("no", [])


def test_writers_of_several_connections_wait_for_each_other_and_no_change_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "workbench.db"
    Store(path).close()

    def add(worker: int) -> None:
        mine = Store(path)
        for number in range(50):
            with mine.write() as writer:
                writer.add_job(record(f"{worker}-{number}"))
        mine.close()

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    seen: set[str] = set()
    reader, cursor = Store(path), 0
    for thread in threads:
        thread.start()
    while len(seen) < 200:
        changes = reader.changes(cursor)
        cursor = changes.cursor
        fresh = {job.name for job in changes.jobs}
        assert not fresh & seen
        seen |= fresh
        if not any(thread.is_alive() for thread in threads) and not fresh:
            break
    for thread in threads:
        thread.join()
    assert len(seen | {job.name for job in reader.changes(cursor).jobs}) == 200
    reader.close()


def test_who_finds_a_store_that_another_makes_at_this_moment_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "workbench.db"
    first, second = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    first.execute("BEGIN IMMEDIATE")

    def once_it_waits(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE" and first.in_transaction:
            first.execute("ROLLBACK")

    second.set_trace_callback(once_it_waits)
    migrate(second, str(path))
    assert second.execute("PRAGMA user_version").fetchone() == (VERSION,)
    migrate(first, str(path))
    for connection in (first, second):
        connection.close()


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "workbench.db"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="pip install --upgrade workbench"):
        Store(path)


def test_a_file_that_is_no_store_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "workbench.db"
    path.write_text("this is not a database, but it is long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="move it aside"):
        Store(path)
