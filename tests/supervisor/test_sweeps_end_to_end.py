"""Sweeps with real processes, as a user meets them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import supervisor_of
from workbench import MLClient, command, load_job
from workbench.definition.records import AnyJob
from workbench.errors import JobException
from workbench.sweep import BanditPolicy, Choice, RandomSamplingAlgorithm, Uniform
from workbench.trial.processes import marked_processes

WriteCode = Callable[[str], str]


def finish(client: MLClient, job: AnyJob) -> AnyJob:
    """Submit a job, wait for its end and return it as it then is."""
    submitted = client.create_or_update(job)
    wait(client, submitted.name)
    return client.jobs.get(submitted.name)


def wait(client: MLClient, name: str) -> None:
    from workbench.client.waiting import wait_until

    assert wait_until(lambda: client.jobs.record(name).status.is_finished, client.context, 300), client.jobs.get(name)


def trials(client: MLClient, sweep: AnyJob) -> list[AnyJob]:
    return list(client.jobs.list(parent_job_name=sweep.name))


def processes_of(client: MLClient) -> list[int]:
    return marked_processes("WORKBENCH_WORKSPACE", str(client.workspace_folder))


MIXED = """
import sys, workbench
x = float(sys.argv[1])
workbench.log(score=x)
if x in (2.0, 5.0):
    sys.exit(f"cannot do {x}")
"""


def test_failed_trials_do_not_fail_the_sweep_and_never_win(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(MIXED), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice([1, 2, 3, 4, 5])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    done = finish(shared_client, sweep)
    children = trials(shared_client, done)
    assert done.status == "Completed"
    assert [child.name for child in children] == [f"{done.name}_{number}" for number in range(5)]
    assert [child.params for child in children] == [{"x": value} for value in (1, 2, 3, 4, 5)]
    assert [child.status for child in children] == ["Completed", "Failed", "Completed", "Completed", "Failed"]
    assert "cannot do 5.0" in str(children[4].error)
    assert "exit code 1" in str(children[4].reason)
    assert (done.properties["best_child_run_id"], done.properties["score"]) == (f"{done.name}_3", "4.0")


def test_trials_that_only_print_are_compared_by_what_they_print(
    shared_client: MLClient, write_code: WriteCode, tmp_path: Path
) -> None:
    (tmp_path / "sweep.yml").write_text(f"""
type: sweep
trial:
  code: {write_code("import sys; print(f'loss={float(sys.argv[1]):.2f} in the end')")}
  command: python train.py ${{{{search_space.x}}}}
  metric_patterns: {{loss: 'loss=(\\S+)'}}
search_space:
  x: {{type: choice, values: [3, 1, 2]}}
sampling_algorithm: grid
objective: {{goal: minimize, primary_metric: loss}}
""")
    done = finish(shared_client, load_job(tmp_path / "sweep.yml"))
    assert (done.properties["best_child_run_id"], done.properties["score"]) == (f"{done.name}_1", "1.0")
    assert [child.score for child in trials(shared_client, done)] == [3.0, 1.0, 2.0]


def test_first_trials_that_fail_alike_end_the_sweep_with_their_error(
    shared_client: MLClient, write_code: WriteCode
) -> None:
    job = command(code=write_code("import no_such_module"), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Uniform(0, 1)).sweep(
        primary_metric="score", goal="maximize", max_total_trials=50, max_concurrent_trials=1
    )
    done = finish(shared_client, sweep)
    assert done.status == "Failed"
    assert "No module named 'no_such_module'" in str(done.error)
    assert len(trials(shared_client, done)) == 3
    with pytest.raises(JobException, match="no_such_module"):
        shared_client.jobs.stream(str(done.name))


# Trial 0 reports well and goes on; the others report badly and would then wait for ever.
STUCK = """
import os, signal, sys, workbench
x = float(sys.argv[1])
for _ in range(3):
    workbench.log(score=x)
if x < 0.5:
    signal.pause()
