"""The decisions of one sweep, rebuilt from what the store has."""

from __future__ import annotations

from typing import Any

from workbench import command
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.store.records import JobRecord
from workbench.supervisor.sweeps import SweepRun
from workbench.sweep import Uniform


def record(name: str, **columns: Any) -> JobRecord:
    facts: dict[str, Any] = {
        "type": "trial",
        "status": JobStatus.RUNNING,
        "display_name": name,
        "experiment_name": "e",
        "folder": name,
        "created": 0.0,
        "launch": {"seed": 1, "concurrency": 2},
    }
    return JobRecord(name=name, **(facts | columns))


def sweep() -> Sweep:
    job = command(command="echo ${{inputs.x}}", inputs={"x": 0})
    return job(x=Uniform(0, 1)).sweep(primary_metric="m", goal="maximize", max_total_trials=9)


def test_a_rebuilt_sweep_knows_who_leads_and_forgets_one_that_fails() -> None:
    children = [record("s_0", number=0, params={"x": 0.1}), record("s_1", number=1, params={"x": 0.2})]
    run = SweepRun(record("s"), sweep(), children, {"s_0": [0.5], "s_1": [0.7, 0.6]})
    assert run.best() == ("s_1", 0.7)
    run.end("s_1", JobStatus.FAILED, "boom")
    assert run.best() == ("s_0", 0.5)
    run.end("s_0", JobStatus.FAILED, "boom")
    assert run.best() is None


def test_a_completed_trial_goes_before_a_better_one_that_was_cut_short() -> None:
    children = [
        record("s_0", number=0, params={"x": 0.1}, status=JobStatus.COMPLETED),
        record("s_1", number=1, params={"x": 0.2}, status=JobStatus.CANCELED),
    ]
    run = SweepRun(record("s"), sweep(), children, {"s_0": [0.5], "s_1": [0.9]})
    assert run.best() == ("s_0", 0.5)


def test_a_rebuilt_sweep_goes_on_as_if_it_had_never_stopped() -> None:
    whole = SweepRun(record("s"), sweep())
    drawn = []
    for number in range(6):
        whole.running.clear()
        proposal = whole.propose()
        assert proposal is not None
        drawn.append(record(f"s_{number}", number=number, params=proposal.params, status=JobStatus.COMPLETED))
        whole.add(drawn[-1])
    for cut in range(6):
        rebuilt = SweepRun(record("s"), sweep(), drawn[:cut])
        proposal = rebuilt.propose()
        assert proposal is not None
        assert proposal.params == drawn[cut].params
