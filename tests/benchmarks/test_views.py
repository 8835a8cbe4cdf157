"""What a view costs, in a real JupyterLab and a real browser."""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.benchmarks.conftest import Table
from tests.browser.lab import Lab, open_without_kernel, running_lab
from tests.browser.states import nobody_starts, write_views
from tests.conftest import client_of
from tests.views.past import past_sweep
from workbench import MLClient, command
from workbench.definition.status import JobStatus
from workbench.store.records import Point
from workbench.supervisor.ringing import ring
from workbench.sweep import Uniform
from workbench.views.facts import JobFacts
from workbench.views.figures import FIGURES
from workbench.views.session import ViewSession

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.benchmark

MANY, SOME = 10_000, 1_000
TIMES = 20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def client(served: Path, mlflow_database: Path) -> Iterator[MLClient]:
    """On a workspace whose sweeps are written down, and do not run."""
    with client_of(served / "written", mlflow_database) as client, nobody_starts(client):
        yield client


@pytest.fixture(scope="module")
def real(served: Path, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(served / "real", mlflow_database) as client:
        yield client


@pytest.fixture(scope="module")
def lab(served: Path) -> Iterator[Lab]:
    with running_lab(served) as lab:
        yield lab


@pytest.fixture(scope="module")
def many(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _running(client, past_sweep(client, tmp_path_factory.mktemp("code"), MANY))


@pytest.fixture(scope="module")
def some(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _running(client, past_sweep(client, tmp_path_factory.mktemp("code"), SOME))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(120_000)
    yield context.new_page()
    context.close()


def test_python_opens_and_updates(client: MLClient, many: str, table: Table) -> None:
    context = client.context
    began = time.perf_counter()
    facts = JobFacts(context.store, context.workspace, many)
    json.dumps([facts.header(), facts.rows()])
    opened = time.perf_counter() - began
    updates = []
    for step in range(TIMES):
        _write(client, [Point(f"{many}_{step}", "accuracy", 0.5, 100 + step, step)])
        began = time.perf_counter()
        change = facts.refresh()
        assert change is not None
        json.dumps([facts.header(), facts.rows(change.trials)])
        updates.append(time.perf_counter() - began)
    table(f"open {MANY:,} trials, in Python", f"{opened * 1000:.0f} ms", "<= 1000 ms")
    table(f"one update of {MANY:,} trials, in Python, median / worst", _both(updates), "<= 100 ms")
    for kind, draw in FIGURES.items():
        draw(facts)  # imports are not what is measured
        began = time.perf_counter()
        json.dumps(draw(facts).to_json())
        table(f"figure {kind} of {MANY:,} trials", f"{(time.perf_counter() - began) * 1000:.0f} ms", "")


def test_messages_are_bounded(client: MLClient, some: str, table: Table) -> None:
    heard: list[float] = []
    session = ViewSession(str(client.workspace_folder), some, lambda _: heard.append(time.monotonic()))
    session.start()
    with _streaming(client, some):
        time.sleep(5)
    session.close()
    most = max(sum(at <= other < at + 1 for other in heard) for at in heard)
    table("messages in the busiest second of a stream", str(most), "<= 10")
    left = [thread for thread in threading.enumerate() if some in thread.name]
    for thread in left:  # they were told to end, and are not waited for
        thread.join(1)
    left = [thread for thread in left if thread.is_alive()]
    watchers = list(client.context.workspace.watchers.iterdir())
    table("threads and watchers left by a view that was closed", f"{len(left)} and {len(watchers)}", "0 and 0")


_TRAIN = """
import os, sys, workbench
gate = os.open(sys.argv[1], os.O_RDWR)
for step in range(100):
    if os.read(gate, 1) == b"e":
        break
    workbench.log(step=step, score=step + 0.5)
"""
_WATCH = """name => {
    const cell = () => document.querySelector(`.wb-view [role=row][row-id='${name}'] [col-id=last]`);
    window.seen = value => new Promise(resolve => {
        const look = () => cell()?.textContent === value ? resolve() : requestAnimationFrame(look);
        look();
    });
}"""


def test_a_logged_metric_is_seen(page: Page, lab: Lab, real: MLClient, table: Table) -> None:
    """From the trial's own process through the supervisor, the store and the server into the page."""
    (code := real.workspace_folder / "code").mkdir()
    (code / "train.py").write_text(_TRAIN)
    os.mkfifo(gate := code.parent / "gate")
    end = os.open(gate, os.O_RDWR)
    job = command(code=str(code), command=f"python train.py {gate} ${{{{inputs.x}}}}", inputs={"x": 0.5})
    sweep = job(x=Uniform(0, 1)).sweep(primary_metric="score", goal="maximize", max_total_trials=1)
    name = str(real.create_or_update(sweep).name)
    write_views(lab.root / "real.ipynb", real, [name])
    open_without_kernel(page, lab, "real.ipynb")
    page.evaluate(_WATCH, f"{name}_0")
    took = []
    for number in range(TIMES + 1):
        began = time.perf_counter()
        os.write(end, b"g")
        page.evaluate("value => seen(value)", str(number + 0.5))
        took.append(time.perf_counter() - began)
        if number == 0:  # plotly is loaded with the first value, and holds the page for a second
            page.locator(".wb-view .parcoords .axis").first.wait_for()
    os.write(end, b"e")
    os.close(end)
    table("metric logged → visible, median / worst", _both(took[1:]), "<= 500 ms")


def test_many_trials_are_drawn(page: Page, lab: Lab, client: MLClient, many: str, table: Table) -> None:
    write_views(lab.root / "many.ipynb", client, [many])
    rows, drawn = [], []
    for _ in range(3):
        page.goto(lab.notebook("many.ipynb"))
        page.wait_for_selector(".jp-OutputArea-output", state="attached")
        began = time.perf_counter()
        page.wait_for_selector(".wb-view .wb-table [role=row][row-id]", state="attached")
        rows.append(time.perf_counter() - began)
        page.wait_for_selector(".wb-view .parcoords .axis-title", state="attached")
        drawn.append(time.perf_counter() - began)
    table(f"{MANY:,} trials: output there to rows there, median / worst", _both(rows), "")
    table(f"{MANY:,} trials to drawn, median / worst", _both(drawn), "<= 3000 ms")


def test_the_kernel_stays_responsive(client: MLClient, some: str, table: Table) -> None:
    """With the view in the kernel itself, as the widget has it; in JupyterLab it is in the server."""
    from jupyter_client.manager import start_new_kernel

    manager, kernel = start_new_kernel(cwd=str(client.workspace_folder))
    try:
        kernel.execute_interactive("from workbench.views.session import ViewSession", timeout=60)
        without = [_cell(kernel) for _ in range(TIMES)]
        opening = f"view = ViewSession({str(client.workspace_folder)!r}, {some!r}, lambda _: None); view.start()"
        kernel.execute_interactive(opening, timeout=60)
        with _streaming(client, some):
            time.sleep(2)  # it has opened by then: what is measured is the stream
            during = [_cell(kernel) for _ in range(TIMES)]
        kernel.execute_interactive("view.close()", timeout=60)
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    table("a cell while nothing streams, median / worst", _both(without), "")
    table(f"a cell while {SOME:,} trials stream, median / worst", _both(during), "<= 100 ms more")


class _streaming:  # noqa: N801 - used as a verb
    """Let twenty trials of a sweep log, twenty times a second each, until the block ends."""

    def __init__(self, client: MLClient, sweep: str) -> None:
        self._client, self._sweep, self._stop = client, sweep, threading.Event()
        self._thread = threading.Thread(target=self._stream)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _stream(self) -> None:
        step = 1000
        while not self._stop.wait(0.05):
            step += 1
            points = [Point(f"{self._sweep}_{number}", "accuracy", 0.5, step, step) for number in range(20)]
            _write(self._client, points)


def _running(client: MLClient, name: str) -> str:
    """Let a sweep that has ended go on, for views to follow."""
    with client.context.store.write() as writer:
        writer.update_job(name, status=JobStatus.RUNNING, ended=None)
    return name


def _write(client: MLClient, points: list[Point]) -> None:
    """Write points as the supervisor does, and ring for those who watch."""
    with client.context.store.write() as writer:
        writer.add_points(points)
    ring(client.context.workspace.watchers)


def _cell(kernel: Any) -> float:
    began = time.perf_counter()
    answer: Mapping[str, Any] = kernel.execute_interactive("x = 1 + 1", timeout=60)
    assert answer["content"]["status"] == "ok"
    return time.perf_counter() - began


def _both(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:6.0f} / {max(seconds) * 1000:.0f} ms"
