"""Full disks, deleted folders, damaged files, other versions, untimely deaths: a clear error or a repaired state."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import children, kill, running_module
from tests.conftest import client_of, supervisor_of
from tests.supervisor.gates import Gate, kill_supervisor, statuses, until
from tests.supervisor.test_sweeps_end_to_end import finish, processes_of, wait
from workbench import MLClient, command
from workbench.client.submission import prepare
from workbench.client.waiting import Lifeline, wait_until
from workbench.definition.command import Command
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.errors import StoreError, SupervisorError, WorkbenchError
from workbench.store.database import Store
from workbench.store.files import read_json
from workbench.store.records import FINAL_STATUS, JobRecord
from workbench.store.schema import VERSION
from workbench.store.workspace import open_workspace
from workbench.supervisor.start import ensure_supervisor
from workbench.sweep import Choice, Uniform
from workbench.trial.processes import is_alive, marked_processes
from workbench.trial.spec import LOST

WriteCode = Callable[[str], str]
NOBODY = 65534


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


def submit(client: MLClient, job: Command | Sweep) -> str:
    return str(client.create_or_update(job).name)


def reason(client: MLClient, name: str) -> str:
    return str(client.jobs.record(name).reason)


# Disks and folders


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return filler


def test_a_full_disk_loses_nothing_and_is_told(small_disk: Path, mlflow_database: Path, gate: Gate) -> None:
    with client_of(small_disk / "workspace", mlflow_database) as client:
        first = submit(client, gate.job())
        until(client, lambda: len(gate.starts) == 1)
        filler = fill(small_disk)
        with pytest.raises(WorkbenchError) as refused:
            client.create_or_update(command(command="true", environment_variables={"LONG": "x" * 200_000}))
        assert "disk" in str(refused.value)
        gate.open()  # its host has a result and no room to write it down
        filler.unlink()
        wait(client, first)
        assert client.jobs.record(first).status == "Completed"
        assert [point.value for point in client.context.store.points(first)] == [0.0]
        assert finish(client, command(command="true")).status == "Completed"


def test_a_workspace_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    """Root may write anywhere, so somebody else asks."""
    root = tmp_path / "workspace"
    root.mkdir(mode=0o555)
    open_way_to(root)
    asked = as_nobody(f"from workbench import MLClient; become_nobody(); MLClient(path={str(root)!r})")
    told = asked.stderr.strip().splitlines()[-1]
    assert told.startswith("workbench.errors.StoreError: ")
    assert "the workspace cannot be made: Permission denied. Choose a folder you can write" in told


def open_way_to(root: Path) -> None:
    for folder in (root, *root.parents):
        if folder.owner() == "root" and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o555)


def as_nobody(script: str) -> subprocess.CompletedProcess[str]:
    """Run Python that may call ``become_nobody``; not from the start, for nobody may not use every interpreter."""
    become = f"import os\ndef become_nobody(): os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    return subprocess.run([sys.executable, "-c", become + script], capture_output=True, text=True, check=False, cwd="/")


def test_nobody_else_reads_what_is_in_a_workspace(ml_client: MLClient, write_code: WriteCode) -> None:
    code = write_code("open('outputs/secret.txt', 'w').write('secret'); open('made.txt', 'w').write('x')")
    finish(ml_client, command(code=code, command="python train.py"))
    workspace = ml_client.context.workspace
    open_way_to(workspace.root)
    everything = [str(path) for folder in (workspace.hidden, workspace.runs) for path in folder.rglob("*")]
    assert len(everything) > 20
    looked = as_nobody(f"become_nobody(); print([path for path in {everything} if os.access(path, os.R_OK)])")
    assert looked.stdout == "[]\n", looked.stderr
    trial = workspace.trial(next(workspace.runs.iterdir()).name)
    for path in (trial.spec, trial.host, trial.exit, trial.log, trial.host_log, *workspace.surroundings.iterdir()):
        assert not path.stat().st_mode & 0o077, path


@pytest.mark.parametrize("killed", [False, True])
def test_a_trial_folder_that_is_deleted_while_it_runs(ml_client: MLClient, gate: Gate, killed: bool) -> None:
    name = submit(ml_client, gate.job())
    until(ml_client, lambda: ml_client.jobs.record(name).status == "Running")
    until(ml_client, lambda: len(gate.starts) == 1)
    shutil.rmtree(ml_client.context.workspace.trial(name).root)
    if killed:
        kill_supervisor(ml_client)
    else:
        gate.open()
    wait(ml_client, name)
    assert ml_client.jobs.record(name).status == "Failed"
    assert f"{name} was deleted while it ran" in reason(ml_client, name)
    assert len(gate.starts) == 1
    assert processes_of(ml_client) == []


def test_a_workspace_that_is_deleted_stops_everything(tmp_path: Path, mlflow_database: Path, gate: Gate) -> None:
    with client_of(tmp_path / "workspace", mlflow_database) as client:
        sweep = gate.job()(x=Uniform(0, 1)).sweep(
            primary_metric="score", goal="maximize", max_total_trials=5, max_concurrent_trials=2
        )
        name = submit(client, sweep)
        until(client, lambda: len(gate.starts) == 2)
        supervisor = supervisor_of(client.context.workspace)
        assert supervisor is not None
        delete(client.context.workspace.root)
        with pytest.raises(StoreError, match=r"the workspace is gone|cannot be watched"):
            wait_until(lambda: client.jobs.record(name).status.is_finished, client.context, 60)
    until_gone(
        lambda: is_alive(supervisor) or bool(marked_processes("WORKBENCH_WORKSPACE", str(tmp_path / "workspace")))
    )
    assert len(gate.starts) == 2


def delete(folder: Path) -> None:
    """Delete a folder in which others still make and remove files."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def until_gone(there: Callable[[], bool], seconds: float = 120) -> None:
    """Look until nothing is there, where no store tells of it."""
    give_up = time.monotonic() + seconds
    while there():
        assert time.monotonic() < give_up, "something is still there"
        time.sleep(0.05)


