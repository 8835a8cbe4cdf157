"""What a warm notebook trial costs, beside papermill doing the same; figures, not assertions."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from tests.benchmarks.conftest import Table
from tests.chaos.processes import children, fork_servers
from tests.conftest import client_of, supervisor_of
from tests.notebook.books import write_notebook
from tests.supervisor.test_sweeps_end_to_end import wait
from workbench import MLClient, notebook
from workbench.client.waiting import wait_until
from workbench.store.records import JobRecord
from workbench.sweep import Uniform

pytestmark = pytest.mark.benchmark

EMPTY = ["y = x + 1", "y"]
IMPORTING = ["import pandas as pd\nfrom sklearn.linear_model import LinearRegression", "pd.DataFrame({'x': [x]})"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(tmp_path_factory.mktemp("bench") / "workspace", mlflow_database) as client:
        yield client


def sweep(client: MLClient, book: Path, count: int) -> str:
    job = notebook(book, inputs={"x": 0.0})
    swept = job(x=Uniform(0, 1)).sweep(
        primary_metric="none", goal="maximize", max_total_trials=count, max_concurrent_trials=1
    )
    return str(client.create_or_update(swept).name)


def trials(client: MLClient, book: Path, count: int) -> list[JobRecord]:
    """Run a sweep, one trial after the other, and return its trials."""
    name = sweep(client, book, count)
    assert wait_until(lambda: client.jobs.record(name).status.is_finished, client.context, 600)
    found = sorted(client.context.store.children(name), key=lambda child: child.number or 0)
    assert [child.status for child in found] == ["Completed"] * count
    return found


def seconds_of_cells(book: Any) -> float:
    return sum(cell.metadata.papermill.duration or 0.0 for cell in book.cells)


def own_seconds(client: MLClient, trial: JobRecord) -> float:
    text = client.context.workspace.trial(trial.folder).notebook.read_text()
    return seconds_of_cells(nbformat.reads(text, as_version=4))


def seconds(trial: JobRecord) -> float:
    return (trial.ended or 0.0) - trial.created


def in_process(book: Path, runs: int) -> list[tuple[float, float]]:
    """Return how long papermill took, and its cells, each time."""
    took = []
    for _ in range(runs):
        started = time.perf_counter()
        done = papermill.execute_notebook(book, book.with_name("theirs.ipynb"), {"x": 0.5}, progress_bar=False)
        took.append((time.perf_counter() - started, seconds_of_cells(done)))
    return took


def by_command_line(book: Path, runs: int) -> list[float]:
    command = [sys.executable, "-m", "papermill", str(book), str(book.with_name("theirs.ipynb")), "-p", "x", "0.5"]
    took = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([*command, "--no-progress-bar"], check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    return took


@pytest.fixture(scope="module")
def cold_client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(tmp_path_factory.mktemp("bench-cold") / "workspace", mlflow_database) as client:
        client.context.workspace.settings.write_text("warm = false\n")
        yield client


@pytest.mark.parametrize(
    ("what", "cells", "budgets"),
    [("two small cells", EMPTY, ("", "")), ("pandas and scikit-learn", IMPORTING, (" (>= 8)", " (>= 20)"))],
)
def test_a_warm_trial_beside_papermill(
    client: MLClient,
    cold_client: MLClient,
    tmp_path: Path,
    table: Table,
    what: str,
    cells: list[str],
    budgets: tuple[str, str],
) -> None:
    book = write_notebook(tmp_path / "a.ipynb", *cells, parameters="x = 0.0")
    theirs, cli = in_process(book, 5), by_command_line(book, 3)
    cold = statistics.median(map(seconds, trials(cold_client, book, 4)[1:]))
    first, *rest = trials(client, book, 34)
    warm = rest[-30:]
    ours = statistics.median(map(seconds, warm))
    added = statistics.median(seconds(trial) - own_seconds(client, trial) for trial in warm)
    papermills = statistics.median(took for took, _ in theirs)
    commands = statistics.median(cli)
    table(f"{what}: warm trial, median of 30", f"{ours * 1e3:.0f} ms", "")
    table("  added to its own cells", f"{added * 1e3:.0f} ms", "<= 100 ms")
    table("  added by papermill.execute_notebook", f"{statistics.median(a - b for a, b in theirs) * 1e3:.0f} ms", "")
    table("  papermill.execute_notebook", f"{papermills * 1e3:.0f} ms", f"{papermills / ours:.1f} times{budgets[0]}")
    table("  papermill's command line", f"{commands * 1e3:.0f} ms", f"{commands / ours:.1f} times{budgets[1]}")
    table("  the first trial, which waits for the fork server", f"{seconds(first) * 1e3:.0f} ms", "")
    table("  a trial without fork server", f"{cold * 1e3:.0f} ms", "")


PRINTING = "import time\nfor i in range(20):\n    time.sleep(0.5)\n    print(f'at {time.time()}', flush=True)"


def test_from_a_cells_output_to_the_store(client: MLClient, tmp_path: Path, table: Table) -> None:
    book = write_notebook(tmp_path / "a.ipynb", PRINTING)
    name = str(client.create_or_update(notebook(book)).name)
    delays: dict[float, float] = {}

    def look() -> bool:
        record = client.jobs.record(name)
        said = (record.reason or "").rpartition("at ")[2]
        if record.status == "Running" and said.replace(".", "").isdigit():
            delays.setdefault(float(said), time.time() - float(said))
        return record.status.is_finished

    assert wait_until(look, client.context, 60)
    assert len(delays) > 10
    table("output of a cell to the store, median", f"{statistics.median(delays.values()) * 1e3:.0f} ms", "<= 300 ms")
    table("  slowest", f"{max(delays.values()) * 1e3:.0f} ms", "")


def test_a_flood(client: MLClient, tmp_path: Path, table: Table) -> None:
    book = write_notebook(tmp_path / "a.ipynb", "for i in range(100_000):\n    print('line', i)")
    name = str(client.create_or_update(notebook(book)).name)
    wait(client, name)
    record = client.jobs.record(name)
    size = client.context.workspace.trial(record.folder).notebook.stat().st_size
    table("100,000 printed lines: the trial", f"{(record.ended or 0) - (record.started or 0):.1f} s", "")
    table("  the executed notebook", f"{size / 1e3:.0f} kB", "<= 2,000 lines")


def facts(pid: int) -> tuple[int, int, int]:
    """Return resident kilobytes, descriptors and threads of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), len(list(Path(f"/proc/{pid}/fd").iterdir())), int(status["Threads"])