"""


def test_early_termination_cancels_running_trials_and_says_why(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(STUCK), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice([1.0, 0.4, 0.3])).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        max_concurrent_trials=1,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )
    done = finish(shared_client, sweep)
    children = trials(shared_client, done)
    assert [child.status for child in children] == ["Completed", "Canceled", "Canceled"]
    assert re.search(r"stopped early: 0\.4 < 0\.9091 = best 1 / \(1 \+ 0\.1\) at interval 2", str(children[1].reason))
    assert processes_of(shared_client) == []


def test_a_trial_timeout_cancels_that_trial_only(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(STUCK), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice([0.1, 1.0])).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        max_concurrent_trials=2,
        trial_timeout=2,
    )
    done = finish(shared_client, sweep)
    assert [(child.status, child.reason) for child in trials(shared_client, done)] == [
        ("Canceled", "its timeout was reached (SIGTERM ended it, nothing of it is left)"),
        ("Completed", ""),
    ]
    assert done.properties["best_child_run_id"] == f"{done.name}_1"


def test_the_sweep_timeout_cancels_all_of_it(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(STUCK), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Uniform(0, 0.4)).sweep(
        primary_metric="score", goal="maximize", max_concurrent_trials=2, max_total_trials=4, timeout=2
    )
    done = finish(shared_client, sweep)
    assert (done.status, done.reason) == ("Canceled", "the sweep's timeout of 2 s was reached")
    assert [child.status for child in trials(shared_client, done)] == ["Canceled", "Canceled"]
    assert processes_of(shared_client) == []


def test_cancel_in_the_middle_leaves_no_process(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(STUCK), command="sleep 1000 & python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Uniform(0, 0.4)).sweep(
        primary_metric="score", goal="maximize", max_concurrent_trials=2, max_total_trials=10
    )
    submitted = shared_client.create_or_update(sweep)
    from workbench.client.waiting import wait_until

    assert wait_until(
        lambda: sum(child.score is not None for child in trials(shared_client, submitted)) == 2,
        shared_client.context,
        60,
    )
    assert len(processes_of(shared_client)) >= 4
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = shared_client.jobs.get(submitted.name)
    assert (done.status, done.reason) == ("Canceled", "canceled by request")
    assert {child.status for child in trials(shared_client, done)} == {"Canceled"}
    assert len(trials(shared_client, done)) == 2
    assert processes_of(shared_client) == []


def test_a_finite_space_ends_the_sweep_when_it_is_exhausted(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(MIXED), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice([10, 20, 30])).sweep(
        primary_metric="score", goal="minimize", max_total_trials=20, max_concurrent_trials=2
    )
    done = finish(shared_client, sweep)
    children = trials(shared_client, done)
    assert sorted(child.params["x"] for child in children if child.params) == [10, 20, 30]
    assert done.status == "Completed"
    assert "the search space is exhausted: its 3 combinations" in str(done.reason)
    assert done.properties["score"] == "10.0"


def test_the_same_seed_gives_the_same_trials_whatever_their_order_of_ending(
    shared_client: MLClient, write_code: WriteCode
) -> None:
    code = write_code(MIXED)
    seen = []
    for concurrency in (1, 3):
        job = command(code=code, command="python train.py ${{inputs.x}} # ${{inputs.y}}", inputs={"x": 0, "y": 0})
        sweep = job(x=Uniform(6, 9), y=Choice(["a", "b"])).sweep(
            primary_metric="score",
            goal="maximize",
            sampling_algorithm=RandomSamplingAlgorithm(seed=7),
            max_total_trials=6,
            max_concurrent_trials=concurrency,
        )
        seen.append([child.params for child in trials(shared_client, finish(shared_client, sweep))])
    assert seen[0] == seen[1]
    assert len({str(params) for params in seen[0]}) == 6


def test_two_sweeps_at_once_do_not_mix(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(code=write_code(MIXED), command="python train.py ${{inputs.x}}", inputs={"x": 0})
    submitted = [
        shared_client.create_or_update(
            job(x=Choice([base + step for step in range(4)])).sweep(
                primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
            )
        )
        for base in (100, 200)
    ]
    for one, base in zip(submitted, (100, 200), strict=True):
        wait(shared_client, one.name)
        done = shared_client.jobs.get(one.name)
        assert done.properties["score"] == str(float(base + 3))
        assert [child.score for child in trials(shared_client, done)] == [base, base + 1, base + 2, base + 3]


THREADS_AT_IMPORT = """
import os, sys, threading
if "workbench.trial.fork_server" in sys.modules:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    open(os.environ["WHO"], "w").write(str(os.getpid()))
"""

WAITS_FOR_THE_SERVER = """
import os, select, sys
if sys.argv[1] == "0":
    with open(os.environ["WHO"]) as who:
        pid = int(who.read())
    try:
        select.select([os.pidfd_open(pid)], [], [])
    except ProcessLookupError:
        pass