# Damaged files


def test_lines_that_are_no_points_are_passed_over(shared_client: MLClient, write_code: WriteCode) -> None:
    code = write_code("""
import os, workbench
lines = [
    b"no json", b"[]", b"7", b"{}", b'{"k": "score"}', b'{"k": "score", "v": "x", "t": 1}', b"\\xff\\xfe",
    b'{"k": "score", "v": 1, "s": 99999999999999999999999, "t": 1}', b'{"k": "score", "v": 1, "t": 1e400}',
    b'{"k": "\\\\ud800", "v": 1, "s": 0, "t": 1}', b'{"k": "score", "v": 1' + b"0" * 5000 + b', "t": 1}', b"\\0" * 10,
    b"[" * 100000,
]
workbench.log(score=1)
with open(os.environ["WORKBENCH_TRIAL_FOLDER"] + "/metrics.jsonl", "ab") as file:
    file.write(b"\\n".join(lines) + b"\\n")
workbench.log(score=2, step=1)
""")
    done = finish(shared_client, command(code=code, command="python train.py"))
    assert done.status == "Completed", done.error
    points = shared_client.context.store.points(str(done.name))
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 2.0)]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"host": 7}', '{"host": {"pid": 1}}', '{"child": 3}'])
def test_a_host_file_that_was_written_over(ml_client: MLClient, gate: Gate, text: str) -> None:
    seen = submit(ml_client, gate.job())
    until(ml_client, lambda: ml_client.jobs.record(seen).status == "Running")
    until(ml_client, lambda: len(gate.starts) == 1)
    ml_client.context.workspace.trial(seen).host.write_text(text)
    ensure_supervisor(ml_client.context.workspace)
    gate.open()
    wait(ml_client, seen)
    assert ml_client.jobs.record(seen).status == "Completed", "who started it knows its host"
    adopted = submit(ml_client, gate.job())
    until(ml_client, lambda: ml_client.jobs.record(adopted).status == "Running")
    until(ml_client, lambda: len(gate.starts) == 2)
    ml_client.context.workspace.trial(adopted).host.write_text(text)
    kill_supervisor(ml_client)
    wait(ml_client, adopted)
    assert (ml_client.jobs.record(adopted).status, reason(ml_client, adopted)) == ("Failed", LOST)
    assert processes_of(ml_client) == []
    assert len(gate.starts) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"cause": 3}', '{"cause": "exited", "code": "x", "ended": "y"}'])
