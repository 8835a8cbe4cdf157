"""The whole story in a real JupyterLab: a sweep fills, is brushed, narrowed and stopped, and its best is registered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.axe import serious_problems
from tests.browser.lab import Lab, running_lab, write_cells
from tests.supervisor.gates import until
from tests.views.past import output_of, past_sweep
from workbench import MLClient, command
from workbench.sweep import Uniform
from workbench.views.facts import JobFacts

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# A training that ends when the test lets it: each trial reads one byte at the gate after its last value.
_TRAIN = """
import os, sys, mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
rate, gate = float(sys.argv[1]), sys.argv[2]
X, y = load_digits(return_X_y=True)
X = X / 16
model = SGDClassifier(learning_rate="constant", eta0=rate, random_state=1)
for epoch in range(3):
    model.partial_fit(X[:900], y[:900], classes=range(10))
    mlflow.log_metric("accuracy", model.score(X[900:], y[900:]), step=epoch)
mlflow.sklearn.log_model(model, name="model", input_example=X[:2], pip_requirements=["scikit-learn"])
print("waiting at the gate", flush=True)
os.read(os.open(gate, os.O_RDWR), 1)
"""

_SUBMIT = """
from tests.views.past import output_of, past_sweep
from workbench import MLClient, command
from workbench.sweep import Choice, LogUniform
ml_client = MLClient()
job = command(code="src", command="python train.py ${{{{inputs.rate}}}} {gate}", inputs=dict(rate=0.1))
returned = ml_client.create_or_update(job(rate=LogUniform(-7, 1)).sweep(
    primary_metric="accuracy", goal="maximize", max_total_trials=12, max_concurrent_trials=2))
