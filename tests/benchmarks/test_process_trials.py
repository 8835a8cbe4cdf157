"""What the workbench adds to a trial, beside doing the same with xargs; figures, not assertions."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Table
from tests.conftest import client_of, stop_everything, supervisor_of
from tests.supervisor.test_sweeps_end_to_end import wait
from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.entities import Environment
from workbench.sweep import Uniform

pytestmark = pytest.mark.benchmark


def warm_up(client: MLClient) -> None:
    name = client.create_or_update(command(command="true")).name
    wait(client, name)


def seconds_per_trial(client: MLClient, script: Path, count: int) -> float:
    job = command(code=str(script.parent), command=f"python {script.name} ${{{{inputs.x}}}}", inputs={"x": 0})
    sweep = job(x=Uniform(0, 1)).sweep(
        primary_metric="none", goal="maximize", max_total_trials=count, max_concurrent_trials=2
    )
    name = client.create_or_update(sweep).name
    wait(client, name)
    children = client.context.store.children(str(name))
    assert len(children) == count
    assert {child.status for child in children} == {"Completed"}
    first = min(child.created for child in children)
    return (max(child.ended or 0 for child in children) - first) / count


def test_added_time_per_trial(shared_client: MLClient, tmp_path: Path, table: Table) -> None:
    script = tmp_path / "train.py"
    script.write_text("print('hello')\n")
    warm_up(shared_client)
    ours = statistics.median(seconds_per_trial(shared_client, script, 50) for _ in range(3))
    peers = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(f"seq 50 | xargs -P2 -n1 {sys.executable} {script} > /dev/null", shell=True, check=True)
        peers.append((time.perf_counter() - started) / 50)
    peer = statistics.median(peers)
    table("trial of a script that imports nothing, wall / N", f"{ours * 1e3:.0f} ms", f"xargs {peer * 1e3:.0f} ms")
    table("  added by the workbench", f"{(ours - peer) * 1e3:.0f} ms", "<= 120 ms")


def first_line_after_submit(client: MLClient) -> float:
    submitted = time.time()
    name = str(client.create_or_update(command(command="python -c 'import time; print(time.time())'")).name)
    wait(client, name)
    record = client.jobs.record(name)
    return float(client.context.workspace.trial(record.folder).log.read_text()) - submitted


def test_submit_to_first_line(shared_client: MLClient, tmp_path: Path, table: Table) -> None:
    warm_up(shared_client)
    warm = statistics.median(first_line_after_submit(shared_client) for _ in range(10))
    table("submit to first line of user code, supervisor running", f"{warm * 1e3:.0f} ms", "<= 250 ms")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    with client_of(tmp_path / "cold", nothing / "mlflow.db") as client:
        cold = first_line_after_submit(client)
    table("  nothing running, MLflow's database new", f"{cold:.2f} s", "<= 4 s")


LOGGING = """
import sys, time
if sys.argv[1] == "mlflow":
    import mlflow
    log = lambda i: mlflow.log_metric("m", i, step=i)
else:
    import workbench
    log = lambda i: workbench.log(step=i, m=i)
log(0)
slowest, started = 0.0, time.perf_counter()
for i in range(1, 20_000):
    before = time.perf_counter()
    log(i)
    slowest = max(slowest, time.perf_counter() - before)