def test_an_exit_file_that_was_written_over(shared_client: MLClient, gate: Gate, text: str) -> None:
    name = submit(shared_client, gate.job())
    until(shared_client, lambda: len(gate.starts) == 1)
    folder = shared_client.context.workspace.trial(shared_client.jobs.record(name).folder)
    host = read_json(folder.host)
    assert host is not None
    folder.exit.write_text(text)
    os.kill(host["host"]["pid"], signal.SIGKILL)
    wait(shared_client, name)
    record = shared_client.jobs.record(name)
    assert record.status == "Failed"
    assert record.reason
    assert finish(shared_client, command(command="true")).status == "Completed"


def test_a_row_that_cannot_be_handled_fails_alone(ml_client: MLClient, gate: Gate) -> None:
    good = submit(ml_client, gate.job())
    until(ml_client, lambda: len(gate.starts) == 1)
    sweep = gate.job()(x=Choice([1])).sweep(primary_metric="score", goal="maximize")
    template = ml_client.jobs.record(good)
    swept = ml_client.jobs.record(submit(ml_client, sweep))
    fresh = {"status": JobStatus.NOT_STARTED, "started": None}
    bad = {
        "nothing": replace(template, name="nothing", folder="nothing", launch={}, **fresh),  # type: ignore[arg-type]
        "odd": replace(template, name="odd", folder="odd", launch={"resources": {"cpus": "x"}}, **fresh),  # type: ignore[arg-type]
        "alien": replace(swept, name="alien", folder="alien", definition={"type": "alien"}, **fresh),  # type: ignore[arg-type]
        "unlaunched": replace(swept, name="unlaunched", folder="unlaunched", launch={}, **fresh),  # type: ignore[arg-type]
        "torn": replace(swept, name="torn", folder="torn", **fresh),  # type: ignore[arg-type]
    }
    with ml_client.context.store.write() as writer:
        for record in bad.values():
            writer.add_job(record)
        # In the same transaction: the supervisor must never see it whole.
        writer._connection.execute("UPDATE jobs SET definition = '{' WHERE name = 'torn'")
    ensure_supervisor(ml_client.context.workspace)
    for name in bad:
        wait(ml_client, name)
        assert ml_client.jobs.record(name).status == "Failed", name
        assert reason(ml_client, name).startswith("the supervisor could not handle it: "), name
    gate.open(3)
    wait(ml_client, good)
    wait(ml_client, swept.name)
    assert [ml_client.jobs.record(name).status for name in (good, swept.name)] == ["Completed", "Completed"]
    kill_supervisor(ml_client)
    assert finish(ml_client, command(command="true")).status == "Completed"


# Versions


def test_a_store_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "workspace")
    Store(workspace.database).close()
    set_version(workspace.database, VERSION + 1)
    message = f"the store has format {VERSION + 1}, this workbench reads up to {VERSION}. Upgrade it"
    with pytest.raises(StoreError, match=message):
        MLClient(path=workspace.root)
    ensure_supervisor(workspace)
    until_gone(lambda: bool(running_module("workbench.supervisor", workspace.root)))
    assert message in workspace.supervisor_log.read_text()


