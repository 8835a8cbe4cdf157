"""Failed runs that are tried again: after which causes, how often, and what stays of the attempts before."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.gates import Gate, statuses, until
from tests.supervisor.test_sweeps_end_to_end import finish
from workbench import MLClient, command
from workbench.definition.command import Command
from workbench.definition.status import JobStatus
from workbench.store.files import read_json
from workbench.store.records import JobRecord
from workbench.supervisor.endings import verdict_of
from workbench.sweep import Choice
from workbench.trial.spec import LOST, Exit

WriteCode = Callable[[str], str]

# Logs how often it was started, and goes wrong as often as it is told.
FLAKY = """
import os, sys, workbench
name, failures, how = os.environ["AZUREML_RUN_ID"], int(sys.argv[1]), sys.argv[2]
with open(f"{sys.argv[3]}/{name}", "a") as file:
    file.write("start\\n")
starts = len(open(f"{sys.argv[3]}/{name}").readlines())
workbench.log(step=starts, score=starts)
if starts <= failures:
    if how == "memory":
        bytearray(1 << 62)
    sys.exit(f"went wrong for the {starts}. time")
"""


def flaky(write_code: WriteCode, folder: Path, failures: int, how: str = "error", **fields: Any) -> Command:
    text = f"python train.py ${{{{inputs.failures}}}} {how} {folder}"
    job = command(code=write_code(FLAKY), command=text, inputs={"failures": failures}, **fields)
    assert isinstance(job, Command)
    return job


def attempts_kept(client: MLClient, name: str) -> list[str]:
    record = client.jobs.record(name)
    folder = client.context.workspace.trial(record.folder).root
    return sorted(path.name.removeprefix(folder.name) for path in folder.parent.glob(f"{folder.name}-attempt*"))


def retries_told(client: MLClient, name: str) -> list[str]:
    return [event.text for event in client.context.store.events(name) if event.kind == "retry"]


def test_a_plain_job_is_tried_again_in_a_fresh_folder(
    shared_client: MLClient, write_code: WriteCode, tmp_path: Path
) -> None:
    done = finish(shared_client, flaky(write_code, tmp_path, failures=2, retries=2))
    name = str(done.name)
    record = shared_client.jobs.record(name)
    assert (done.status, record.attempt) == ("Completed", 3)
    assert attempts_kept(shared_client, name) == ["-attempt1", "-attempt2"]
    assert retries_told(shared_client, name) == [
        "attempt 2 of 3, after: exit code 1: went wrong for the 1. time",
        "attempt 3 of 3, after: exit code 1: went wrong for the 2. time",
    ]
    assert [point.value for point in shared_client.context.store.points(name)] == [3.0], "of the last attempt only"
    first = shared_client.context.workspace.attempt(record.folder, 1)
    assert (first / "artifacts" / "user_logs" / "std_log.txt").read_text() == "went wrong for the 1. time\n"
    assert (first / "metrics.jsonl").read_text().count("\n") == 1


def test_retries_have_an_end(shared_client: MLClient, write_code: WriteCode, tmp_path: Path) -> None:
    done = finish(shared_client, flaky(write_code, tmp_path, failures=9, retries=1))
    assert (done.status, done.error) == ("Failed", "went wrong for the 2. time")
    assert shared_client.jobs.record(str(done.name)).attempt == 2


def test_without_retries_there_is_one_attempt(shared_client: MLClient, write_code: WriteCode, tmp_path: Path) -> None:
    done = finish(shared_client, flaky(write_code, tmp_path, failures=1))
    assert done.status == "Failed"
    assert (tmp_path / str(done.name)).read_text() == "start\n"


@pytest.mark.parametrize(
    ("retries", "how", "status"),
    [
        ({"out_of_memory": 1}, "memory", "Completed"),
        ({"out_of_memory": 1}, "error", "Failed"),
        ({"host_lost": 1}, "memory", "Failed"),
        ({"any": 1}, "memory", "Completed"),
    ],
)
def test_a_cause_is_tried_again_only_when_it_was_named(
    shared_client: MLClient, write_code: WriteCode, tmp_path: Path, retries: dict[str, int], how: str, status: str
) -> None:
    done = finish(shared_client, flaky(write_code, tmp_path, 1, how, retries=retries))
    assert done.status == status
    if how == "memory" and status == "Failed":
        assert str(done.reason) == "out of memory (as its output says): MemoryError"


def test_a_run_that_the_kernel_killed_ran_out_of_memory() -> None:
    record = JobRecord(
        name="t", type="trial", status=JobStatus.RUNNING, display_name="t", experiment_name="e", folder="t", created=0
    )
    killed = Exit(cause="exited", code=137, ended=1.0, kernel_killed=True, message="Killed")
    verdict = verdict_of(killed, record)
    assert (verdict.status, verdict.cause) == ("Failed", "out_of_memory")
    assert verdict.reason.startswith("out of memory (killed by the kernel; ask for more (resources: memory), or")
    assert verdict.reason.endswith(": Killed")
    by_somebody = Exit(cause="exited", code=137, ended=1.0, message="Killed")
    assert verdict_of(by_somebody, record).cause == "any"
    own_failure = Exit(cause="exited", code=1, ended=1.0, kernel_killed=True, message="ValueError")
    assert verdict_of(own_failure, record).cause == "any", "somebody else's process was killed meanwhile"
    of_a_child = Exit(cause="exited", code=1, ended=1.0, kernel_killed=True, oom=True, message="DataLoader worker died")
    assert verdict_of(of_a_child, record).cause == "out_of_memory", "its engine says that it was one of its own"


@pytest.mark.parametrize(
    ("code", "advice"), [(126, "chmod"), (127, "install it"), (137, "memory was short"), (139, "libraries"), (3, None)]
)
def test_an_exit_code_with_a_meaning_comes_with_what_to_do(code: int, advice: str | None) -> None:
    record = JobRecord(
        name="t", type="command", status=JobStatus.RUNNING, display_name="t", experiment_name="e", folder="t", created=0
    )
    reason = verdict_of(Exit(cause="exited", code=code, ended=1.0, message="last line"), record).reason
    assert reason.startswith(f"exit code {code}: last line")
    assert reason == "exit code 3: last line" if advice is None else advice in reason


def test_a_trial_whose_host_is_lost_is_tried_again(shared_client: MLClient, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    sweep = gate.job()(x=Choice([1, 2])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    sweep.retries = {"host_lost": 1}
    name = str(shared_client.create_or_update(sweep).name)
    until(shared_client, lambda: len(gate.starts) == 2)
    for number in range(2):
        kill_host(shared_client, f"{name}_{number}")
    until(shared_client, lambda: len(gate.starts) == 4)
    until(shared_client, lambda: statuses(shared_client, name) == ["Running", "Running"])
    kill_host(shared_client, f"{name}_1")
    until(shared_client, lambda: statuses(shared_client, name) == ["Running", "Failed"])
    gate.open()
    until(shared_client, lambda: shared_client.jobs.record(name).status.is_finished)
    children = shared_client.context.store.children(name)
    assert [(child.number, child.status.value, child.attempt) for child in children] == [
        (0, "Completed", 2),
        (1, "Failed", 2),
    ]
    assert children[1].reason == LOST
    assert [point.value for point in shared_client.context.store.points(f"{name}_0")] == [1.0]
    assert attempts_kept(shared_client, f"{name}_1") == ["-attempt1"]
    assert retries_told(shared_client, name) == [f"attempt 2 of 2, after: {LOST}"] * 2
    assert shared_client.jobs.get(name).properties["best_child_run_id"] == f"{name}_0"
    gate.close()


def kill_host(client: MLClient, trial: str) -> None:
    record = read_json(client.context.workspace.trial(client.jobs.record(trial).folder).host)
    assert record is not None
    os.kill(record["host"]["pid"], signal.SIGKILL)


def test_what_a_failed_attempt_had_reported_does_not_count(
    shared_client: MLClient, write_code: WriteCode, tmp_path: Path
) -> None:
    job = flaky(write_code, tmp_path, failures=1)
    sweep = job(failures=Choice([0, 1])).sweep(
        primary_metric="score", goal="minimize", sampling_algorithm="grid", max_concurrent_trials=1
    )
    sweep.retries = 1  # type: ignore[assignment]
    done = finish(shared_client, sweep)
    children = shared_client.context.store.children(str(done.name))
    assert [child.number for child in children] == [0, 1]
    assert [(child.score, child.attempt) for child in children] == [(1.0, 1), (2.0, 2)]


def test_machines_that_restart_do_not_end_a_sweep(shared_client: MLClient, tmp_path: Path) -> None:
    """Three first trials that fail alike end a sweep, but not when it was their hosts that were lost."""
    gate = Gate(tmp_path / "gate")
    sweep = gate.job()(x=Choice([1, 2, 3, 4])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=3
    )
    name = str(shared_client.create_or_update(sweep).name)
    until(shared_client, lambda: len(gate.starts) == 3)
    for number in range(3):
        kill_host(shared_client, f"{name}_{number}")
    until(shared_client, lambda: statuses(shared_client, name).count("Failed") == 3)
    gate.open()
    until(shared_client, lambda: shared_client.jobs.record(name).status.is_finished)
    assert statuses(shared_client, name) == ["Failed", "Failed", "Failed", "Completed"]
    assert shared_client.jobs.record(name).status == "Completed"
    gate.close()
