"""What must hold after a round of chaos, whatever was killed."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import Plan
from tests.chaos.processes import running_module
from workbench.client.context import Context
from workbench.client.waiting import wait_until
from workbench.definition.status import JobStatus
from workbench.environments.engine import LABEL, address, connect
from workbench.store.records import JobRecord
from workbench.trial.leases import Resource, free_units
from workbench.trial.processes import descendants, marked_processes

__all__ = ["Evidence", "check_mlflow", "check_round"]

_ALL = 1 << 20  # units; more than any resource has
_LOST = "the process that ran the trial was killed"


@dataclass
class Evidence:
    """What the harness saw and did during a round.

    Args:
        lost: trials, with the attempt, whose host died before it could say how they ended.
        orphaned: trials, with the attempt, whose host died while their container ran.
        canceled: whether the sweep was canceled.
        violations: what went wrong on the way.
    """

    lost: list[tuple[str, int]] = field(default_factory=list)
    orphaned: list[tuple[str, int]] = field(default_factory=list)
    canceled: bool = False
    violations: list[str] = field(default_factory=list)


def check_round(context: Context, plan: Plan, evidence: Evidence, leases: Path, ran: Path) -> list[str]:
    """Return what is not as it must be after the round of ``plan``."""
    sweep = context.store.job(plan.name)
    if sweep is None:
        return ["it was never submitted"]
    trials = context.store.children(plan.name)
    found = list(evidence.violations)
    found += _check_rows(plan, sweep, trials, evidence)
    for trial in trials:
        found += _check_starts(trial, ran)
        found += _check_points(context, plan, trial)
    found += _check_lost(trials, evidence)
    found += _check_best(context, plan, sweep, trials)
    found += _check_machine(context, leases)
    if plan.image:
        found += _check_engine(context)
    return found


def _check_rows(plan: Plan, sweep: JobRecord, trials: list[JobRecord], evidence: Evidence) -> list[str]:
    found = [f"{trial.name} is {trial.status}" for trial in trials if not trial.status.is_finished]
    if [trial.number for trial in trials] != list(range(len(trials))):
        found.append(f"its trials are numbered {[trial.number for trial in trials]}")
    if sweep.status is JobStatus.COMPLETED and len(trials) != plan.trials:
        found.append(f"it is Completed with {len(trials)} of {plan.trials} trials")
    failed = [trial for trial in trials if trial.status is JobStatus.FAILED]
    if sweep.status is JobStatus.FAILED and not (len(failed) == len(trials) or len(failed) >= 3):
        found.append(f"it is Failed: {sweep.reason}")
    if sweep.status is JobStatus.CANCELED and not evidence.canceled:
        found.append(f"it is Canceled and nobody asked: {sweep.reason}")
    return found


def _check_starts(trial: JobRecord, ran: Path) -> list[str]:
    try:
        starts = len((ran / f"ran-{trial.name}").read_text().splitlines())
    except FileNotFoundError:
        starts = 0
    if starts > trial.attempt:
        return [f"{trial.name} ran {starts} times in {trial.attempt} attempts"]
    if trial.status is JobStatus.COMPLETED and not starts:
        return [f"{trial.name} is Completed and never ran"]
    return []


def _check_points(context: Context, plan: Plan, trial: JobRecord) -> list[str]:
    values = [point.value for point in context.store.points(trial.name, "score")]
    planned = planned_points(plan, trial)
    if trial.status is JobStatus.COMPLETED and values != planned:
        return [f"{trial.name} is Completed with the points {values} instead of {planned}"]
    if values != planned[: len(values)]:
        return [f"{trial.name} has the points {values}, which {planned} does not begin with"]
    if trial.score != max(values, default=None):
        return [f"{trial.name} has the score {trial.score} and the points {values}"]
    return []


def planned_points(plan: Plan, trial: JobRecord) -> list[float]:
    """Return what ``trial.py`` logs for that trial."""
    return [trial.params["x"] + step * 0.25 for step in range(plan.steps)]


def _check_lost(trials: list[JobRecord], evidence: Evidence) -> list[str]:
    found = []
    rows = {trial.name: trial for trial in trials}
    for name, attempt in evidence.lost:
        trial = rows[name]
        if trial.attempt > attempt or trial.status is JobStatus.CANCELED:
            continue
        if trial.status is not JobStatus.FAILED or _LOST not in (trial.reason or ""):
            found.append(f"{name} lost its host in attempt {attempt} and is {trial.status}: {trial.reason!r}")
    for name, attempt in evidence.orphaned:
        trial = rows[name]
        if trial.attempt == attempt and trial.status is JobStatus.FAILED and _LOST in (trial.reason or ""):
            found.append(f"{name} lost its host in attempt {attempt}, and nobody went on with its container")
    return found


def _check_best(context: Context, plan: Plan, sweep: JobRecord, trials: list[JobRecord]) -> list[str]:
    merits = {
        trial.name: (trial.status is JobStatus.COMPLETED, max(values), -(trial.number or 0))
        for trial in trials
        if trial.status is not JobStatus.FAILED
        and (values := [point.value for point in context.store.points(trial.name, "score")])
    }
    best = max(merits, key=lambda name: merits[name], default=None)
    if sweep.properties.get("best_child_run_id") != best:
        return [f"its best trial is {sweep.properties.get('best_child_run_id')} instead of {best}"]
    if best is not None and sweep.properties["score"] != str(merits[best][1]):
        return [f"its best score is {sweep.properties['score']} instead of {merits[best][1]}"]
    return []


def _check_machine(context: Context, leases: Path) -> list[str]:
    root = context.workspace.root
    found = [
        f"process {pid} is left over: {_command(pid)}"
        for pid in marked_processes("WORKBENCH_WORKSPACE", str(root)) + _hosts_below(context.workspace.runs)
    ]
    wait_until(lambda: not _leftovers_of_servers(context), context, 60)  # they end when who made them ready is gone
    found += [f"process {pid}, made ready for a trial, is left over" for pid in _leftovers_of_servers(context)]
    found += [
        f"{_ALL - free} units of {file.name} are still leased"
        for file in leases.iterdir()
        if (free := free_units(Resource(file.name, _ALL), leases)) != _ALL
    ]
    # One that found another in its place leaves by itself, as soon as that one listens.
    wait_until(lambda: len(running_module("workbench.supervisor", root)) == 1, context, 60)
    supervisors = running_module("workbench.supervisor", root)
    if len(supervisors) != 1:
        found.append(f"there are {len(supervisors)} supervisors: {'; '.join(map(_describe, supervisors))}")
    with sqlite3.connect(context.workspace.database) as connection:
        said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    if said != "ok":
        found.append(f"the store is damaged: {said}")
    return found


def _check_engine(context: Context) -> list[str]:
    """Return which containers of the workspace are left."""
    label = f"{LABEL}.workspace={context.workspace.root}"
    left = connect(address()).containers(all=True, filters={"label": label})
    return [f"container {one['Names']} is left over: {one['Status']}" for one in left]


def _hosts_below(runs: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            surroundings = (process / "environ").read_bytes() if process.name.isdigit() else b""
        except OSError:
            continue
        if b"WORKBENCH_TRIAL_FOLDER=" + bytes(runs) + b"/" in surroundings:
            found.append(int(process.name))
    return found


def _leftovers_of_servers(context: Context) -> list[int]:
    """Return the pids of fork servers, and of what they have ready, that no supervisor is above."""
    root = context.workspace.root
    cared_for = {pid for supervisor in running_module("workbench.supervisor", root) for pid in descendants(supervisor)}
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "fd" / "2").readlink() == context.workspace.warm_log:
                found.append(int(process.name))
    return [pid for pid in found if pid not in cared_for]


def _describe(pid: int) -> str:
    process = Path(f"/proc/{pid}")
    try:
        opened = [link.readlink() for link in (process / "fd").iterdir()]
        parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
        waits = (process / "wchan").read_text()
    except OSError:
        return f"{pid} (it has just ended)"
    return f"{pid} (state and parent {parent}, in {waits}, open: {[path.name for path in opened]})"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(it has just ended)"


def check_mlflow(context: Context) -> list[str]:
    """Return which runs MLflow does not know as the store does, once it had the time to hear of all of them."""
    store = context.store
    if not wait_until(lambda: store.cursor("mlflow") >= store.now(), context, 60):
        return [f"MLflow has heard of the changes up to {store.cursor('mlflow')} of {store.now()}"]
    connection = sqlite3.connect(context.workspace.mlflow_database)
    found = []
    for sweep in store.jobs(archived=None):
        for record in (sweep, *store.children(sweep.name)):
            found += _check_run(connection, context, record)
    connection.close()
    return found


_RUN_STATUS = {JobStatus.COMPLETED: "FINISHED", JobStatus.FAILED: "FAILED", JobStatus.CANCELED: "KILLED"}


def _check_run(connection: sqlite3.Connection, context: Context, record: JobRecord) -> list[str]:
    row = connection.execute("SELECT status FROM runs WHERE run_uuid = ?", (record.name,)).fetchone()
    if row is None:
        return [f"{record.name} is not in MLflow"]
    if row[0] != _RUN_STATUS[record.status]:
        return [f"{record.name} is {record.status} and in MLflow {row[0]}"]
    rows = connection.execute(
        'SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY "timestamp", step',
        (record.name, "score"),
    ).fetchall()
    stored = [(point.step, point.value) for point in context.store.points(record.name, "score")]
    # MLflow forgets nothing: what earlier attempts had logged may stay there, before the points that count.
    if (rows if record.attempt == 1 else rows[len(rows) - len(stored) :]) != stored:
        return [f"{record.name} has the points {stored} and in MLflow {rows} (attempt {record.attempt})"]
    return []