def test_a_supervisor_leaves_when_the_store_becomes_newer(ml_client: MLClient, gate: Gate) -> None:
    name = submit(ml_client, gate.job())
    until(ml_client, lambda: len(gate.starts) == 1)
    supervisor = supervisor_of(ml_client.context.workspace)
    assert supervisor is not None
    set_version(ml_client.context.workspace.database, VERSION + 1)
    ensure_supervisor(ml_client.context.workspace)
    until_gone(lambda: is_alive(supervisor))
    set_version(ml_client.context.workspace.database, VERSION)
    gate.open()
    wait(ml_client, name)
    assert ml_client.jobs.record(name).status == "Completed", "whoever came next has adopted it"


def set_version(database: Path, version: int) -> None:
    with sqlite3.connect(database, timeout=60) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    connection.close()


# Supervisors that die at a bad moment: what they leave is written down by hand, before the first one lives


def leave(client: MLClient, job: Command | Sweep, **columns: Any) -> JobRecord:
    """Write down a job that a supervisor has left so."""
    record = replace(prepare(job, client.context)[0], **columns)
    with client.context.store.write() as writer:
        writer.add_job(record)
    return record


def leave_trials(client: MLClient, sweep: JobRecord, *states: JobStatus) -> list[JobRecord]:
    trials = [
        JobRecord(
            name=f"{sweep.name}_{number}",
            type="trial",
            parent=sweep.name,
            number=number,
            status=status,
            display_name=f"{sweep.name}_{number}",
            experiment_name=sweep.experiment_name,
            folder=f"{sweep.folder}/{number:04d}",
            params={"x": number},
            created=sweep.created + number,
        )
        for number, status in enumerate(states)
    ]
    with client.context.store.write() as writer:
        for trial in trials:
            writer.add_job(trial)
    return trials


def swept(gate: Gate) -> Sweep:
    sweep = gate.job()(x=Choice([1, 2, 3])).sweep(primary_metric="score", goal="maximize", max_concurrent_trials=2)
    assert isinstance(sweep, Sweep)
    return sweep


def test_a_job_in_preparing_without_a_host_starts_once(ml_client: MLClient, gate: Gate) -> None:
    record = leave(ml_client, gate.job(), status=JobStatus.PREPARING)
    ml_client.context.workspace.trial(record.folder).root.mkdir(parents=True)
    gate.open(2)
    wait(ml_client, record.name)
    assert ml_client.jobs.record(record.name).status == "Completed"
    assert gate.starts == [f"{record.name} 0"]


def test_a_job_in_preparing_without_a_folder_does_not_run_again(ml_client: MLClient, gate: Gate) -> None:
    """The folder is made first: whether the command has run cannot be known any more."""
    record = leave(ml_client, gate.job(), status=JobStatus.PREPARING)
    wait(ml_client, record.name)
    assert ml_client.jobs.record(record.name).status == "Failed"
    assert "was deleted while it ran" in reason(ml_client, record.name)
    assert gate.starts == []


@pytest.mark.parametrize("with_folder", [True, False])
def test_canceled_work_never_runs(ml_client: MLClient, gate: Gate, with_folder: bool) -> None:
    record = leave(ml_client, gate.job(), status=JobStatus.CANCEL_REQUESTED, reason="canceled by request")
    if with_folder:
        ml_client.context.workspace.trial(record.folder).root.mkdir(parents=True)
    wait(ml_client, record.name)
    assert ml_client.jobs.record(record.name).status == "Canceled"
    assert reason(ml_client, record.name) == "canceled by request"
    assert gate.starts == []


def test_trials_of_a_canceled_sweep_never_start(ml_client: MLClient, gate: Gate) -> None:
    """The supervisor was killed after it had ended the sweep and before it had stopped the trials."""
    sweep = leave(ml_client, swept(gate), status=JobStatus.CANCEL_REQUESTED, reason="canceled by request", started=1.0)
    for trial in leave_trials(ml_client, sweep, JobStatus.QUEUED, JobStatus.PREPARING):
        ml_client.context.workspace.trial(trial.folder).root.mkdir(parents=True)
    wait(ml_client, sweep.name)
    assert ml_client.jobs.record(sweep.name).status == "Canceled"
    assert statuses(ml_client, sweep.name) == ["Canceled", "Canceled"]
    assert gate.starts == []