if sys.argv[1] == "1000":
    import threads_at_import
"""


def test_a_trial_that_starts_cold_as_its_server_is_of_no_use_says_so(
    shared_client: MLClient, write_code: WriteCode, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "threads_at_import.py").write_text(THREADS_AT_IMPORT)
    os.mkfifo(tmp_path / "who")
    job = command(
        code=write_code(WAITS_FOR_THE_SERVER),
        command="python train.py ${{inputs.x}}",
        inputs={"x": 0},
        environment_variables={"PYTHONPATH": str(tmp_path / "lib"), "WHO": str(tmp_path / "who")},
    )
    sweep = job(x=Choice([0, 1])).sweep(
        primary_metric="none", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=1
    )
    done = finish(shared_client, sweep)
    told = [event.text for event in shared_client.context.store.events(f"{done.name}_1") if event.kind == "start"]
    assert len(told) == 1
    assert re.fullmatch(r"it starts cold: importing started threads \(.*\), which a fork loses", told[0])


def test_the_caller_may_be_killed_right_after_submitting(ml_client: MLClient, write_code: WriteCode) -> None:
    script = f"""
import os, signal
from workbench import MLClient, command, load_job
from workbench.sweep import Choice
job = command(code={write_code(MIXED)!r}, command="python train.py ${{{{inputs.x}}}}", inputs={{"x": 0}})
sweep = job(x=Choice([7, 8, 9])).sweep(primary_metric="score", goal="maximize", max_concurrent_trials=2)
print(MLClient(path={str(ml_client.workspace_folder)!r}).create_or_update(sweep).name, flush=True)
os.killpg(0, signal.SIGKILL)
"""
    caller = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, start_new_session=True
    )
    assert caller.returncode == -signal.SIGKILL, caller.stderr
    name = caller.stdout.strip()
    wait(ml_client, name)
    assert ml_client.jobs.get(name).properties["score"] == "9.0"


def test_a_killed_supervisor_is_replaced_and_its_trials_are_adopted(ml_client: MLClient, write_code: WriteCode) -> None:
    gate = Path(write_code("")) / "gate"
    os.mkfifo(gate)
    code = write_code(f"""
import workbench
workbench.log(score=1)
open({str(gate)!r}).read()
workbench.log(score=2)
""")
    job = command(code=code, command="python train.py ${{inputs.x}}", inputs={"x": 0})
    sweep = job(x=Choice([1, 2])).sweep(primary_metric="score", goal="maximize", max_concurrent_trials=1)
    name = ml_client.create_or_update(sweep).name
    from workbench.client.waiting import wait_until

    assert wait_until(lambda: any(t.score for t in trials(ml_client, ml_client.jobs.get(name))), ml_client.context, 60)
    first = supervisor_of(ml_client.context.workspace)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    for _ in range(2):
        gate.write_text("")  # blocks until a trial reads: the adopted one, then the next
        if _ == 0:
            assert wait_until(lambda: len(trials(ml_client, ml_client.jobs.get(name))) == 2, ml_client.context, 60)
    wait(ml_client, name)
    second = supervisor_of(ml_client.context.workspace)
    assert second is not None
    assert second != first
    done = ml_client.jobs.get(name)
    assert done.status == "Completed"
    assert [(child.status, child.score) for child in trials(ml_client, done)] == [("Completed", 2.0)] * 2
    points = ml_client.context.store.points(f"{name}_0", "score")
    assert [point.value for point in points] == [1.0, 2.0], "each point once, whoever read it"