print(time.perf_counter() - started, slowest)
"""


@pytest.mark.parametrize("how", ["workbench.log", "mlflow"])
def test_metric_points_a_second(shared_client: MLClient, tmp_path: Path, table: Table, how: str) -> None:
    (tmp_path / "train.py").write_text(LOGGING)
    warm_up(shared_client)
    job = command(
        code=str(tmp_path), command="python train.py ${{inputs.how}}", inputs={"how": how.split(".", maxsplit=1)[0]}
    )
    name = str(shared_client.create_or_update(job).name)
    store = shared_client.context.store
    assert wait_until(lambda: len(store.points(name, "m")) > 0, shared_client.context, 120)
    started = time.perf_counter()
    assert wait_until(lambda: store.job(name).status.is_finished, shared_client.context, 120)  # type: ignore[union-attr]
    took = time.perf_counter() - started
    assert len(store.points(name, "m")) == 20_000
    log = shared_client.context.workspace.trial(name).log.read_text().split()
    table(f"{how}: one call in the trial", f"{float(log[0]) / 2e4 * 1e6:.0f} µs", "MLflow alone 3000 µs")
    table("  slowest call", f"{float(log[1]) * 1e3:.1f} ms", "<= 200 ms")
    table("  points a second, to store and MLflow, readable there", f"{20_000 / took:,.0f}", ">= 5,000")


def test_importing(table: Table) -> None:
    def seconds(statement: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        return time.perf_counter() - started

    bare = min(seconds("pass") for _ in range(10))
    table(
        "import workbench", f"{(min(seconds('import workbench') for _ in range(10)) - bare) * 1e3:.0f} ms", "<= 150 ms"
    )
    everything = min(seconds("from workbench import MLClient, command") for _ in range(5)) - bare
    table("from workbench import MLClient, command", f"{everything * 1e3:.0f} ms", "")


def test_idle_supervisor(shared_client: MLClient, table: Table) -> None:
    warm_up(shared_client)
    supervisor = supervisor_of(shared_client.context.workspace)
    assert supervisor is not None

    def facts() -> tuple[int, int]:
        status = Path(f"/proc/{supervisor.pid}/status").read_text()
        resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        times = Path(f"/proc/{supervisor.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return resident, int(times[11]) + int(times[12])

    resident, before = facts()
    time.sleep(10)  # what is measured is that nothing happens meanwhile
    _, after = facts()
    table("supervisor idle", f"{resident / 1024:.0f} MB", "<= 120 MB")
    table("  processor time in 10 s", f"{(after - before) / os.sysconf('SC_CLK_TCK') * 1e3:.0f} ms", "0")


IMPORTING = """
import sys, mlflow, sklearn.linear_model
mlflow.log_metric("m", float(sys.argv[1]))
"""


def test_warm_starts(shared_client: MLClient, tmp_path: Path, table: Table) -> None:
    script = tmp_path / "train.py"
    script.write_text(IMPORTING)
    warm_up(shared_client)
    job = command(code=str(tmp_path), command="python train.py ${{inputs.x}}", inputs={"x": 0})

    def per_trial() -> tuple[float, float]:
        sweep = job(x=Uniform(0, 1)).sweep(
            primary_metric="m", goal="maximize", max_total_trials=40, max_concurrent_trials=2
        )
        name = str(shared_client.create_or_update(sweep).name)
        wait(shared_client, name)
        took = [child.ended - child.created for child in shared_client.context.store.children(name) if child.ended]
        return statistics.median(took[:2]), statistics.median(took[20:])

    cold, warm = per_trial()
    table("script that imports mlflow and scikit-learn and logs, cold", f"{cold * 1e3:.0f} ms", "")
    table("  warm, from queue to end", f"{warm * 1e3:.0f} ms", "<= 60 ms")
    table("  times less", f"{cold / warm:.0f}", ">= 10")


def test_warm_starts_in_a_virtual_environment(shared_client: MLClient, tmp_path: Path, table: Table) -> None:
    (tmp_path / "train.py").write_text(
        "import sys, workbench, sklearn.linear_model\nworkbench.log(m=float(sys.argv[1]))\n"
    )
    settings = shared_client.context.workspace.settings
    job = command(
        code=str(tmp_path),
        command="python train.py ${{inputs.x}}",
        inputs={"x": 0},
        environment=Environment(requirements=["scikit-learn"]),
    )
    wait(shared_client, shared_client.create_or_update(job).name)  # it builds the environment

    def per_trial(*, warm: bool) -> float:
        stop_everything(shared_client.context.workspace)  # settings are read when the supervisor starts
        settings.write_text(f"warm = {str(warm).lower()}\n")
        sweep = job(x=Uniform(0, 1)).sweep(
            primary_metric="m", goal="maximize", max_total_trials=40, max_concurrent_trials=2
        )
        name = str(shared_client.create_or_update(sweep).name)
        wait(shared_client, name)
        children = shared_client.context.store.children(name)
        assert {child.status for child in children} == {"Completed"}
        return statistics.median(child.ended - child.created for child in children[20:] if child.ended)

    cold, warm = per_trial(warm=False), per_trial(warm=True)
    table("script that imports scikit-learn in a virtual environment, cold", f"{cold * 1e3:.0f} ms", "")
    table("  warm, from queue to end", f"{warm * 1e3:.0f} ms", "")
    table("  times less", f"{cold / warm:.0f}", "")