def test_running_trials_of_a_canceled_sweep_are_stopped(ml_client: MLClient, gate: Gate) -> None:
    name = submit(ml_client, swept(gate))
    until(ml_client, lambda: len(gate.starts) == 2)
    until(ml_client, lambda: statuses(ml_client, name) == ["Running", "Running"])
    kill_supervisor(ml_client)
    with ml_client.context.store.write() as writer:
        writer.update_job(name, status=JobStatus.CANCEL_REQUESTED, reason="canceled by request")
    wait(ml_client, name)
    assert statuses(ml_client, name) == ["Canceled", "Canceled"]
    assert len(gate.starts) == 2
    assert processes_of(ml_client) == []


def test_trials_whose_sweep_has_ended_do_not_start(ml_client: MLClient, gate: Gate) -> None:
    sweep = leave(ml_client, swept(gate), status=JobStatus.FAILED, ended=2.0)
    (trial,) = leave_trials(ml_client, sweep, JobStatus.QUEUED)
    ensure_supervisor(ml_client.context.workspace)
    wait(ml_client, trial.name)
    assert (ml_client.jobs.record(trial.name).status, reason(ml_client, trial.name)) == (
        "Canceled",
        "its sweep has ended",
    )
    assert finish(ml_client, command(command="true")).status == "Completed"
    assert gate.starts == []


@pytest.mark.parametrize("final", ["Completed", "Failed", "Canceled"])
def test_a_job_in_finalizing_ends_as_it_was_to_end(ml_client: MLClient, gate: Gate, final: str) -> None:
    record = leave(
        ml_client, gate.job(), status=JobStatus.FINALIZING, properties={FINAL_STATUS: final}, reason="so", ended=2.0
    )
    wait(ml_client, record.name)
    assert (ml_client.jobs.record(record.name).status, reason(ml_client, record.name)) == (final, "so")
    assert gate.starts == []


def test_a_retry_that_was_cut_short_is_finished(ml_client: MLClient, gate: Gate) -> None:
    """Its folder was put aside already, and its row does not know."""
    record = leave(ml_client, gate.job(retries={"out_of_memory": 1}), status=JobStatus.RUNNING, started=1.0)
    ml_client.context.workspace.attempt(record.folder, 1).mkdir(parents=True)
    gate.open()
    wait(ml_client, record.name)
    done = ml_client.jobs.record(record.name)
    assert (done.status, done.attempt) == ("Completed", 2)


# How many there are


def test_eight_supervisors_started_at_once_are_one(ml_client: MLClient) -> None:
    root = ml_client.context.workspace.root
    starters = [
        subprocess.Popen([sys.executable, "-m", "workbench.supervisor", str(root)], cwd=Path(__file__).parents[2])
        for _ in range(8)
    ]
    for starter in starters:
        assert starter.wait(timeout=120) == 0
    until_gone(lambda: len(running_module("workbench.supervisor", root)) > 1)
    (pid,) = running_module("workbench.supervisor", root)
    supervisor = supervisor_of(ml_client.context.workspace)
    assert supervisor is not None
    assert supervisor.pid == pid
    assert finish(ml_client, command(command="true")).status == "Completed"


def test_six_callers_out_of_the_cold_make_one_supervisor(tmp_path: Path, mlflow_database: Path) -> None:
    with client_of(tmp_path / "workspace", mlflow_database) as client:
        root = client.context.workspace.root
        script = (
            f"from workbench import MLClient, command\n"
            f"client = MLClient(path={str(root)!r})\n"
            f"print(client.create_or_update(command(command='true')).name)"
        )
        callers = [
            subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(6)
        ]
        names = [caller.communicate(timeout=60)[0].strip() for caller in callers]
        assert len(set(names)) == 6
        for name in names:
            wait(client, name)
            assert client.jobs.record(name).status == "Completed"
        until_gone(lambda: len(running_module("workbench.supervisor", root)) > 1)
        assert len(running_module("workbench.supervisor", root)) == 1


