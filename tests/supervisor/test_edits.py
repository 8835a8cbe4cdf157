"""Edits of sweeps while they run and after, and of the queue: what they do, what stays of them, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.supervisor.gates import Gate, kill_supervisor, statuses, until
from tests.supervisor.test_sweeps_end_to_end import wait
from workbench import MLClient, command
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.errors import JobException, NotFoundError, ValidationException
from workbench.sweep import Choice, RandomSamplingAlgorithm, Uniform


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


def sweep_of(gate: Gate, total: int, concurrent: int, low: float = 0, high: float = 1) -> Sweep:
    sweep: Sweep = gate.job()(x=Uniform(low, high)).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm=RandomSamplingAlgorithm(seed=3),
        max_total_trials=total,
        max_concurrent_trials=concurrent,
    )
    return sweep


def submit(client: MLClient, sweep: Sweep) -> str:
    return str(client.create_or_update(sweep).name)


def running(client: MLClient, name: str, number: int) -> None:
    until(client, lambda: statuses(client, name).count("Running") == number, lambda: statuses(client, name))


def ended(client: MLClient, name: str, number: int) -> None:
    until(
        client,
        lambda: sum(child.ended is not None for child in client.context.store.children(name)) == number,
        lambda: statuses(client, name),
    )


def history(client: MLClient, name: str) -> list[str]:
    return [event.text for event in client.context.store.events(name) if event.kind == "edit"]


def test_limits_go_up_and_down_while_it_runs(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=10, concurrent=1))
    running(shared_client, name, 1)
    shared_client.sweeps.set_limits(name, max_concurrent_trials=3)
    running(shared_client, name, 3)
    shared_client.sweeps.set_limits(name, max_concurrent_trials=1, max_total_trials=4)
    gate.open(2)
    ended(shared_client, name, 2)
    running(shared_client, name, 1)
    until(shared_client, lambda: len(gate.starts) == 3)
    assert len(statuses(shared_client, name)) == 3, "two of three have ended, and one may run at once"
    gate.open(2)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Completed"] * 4
    assert history(shared_client, name) == [
        "limits: max_concurrent_trials = 3",
        "limits: max_total_trials = 4, max_concurrent_trials = 1",
    ]


def test_nothing_starts_while_it_is_paused(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=3, concurrent=1))
    running(shared_client, name, 1)
    shared_client.sweeps.pause(name)
    gate.open()
    ended(shared_client, name, 1)
    held = "held: nothing of it starts until it is released"
    until(shared_client, lambda: shared_client.jobs.record(name).reason == held)
    (entry,) = [entry for entry in shared_client.queue.list() if entry.name == name]
    assert (entry.held, entry.running, entry.reason) == (True, 0, held)
    assert len(gate.starts) == 1
    shared_client.sweeps.resume(name)
    running(shared_client, name, 1)
    gate.open(2)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Completed"] * 3
    assert history(shared_client, name) == ["paused: what runs goes on, nothing more starts", "resumed"]


def test_a_narrowed_parameter_counts_for_trials_yet_to_come(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=5, concurrent=1))
    running(shared_client, name, 1)
    shared_client.sweeps.narrow(name, x=Uniform(5, 6))
    gate.open(5)
    wait(shared_client, name)
    values = [child.params["x"] for child in shared_client.context.store.children(name)]
    assert values[0] < 1
    assert all(5 <= value <= 6 for value in values[1:])
    assert len(set(values)) == 5
    assert history(shared_client, name)[0].startswith("narrowed from trial 1 on: x = ")


def test_an_enqueued_trial_is_the_next_and_comes_on_top(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=2, concurrent=1))
    running(shared_client, name, 1)
    shared_client.sweeps.enqueue(name, x=7.5)
    gate.open(3)
    wait(shared_client, name)
    children = shared_client.context.store.children(name)
    assert [child.origin for child in children] == ["sampled", "enqueued"], "it counts among the total"
    assert children[1].params == {"x": 7.5}
    assert shared_client.jobs.get(name).properties["best_child_run_id"] == f"{name}_1"
    shared_client.sweeps.enqueue(name, x=8)
    wait(shared_client, name)
    assert [child.params["x"] for child in shared_client.context.store.children(name)][2:] == [8]


def test_one_trial_is_canceled_and_the_others_go_on(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=3, concurrent=2))
    running(shared_client, name, 2)
    shared_client.jobs.begin_cancel(f"{name}_0").result(timeout=60)
    trial = shared_client.jobs.get(f"{name}_0")
    assert (trial.status, trial.reason) == (
        "Canceled",
        "canceled by request (SIGTERM ended it, nothing of it is left)",
    )
    gate.open(2)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Canceled", "Completed", "Completed"]


def test_failed_trials_are_tried_again_while_it_runs(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=2, concurrent=1))
    gate.open(fail=True)
    until(shared_client, lambda: statuses(shared_client, name) == ["Failed", "Running"])
    until(shared_client, lambda: len(gate.starts) == 2)  # a trial that runs may not have come to its first line
    shared_client.sweeps.retry_failed(name)
    gate.open(2)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Completed", "Completed"]
    assert shared_client.context.store.children(name)[0].attempt == 2
    assert [start.split()[0] for start in gate.starts] == [f"{name}_0", f"{name}_1", f"{name}_0"]


def test_a_finished_sweep_tries_its_failed_trials_again(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=3, concurrent=1))
    gate.open()
    gate.open(2, fail=True)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Completed", "Failed", "Failed"]
    best = shared_client.jobs.get(name).properties["best_child_run_id"]
    assert best == f"{name}_0"
    shared_client.sweeps.retry_failed(name)
    gate.open(2)
    wait(shared_client, name)
    children = shared_client.context.store.children(name)
    assert statuses(shared_client, name) == ["Completed"] * 3
    assert [child.attempt for child in children] == [1, 2, 2]
    assert shared_client.jobs.get(name).properties["score"] == str(max(child.params["x"] for child in children))
    assert history(shared_client, name) == ["trying 2 failed trials again"]


def test_a_finished_sweep_is_extended_and_its_draws_go_on(shared_client: MLClient, gate: Gate) -> None:
    gate.open(5)
    longer = submit(shared_client, sweep_of(gate, total=5, concurrent=1))
    wait(shared_client, longer)
    gate.open(2)
    name = submit(shared_client, sweep_of(gate, total=2, concurrent=1))
    wait(shared_client, name)
    shared_client.sweeps.extend(name, 3)
    gate.open(3)
    wait(shared_client, name)
    assert statuses(shared_client, name) == ["Completed"] * 5
    store = shared_client.context.store
    assert [child.params for child in store.children(name)] == [child.params for child in store.children(longer)]
    assert history(shared_client, name) == ["extended to 5 trials"]


def test_edits_outlive_the_supervisor(ml_client: MLClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    name = submit(ml_client, sweep_of(gate, total=2, concurrent=1))
    running(ml_client, name, 1)
    ml_client.sweeps.enqueue(name, x=9)
    ml_client.sweeps.narrow(name, x=Choice([5, 6]))
    ml_client.sweeps.extend(name, 1)
    ml_client.sweeps.pause(name)
    kill_supervisor(ml_client)
    gate.open()
    ended(ml_client, name, 1)
    assert len(gate.starts) == 1, "it is still paused"
    kill_supervisor(ml_client)
    ml_client.sweeps.resume(name)
    gate.open(2)
    wait(ml_client, name)
    children = ml_client.context.store.children(name)
    assert [child.origin for child in children] == ["sampled", "enqueued", "sampled"]
    assert children[1].params == {"x": 9}
    assert children[2].params["x"] in (5, 6)
    assert [text.split(":")[0] for text in history(ml_client, name)] == [
        "enqueued by hand",
        "narrowed from trial 1 on",
        "extended to 3 trials",
        "paused",
        "resumed",
    ]
    gate.close()


def test_an_edit_that_was_asked_for_twice_at_once_is_done_once_each(ml_client: MLClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    name = submit(ml_client, sweep_of(gate, total=1, concurrent=1))
    running(ml_client, name, 1)
    kill_supervisor(ml_client)
    for _ in range(2):  # both lie there when the next supervisor comes
        ml_client.context.store.request(name, "enqueue", {"params": {"x": 4}})
    gate.open(3)
    wait(ml_client, name)
    assert [child.params["x"] for child in ml_client.context.store.children(name)][1:] == [4, 4]
    gate.close()


def test_refused_edits_say_why(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=1, concurrent=1))
    running(shared_client, name, 1)
    plain = str(shared_client.create_or_update(gate.job()).name)
    sweeps = shared_client.sweeps
    with pytest.raises(JobException, match=f"{name} has no parameter 'y'; it has x"):
        sweeps.narrow(name, y=Uniform(0, 1))
    with pytest.raises(JobException, match=f"a trial of {name} needs a value for each of x"):
        sweeps.enqueue(name, y=1)
    with pytest.raises(JobException, match=f"{name} has no failed trial"):
        sweeps.retry_failed(name)
    with pytest.raises(JobException, match=f"{plain} is no sweep"):
        sweeps.extend(plain, 1)
    with pytest.raises(JobException, match=f"{name}_0 is a trial; ask for its sweep {name}"):
        sweeps.pause(f"{name}_0")
    with pytest.raises(JobException, match="no job named 'nobody'"):
        sweeps.pause("nobody")
    for wrong in ({"max_total_trials": 0}, {"max_concurrent_trials": -1}, {}):
        with pytest.raises(ValidationException):
            sweeps.set_limits(name, **wrong)
    with pytest.raises(ValidationException):
        sweeps.extend(name, 0)
    gate.open(2)
    wait(shared_client, name)
    wait(shared_client, plain)
    with pytest.raises(JobException, match=f"{name} is Completed"):
        sweeps.pause(name)
    with pytest.raises(JobException, match=f"{name} is Completed; extend it first"):
        sweeps.narrow(name, x=Uniform(0, 1))
    with pytest.raises(JobException, match=f"{name} is Completed; extend it first"):
        sweeps.set_limits(name, max_total_trials=9)
    assert history(shared_client, name) == []
    with pytest.raises(NotFoundError):
        shared_client.jobs.begin_cancel("nobody")


def test_a_request_that_cannot_be_handled_is_answered(shared_client: MLClient, gate: Gate) -> None:
    name = submit(shared_client, sweep_of(gate, total=1, concurrent=1))
    running(shared_client, name, 1)
    number = shared_client.context.store.request(name, "enqueue", {"nothing": "right"})
    shared_client.sweeps.pause(name)
    assert str(shared_client.context.store.outcome(number)).startswith("it cannot be done: KeyError: 'params'")
    gate.open()
    wait(shared_client, name)


def test_the_queue_holds_releases_moves_and_prefers(ml_client: MLClient, tmp_path: Path) -> None:
    settings = ml_client.context.workspace.settings
    settings.write_text("slots = 1\n")
    gate = Gate(tmp_path / "gate")
    first = str(ml_client.create_or_update(gate.job()).name)
    until(ml_client, lambda: ml_client.jobs.record(first).status == "Running")
    names = [str(ml_client.create_or_update(gate.job(name=f"job{letter}")).name) for letter in "abcd"]
    until(ml_client, lambda: all(ml_client.jobs.record(name).reason for name in names))
    queue = {entry.name: entry for entry in ml_client.queue.list()}
    assert list(queue) == [first, *names]
    assert {queue[name].reason for name in names} == {"1 of 1 slots in use"}
    assert [queue[name].running for name in (first, *names)] == [1, 0, 0, 0, 0]
    ml_client.queue.hold("joba")
    ml_client.queue.set_priority("jobd", "high")
    ml_client.queue.move("jobc", before="jobb")
    assert [entry.name for entry in ml_client.queue.list()] == ["jobd", first, "joba", "jobc", "jobb"]
    kill_supervisor(ml_client)
    gate.open(4)
    for name in ("jobd", "jobc", "jobb"):
        wait(ml_client, name)
    assert [start.split()[0] for start in gate.starts] == [first, "jobd", "jobc", "jobb"]
    (held,) = ml_client.queue.list()
    assert (held.name, held.reason) == ("joba", "held: nothing of it starts until it is released")
    ml_client.queue.release("joba")
    gate.open()
    wait(ml_client, "joba")
    assert history(ml_client, "jobd") == ["moved in the queue: priority high"]
    assert history(ml_client, "jobc") == ["moved in the queue: before jobb"]
    with pytest.raises(ValidationException, match="low, medium or high"):
        ml_client.queue.set_priority("joba", "urgent")
    with pytest.raises(ValidationException, match="'joba' is not in the queue"):
        ml_client.queue.move("joba", before="jobb")
    gate.close()


def test_settings_hold_from_when_they_are_written(ml_client: MLClient, tmp_path: Path) -> None:
    settings = ml_client.context.workspace.settings
    settings.write_text("slots = 1\n")
    gate = Gate(tmp_path / "gate")
    first, second = [str(ml_client.create_or_update(gate.job()).name) for _ in range(2)]
    until(ml_client, lambda: ml_client.jobs.record(second).reason == "1 of 1 slots in use")
    settings.write_text("slots = 2\nwarm = false\n")
    until(ml_client, lambda: ml_client.jobs.record(second).status == "Running")
    gate.open(2)
    for name in (first, second):
        wait(ml_client, name)
    gate.close()


def test_a_job_may_be_held_before_anybody_has_begun_it(ml_client: MLClient) -> None:
    name = str(ml_client.create_or_update(command(command="true")).name)
    wait(ml_client, name)
    kill_supervisor(ml_client)
    record = ml_client.jobs.record(name)
    with ml_client.context.store.write() as writer:  # as submitted, and nobody has been woken
        writer.add_job(replace(record, name="early", folder="early", status=JobStatus.NOT_STARTED, ended=None))
    ml_client.queue.hold("early")
    until(ml_client, lambda: ml_client.jobs.record("early").status == "Queued")
    ml_client.queue.release("early")
    wait(ml_client, "early")
    assert ml_client.jobs.record("early").status == "Completed"