returned
"""
_PREDICT = """
from sklearn.datasets import load_digits
X, y = load_digits(return_X_y=True)
print((model.predict(X[900:] / 16) == y[900:]).mean())
"""
_BUSY = "import os; print('busy'); os.read(os.open({busy!r}, os.O_RDWR), 1); print('no longer')"


class Fifo:
    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR)
        self.path = str(path)

    def open(self, times: int = 1) -> None:
        os.write(self._end, b"g" * times)


@pytest.fixture
def gate(tmp_path: Path) -> Fifo:
    return Fifo(tmp_path / "gate")


@pytest.fixture
def busy(tmp_path: Path) -> Fifo:
    return Fifo(tmp_path / "busy")


def run_cell(page: Page, index: int) -> None:
    page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Shift+Enter")


def counted(page: Page) -> Locator:
    return page.locator(".wb-view .wb-tools [role=status]")


def drag_along_axis(page: Page, axis: int, begin: float, end: float) -> None:
    """Brush an axis of the parallel coordinates; 0 is its upper end."""
    box = page.locator(".parcoords .axis-brush .background").nth(axis).bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + begin * box["height"])
    page.mouse.down()
    page.mouse.move(x, box["y"] + (begin + end) / 2 * box["height"], steps=4)
    page.mouse.move(x, box["y"] + end * box["height"], steps=4)
    page.mouse.up()


def accuracy_elsewhere(load: str) -> float:
    """Return the accuracy of the model that some lines load, in a process that knows nothing else."""
    fresh = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WORKBENCH_"))}
    done = subprocess.run(
        [sys.executable, "-c", load + _PREDICT], env=fresh, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_from_a_cell_to_a_registered_model(  # noqa: PLR0915 - one story, told once
    page: Page, lab: Lab, lab_client: MLClient, gate: Fifo, busy: Fifo, shots: Path
) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    (lab.root / "src").mkdir()
    (lab.root / "src" / "train.py").write_text(_TRAIN)
    write_cells(lab.root / "story.ipynb", [_SUBMIT.format(gate=gate.path), _BUSY.format(busy=busy.path)])
    page.goto(lab.notebook("story.ipynb"))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()

    # It fills while a cell keeps the kernel busy.
    run_cell(page, 0)
    view = page.locator(".wb-view")
    expect(view).to_be_visible()
    run_cell(page, 1)
    expect(page.get_by_text("busy", exact=True)).to_be_visible()
    store = lab_client.context.store
    (sweep,) = (job.name for job in store.jobs() if job.type == "sweep")
    gate.open(4)
    expect(counted(page)).to_have_text(re.compile(r"^6 trials"))
    expect(view.locator(".wb-head")).to_contain_text("4 of 12")

    # One trial is stopped, still with the kernel busy.
    view.locator("[role=row][row-id$='_4'] [col-id=status]").click()
    view.get_by_role("button", name="Stop trial 4").click()
    until(lab_client, lambda: str(store.job(f"{sweep}_4").status) == "Canceled")  # type: ignore[union-attr]
    expect(view.locator("[role=row][row-id$='_4'] [col-id=status]")).to_contain_text("Canceled")

    # A brush chooses rows, and a click on a row marks its trial.
    expect(view.locator(".parcoords .axis-brush .background")).to_have_count(3)
    view.get_by_role("button", name="Pause").click(delay=1500)  # long enough for the clock in the head to tick
    expect(view.get_by_role("button", name="Resume")).to_be_visible()
    drag_along_axis(page, 1, 0.02, 0.6)
    expect(counted(page)).to_have_text(re.compile(r"in the brush"))
    brushed = int(re.findall(r"(\d+) in the brush", counted(page).inner_text())[0])
    rows = view.locator(".wb-table [role=rowgroup] [role=row][row-id] [col-id=status]")
    expect(rows).to_have_count(brushed)
    page.screenshot(path=shots / "brushed.png")
    view.get_by_role("button", name="Narrow the search to this brush").click()
    expect(view.locator(".wb-message")).to_contain_text("the trials yet to come are drawn from rate")
    narrowed = store.job(sweep).definition["search_space"]["rate"]  # type: ignore[union-attr]
    assert -7 <= narrowed["min_value"] < narrowed["max_value"] <= 1
    assert narrowed["max_value"] - narrowed["min_value"] < 7.9
    view.get_by_role("button", name="Clear brush").click()
    view.get_by_role("button", name="Resume").click()
    gate.open(20)
    until(lab_client, lambda: str(store.job(sweep).status) == "Completed")  # type: ignore[union-attr]
    expect(view.locator(".wb-head")).to_contain_text("12 of 12")

    # The best one is registered with a click, and stock MLflow loads it.
    view.get_by_role("tab", name="Register best model").click()
    view.get_by_role("button", name=re.compile("^Take the best")).click()
    expect(view.get_by_text("predicts on its example (2 rows)")).to_be_visible()
    view.get_by_label("name", exact=True).fill("digits")
    view.get_by_label("alias").fill("champion")
    view.get_by_role("button", name=re.compile("^Register trial")).click()
    expect(view.get_by_text("digits version 1 is registered as champion")).to_be_visible()
    page.screenshot(path=shots / "registered.png")
    best = store.job(sweep).score  # type: ignore[union-attr]
    assert accuracy_elsewhere(view.locator("pre", has_text="load_model").inner_text()) == pytest.approx(best, abs=0.05)

    # The view outlives its kernel: saved, and opened again with none, it is there and live.
    busy.open()
    expect(page.locator(".jp-OutputArea-output", has_text="no longer")).to_be_visible()
    page.keyboard.press("Control+s")
    for kernel in lab.kernels():
        lab.fetch(f"api/kernels/{kernel['id']}", method="DELETE")
    page.goto(lab.notebook("story.ipynb"))
    expect(page.locator(".wb-view .wb-head")).to_contain_text("12 of 12")
    expect(page.locator(".wb-view [role=row][row-id] [col-id=status]").first).to_be_visible()
    assert "workbench-snapshot" in (lab.root / "story.ipynb").read_text()


_SCRIPT = """
import argparse, os, workbench
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--gate", default={gate!r})
given = parser.parse_args()
workbench.log(accuracy=given.rate)
os.read(os.open(given.gate, os.O_RDWR), 1)
"""
_FORM = """import workbench
workbench.builder("form/train.py")"""
_AGAIN = """%load_ext workbench
%wb show from_the_form"""


def test_a_sweep_from_the_form_and_from_a_new_kernel(  # noqa: PLR0915 - one story, told once
    page: Page, lab: Lab, lab_client: MLClient, gate: Fifo, shots: Path
) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    (lab.root / "form").mkdir()
    (lab.root / "form" / "train.py").write_text(_SCRIPT.format(gate=gate.path))
    write_cells(lab.root / "form.ipynb", [_FORM, _AGAIN])
    page.goto(lab.notebook("form.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()

    # The form makes the sweep, and a cell that is the same.
    run_cell(page, 0)
    form = page.locator(".wb-builder")
    form.get_by_label("rate", exact=True).select_option(label="Uniform")
    form.get_by_label("trials", exact=True).fill("4")
    form.get_by_label("at once", exact=True).fill("2")
    form.get_by_label("name", exact=True).fill("from_the_form")
    form.get_by_label("name", exact=True).press("Tab")
    expect(form.get_by_role("textbox", name="YAML")).to_have_value(re.compile("max_total_trials: 4"))
    form.get_by_role("button", name="Dry run").click()
    expect(form).to_contain_text("Dry run, nothing was submitted: 4 trials, 2 at once")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.get_by_role("button", name="Copy Cell").click()
    expect(form.get_by_role("button", name="Copy Cell")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == form.get_by_role("textbox", name="Cell").input_value()
    form.get_by_role("button", name="Insert cell").click()
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    expect(cells).to_have_count(3)
    expect(cells.nth(1)).to_contain_text("%%sweep")
    expect(form).to_contain_text("The cell is right below")
    form.get_by_role("button", name="Run", exact=True).click()
    gate.open(2)
    expect(form.locator(".wb-view .wb-head")).to_contain_text("2 of 4")
    page.screenshot(path=shots / "form.png")

    # A new kernel knows nothing of it, and its view is the same sweep, which has gone on.
    run_cell(page, 2)
    view = cells.nth(2).locator(".wb-view")
    expect(view.locator(".wb-head")).to_contain_text("2 of 4")
    sessions = {session["path"]: session["kernel"]["id"] for session in json.loads(lab.fetch("api/sessions")[1])}
    lab.fetch(f"api/kernels/{sessions['form.ipynb']}/restart", method="POST")
    gate.open(1)
    expect(view.locator(".wb-head")).to_contain_text("3 of 4")
    run_cell(page, 2)
    expect(cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[1]:")
    expect(view.locator(".wb-head")).to_contain_text("3 of 4")
    gate.open(1)
    expect(view.locator(".wb-head")).to_contain_text("4 of 4")

    # What it was submitted with is a form again.
    view.get_by_role("button", name="Duplicate").click()
    expect(cells.nth(3).locator(".wb-builder")).to_be_visible()
    expect(cells.nth(3).get_by_label("trials", exact=True)).to_have_value("4")

    # A cell that is typed into it is read, and kept as a notebook, when it is left.
    text = cells.nth(3).get_by_role("textbox", name="Cell")
    text.fill("")
    text.press_sequentially("%%job\nn = 7\n\nprint(n)")
    text.press("Tab")
    expect(cells.nth(3).get_by_role("textbox", name="YAML")).to_have_value(re.compile("n: 7"))
    assert len(list(lab_client.context.workspace.cells.iterdir())) == 1

    assert serious_problems(page, ".wb-builder") == []


def test_without_the_extension_the_widget_is_live(page: Page, lab: Lab, lab_client: MLClient, gate: Fifo) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    (lab.root / "widget").mkdir()
    (lab.root / "widget" / "train.py").write_text(_SCRIPT.format(gate=gate.path))
    job = command(
        code=str(lab.root / "widget"), command="python train.py --rate ${{inputs.rate}}", inputs={"rate": 0.1}
    )
    sweep = job(rate=Uniform(0, 1)).sweep(primary_metric="accuracy", goal="maximize", max_total_trials=2)
    name = str(lab_client.create_or_update(sweep).name)
    gate.open(2)
    write_cells(lab.root / "widget.ipynb", [f"from workbench import MLClient\nMLClient().jobs.get({name!r})"])
    with running_lab(lab.root, without=["workbench-lab"]) as plain:
        page.goto(plain.notebook("widget.ipynb"))
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
        run_cell(page, 0)
        view = page.locator(".wb-view")
        expect(view.locator(".wb-head")).to_contain_text("2 of 2")
        expect(view.locator(".parcoords .axis-title")).to_have_count(3)
        view.get_by_role("button", name="More trials").click()
        view.get_by_role("spinbutton", name="how many more trials").fill("2")
        view.get_by_role("button", name="Add them").click()
        expect(view.locator(".wb-head")).to_contain_text("2 of 4 · 2 running")
        view.get_by_role("button", name="Pause").click()
        expect(view.get_by_role("button", name="Resume")).to_be_visible()
        view.get_by_role("button", name="Stop sweep").click()
        view.get_by_role("button", name="Stop it").click()
        expect(view.locator(".wb-head")).to_contain_text("Canceled")
        view.get_by_role("button", name="Rerun").click()
        expect(view.locator(".wb-message")).to_contain_text("Running again as ")
        again = re.findall(r"Running again as (\w+)", view.locator(".wb-message").inner_text())[0]
        lab_client.jobs.begin_cancel(again)
        until(lab_client, lambda: str(lab_client.jobs.record(again).status) == "Canceled")
        view.get_by_role("button", name="Duplicate").click()
        expect(view.locator(".wb-message")).to_contain_text(f'workbench.builder("{name}")')


def test_without_the_workspace_the_snapshot_is_shown(page: Page, lab: Lab, lab_client: MLClient) -> None:
    from playwright.sync_api import expect

    name = past_sweep(lab_client, lab.root / "past", 30)
    best = JobFacts(lab_client.context.store, lab_client.context.workspace, name).header()["best"]
    cell = nbformat.v4.new_code_cell("returned", outputs=[output_of(lab_client, name)])
    book = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
    (lab.root / "elsewhere.ipynb").write_text(book.replace(str(lab_client.workspace_folder), "/nowhere/at/all"))
    page.goto(lab.notebook("elsewhere.ipynb"))
    snapshot = page.locator(".workbench-snapshot")
    expect(snapshot.locator("tr", has_text=f"★ {best['number']}")).to_be_visible(timeout=60_000)
    widths = [
        image.evaluate("image => image.decode().then(() => image.naturalWidth)")
        for image in snapshot.locator("img").all()
    ]
    assert widths == [720, 720]
    expect(page.locator(".wb-view")).to_have_count(0)