def test_an_idle_supervisor_leaves_and_comes_back_when_needed(ml_client: MLClient) -> None:
    root = ml_client.context.workspace.root
    script = f"""
from functools import partial
import workbench.supervisor.loop as loop
loop.Supervisor = partial(loop.Supervisor, idle=0.2)
from workbench.supervisor.__main__ import main
main({str(root)!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
    lock = ml_client.context.workspace.supervisor_lock
    until_gone(lambda: not (lock.exists() and lock.read_text()))  # it may have left before anybody sees it live
    first = lock.read_text()
    until_gone(lambda: supervisor_of(ml_client.context.workspace) is not None)
    assert finish(ml_client, command(command="true")).status == "Completed"
    second = supervisor_of(ml_client.context.workspace)
    assert second is not None
    assert str(second.pid) != first


def test_hosts_leave_no_zombies(ml_client: MLClient) -> None:
    job = command(command="true # ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice(list(range(50)))).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=4
    )
    done = finish(ml_client, sweep)
    assert statuses(ml_client, str(done.name)) == ["Completed"] * 50
    supervisor = supervisor_of(ml_client.context.workspace)
    assert supervisor is not None
    assert [pid for pid in children(supervisor.pid) if state_of(pid) == "Z"] == []


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


@pytest.mark.parametrize("works", [True, False])
def test_who_waits_gives_up_on_supervisors_that_die_only_when_nothing_comes_of_them(
    ml_client: MLClient, gate: Gate, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    name = submit(ml_client, gate.job())
    until(ml_client, lambda: ml_client.jobs.record(name).status == "Running")
    until(ml_client, lambda: len(gate.starts) == 1)
    until(ml_client, lambda: bool(ml_client.context.store.points(name)))  # else one that is revived brings them forward
    monkeypatch.setattr("workbench.client.waiting._WITHIN", 600.0)  # that is how long it takes four at most
    lifeline = Lifeline(ml_client.context)

    def die_and_be_revived(times: int) -> None:
        for number in range(times):
            kill_supervisor(ml_client)
            if works:
                ml_client.jobs.update(name, description=str(number))
            lifeline.check()
            until_gone(lambda: supervisor_of(ml_client.context.workspace) is None)

    die_and_be_revived(3)
    if works:
        die_and_be_revived(2)
    else:
        with pytest.raises(SupervisorError, match="has died 4 times in 600 s"):
            die_and_be_revived(1)
    gate.open()
    wait(ml_client, name)
    assert ml_client.jobs.record(name).status == "Completed"


def test_a_mirror_that_was_killed_is_replaced_at_once(ml_client: MLClient, gate: Gate) -> None:
    name = submit(ml_client, gate.job())
    root = ml_client.context.workspace.root
    until(ml_client, lambda: len(gate.starts) == 1)

    def mirrors() -> set[int]:
        return set(running_module("workbench.tracking", root))

    def kill_what_is_there() -> None:
        killed = mirrors()
        kill(*killed)
        # Not until there is none: the next one may be there before anybody has seen that.
        until_gone(lambda: bool(killed & mirrors()))

    for _ in range(2):
        until_gone(lambda: not mirrors())
        kill_what_is_there()
        ml_client.jobs.update(name, description="something to bring")
        ensure_supervisor(ml_client.context.workspace)
        until_gone(lambda: not mirrors(), 25)  # one that fails by itself is not tried again for 30 s
    gate.open()
    wait(ml_client, name)
    store = ml_client.context.store
    assert store.cursor("mlflow") > 0
    assert [event.text for event in store.events(name) if event.kind == "warning"] == []
