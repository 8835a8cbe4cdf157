"""Notebook 7, which is JupyterLab's parts in pages of their own: the live view, the form, and the panel at the left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.axe import serious_problems
from tests.browser.lab import PATIENCE, Lab, write_cells
from tests.supervisor.gates import Gate
from workbench import MLClient
from workbench.sweep import Choice

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def application() -> str:
    """Notebook 7."""
    return "notebook"


@pytest.fixture
def foreign() -> re.Pattern[str]:
    """Notebook 7 fails over a setting that it does not have, and when a kernel goes, also without our extension."""
    return re.compile("(?s)^(?!.*workbench-lab).*notebook_core")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gates")
    yield gate
    gate.close()


def test_a_sweep_is_live_and_does_not_need_the_kernel(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, shots: Path
) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    sweep = gate.job()(x=Choice([1.0, 2.0, 3.0, 4.0])).sweep(
        primary_metric="score", goal="maximize", max_total_trials=4, max_concurrent_trials=2
    )
    name = str(lab_client.create_or_update(sweep).name)
    write_cells(lab.root / "seven.ipynb", [f"from workbench import MLClient\nMLClient().jobs.get({name!r})", ""])
    page.goto(lab.notebook("seven.ipynb"))
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
    page.keyboard.press("Shift+Enter")
    view = page.locator(".wb-view")
    expect(view.locator(".wb-head")).to_contain_text("0 of 4 · 2 running")
    for kernel in lab.kernels():
        lab.fetch(f"api/kernels/{kernel['id']}", method="DELETE")
    gate.open(2)
    expect(view.locator(".wb-head")).to_contain_text("2 of 4")
    expect(view.locator(".parcoords .axis-title")).to_have_count(3)
    view.get_by_role("button", name="Pause").click()
    expect(view.get_by_role("button", name="Resume")).to_be_visible()
    view.get_by_role("button", name="Resume").click()
    gate.open(2)
    expect(view.locator(".wb-head")).to_contain_text("Completed")
    assert serious_problems(page, ".wb-view") == []
    page.screenshot(path=shots / "view.png")


def test_a_notebook_is_swept_from_its_toolbar(page: Page, lab: Lab, lab_client: MLClient, shots: Path) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    write_cells(lab.root / "train.ipynb", ["rate = 0.1", "import workbench\nworkbench.log(score=rate)"])
    book = nbformat.read(lab.root / "train.ipynb", as_version=4)
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, lab.root / "train.ipynb")
    page.goto(lab.notebook("train.ipynb"))
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Sweep").click()
    page.screenshot(path=shots / "form.png")
    form = page.locator(".wbl-form")
    form.get_by_label("Trials", exact=True).fill("2")
    expect(form.get_by_text("Ready: 2 trials")).to_be_visible()
    there_before = _sweeps(lab_client)
    form.locator(".wbl-submit").click()
    expect(page.locator(".wbl-page .wb-head")).to_contain_text("trials 2 of 2")
    expect(page.locator(".wbl-page .wb-head")).to_contain_text("Completed")
    page.screenshot(path=shots / "page.png")
    page.evaluate("() => void jupyterapp.commands.execute('workbench:show-panel')")
    (name,) = _sweeps(lab_client) - there_before
    expect(page.locator(f"#workbench-jobs [role=treeitem][data-name='{name}']")).to_contain_text("Completed")


def _sweeps(client: MLClient) -> set[str]:
    return {job.name for job in client.context.store.jobs() if job.type == "sweep"}