def zombies(parent: int) -> int:
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in children(parent)]
    return states.count("Z")


def test_two_hundred_in_a_row(client: MLClient, tmp_path: Path, table: Table) -> None:
    book = write_notebook(tmp_path / "a.ipynb", *EMPTY, parameters="x = 0.0")
    name = sweep(client, book, 200)
    store = client.context.store

    def look() -> dict[str, tuple[int, int, int]]:
        supervisor = supervisor_of(client.context.workspace)
        assert supervisor is not None
        servers = fork_servers(supervisor.pid)
        newest = max(servers, key=lambda pid: Path(f"/proc/{pid}").stat().st_ctime)
        assert zombies(supervisor.pid) + zombies(newest) == 0
        return {"supervisor": facts(supervisor.pid), "fork server": facts(newest)}

    def ended(count: int) -> bool:
        return sum(child.status.is_finished for child in store.children(name)) >= count

    assert wait_until(lambda: ended(20), client.context, 300)
    before = look()
    assert wait_until(lambda: client.jobs.record(name).status.is_finished, client.context, 600)
    gc.collect()
    after = look()
    for who in before:
        for what, one, other in zip(("kB of memory", "descriptors", "threads"), before[who], after[who], strict=True):
            table(f"{who}: {what} after 20 and after 200 trials", f"{one:,} {other:,}", "no growth")
