"""The pictures of the README, taken anew of real sweeps: ``python -m tests.browser.pictures``."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.lab import CHROMIUM, Lab, running_lab
from tests.conftest import client_of
from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.sweep import BanditPolicy, Choice, LogUniform
from workbench.tracking.database import prepare

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, ViewportSize

_IMAGES = Path(__file__).parents[2] / "notebooks" / "images"
_WIDE: ViewportSize = {"width": 1260, "height": 980}
_LAB: ViewportSize = {"width": 1180, "height": 760}

_TRAIN = """
import sys, mlflow, numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
rate, alpha, loss, epochs = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
X, y = load_digits(return_X_y=True)
X = X / 16
model = SGDClassifier(loss=loss, learning_rate="constant", eta0=rate, alpha=alpha, random_state=1)
for epoch in range(epochs):
    for part in np.array_split(np.random.default_rng(epoch).permutation(900), 9):
        model.partial_fit(X[part], y[part], classes=range(10))
    mlflow.log_metric("accuracy", model.score(X[900:], y[900:]), step=epoch)
mlflow.sklearn.log_model(model, name="model", input_example=X[:3], pip_requirements=["scikit-learn"])
"""


def main() -> None:
    """Run sweeps in a workspace of their own, and take a picture of each part of JupyterLab that the README shows."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder) / "mlflow" / "mlflow.db"
        empty.parent.mkdir()
        prepare(empty)
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        with client_of(Path(folder) / "digits", empty) as client, running_lab(client.workspace_folder) as lab:
            page = chromium.new_page()
            page.set_default_timeout(120_000)
            _take(page, lab, client)
        chromium.close()


def _take(page: Page, lab: Lab, client: MLClient) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=120_000)
    (client.workspace_folder / "src").mkdir()
    (client.workspace_folder / "src" / "train.py").write_text(_TRAIN)
    for title, trials in (("first look", 6), ("wider range", 8)):
        _await(client, _sweep(client, title, trials), trials)
    digits = _sweep(client, "digits", 40)
    view = _page_of(page, lab, digits)
    _await(client, digits, 31)
    expect(view.locator(".wb-head")).to_contain_text(re.compile("3[0-9] of 40"))
    _brush_the_best(page)
    view.screenshot(path=_IMAGES / "parallel.png")
    _await(client, digits, 40)
    view.get_by_role("button", name="Clear brush").click()

    view.get_by_role("tab", name="Register best model").click()
    expect(view.get_by_text("predicts on its example")).to_be_visible()
    view.get_by_label("name", exact=True).fill("digits")
    view.get_by_label("alias").fill("champion")
    view.screenshot(path=_IMAGES / "register.png")
    view.get_by_role("button", name=re.compile("^Register trial")).click()
    expect(view.get_by_text("is registered as champion")).to_be_visible()

    view.get_by_role("tab", name="Curves").click()
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    expect(page.locator("body[data-jp-theme-name='JupyterLab Dark']")).to_have_count(1)
    expect(view.locator(".wb-plot:visible .legend")).to_contain_text("(best)")
    page.wait_for_timeout(1000)  # a theme is drawn in several steps, and none of them says that it was the last
    view.screenshot(path=_IMAGES / "curves-dark.png")
    page.evaluate("jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })")

    nightly = _sweep(client, "nightly", 40, epochs=60)
    view = _page_of(page, lab, nightly, panel=True)
    _await(client, nightly, 9)
    row = page.locator(f"[role=treeitem][data-name='{nightly}']")
    row.locator(".wbl-twisty").click()
    expect(page.locator(f"[data-name='{nightly}_8']")).to_be_visible()
    expect(view.locator(".parcoords .axis-title").first).to_be_visible()
    page.screenshot(path=_IMAGES / "lab-panel.png")
    row.locator(".wbl-twisty").click()
    page.evaluate("void jupyterapp.commands.execute('workbench:example')")
    expect(page.locator(".wbl-form").get_by_text("Ready: 20 trials over learning_rate")).to_be_visible()
    page.screenshot(path=_IMAGES / "lab-form.png")


def _sweep(client: MLClient, title: str, trials: int, epochs: int = 8) -> str:
    inputs = {"lr": 0.1, "alpha": 1e-4, "loss": "hinge"}
    job = command(
        code=str(client.workspace_folder / "src"),
        command="python train.py ${{inputs.lr}} ${{inputs.alpha}} ${{inputs.loss}} " + str(epochs),
        inputs=inputs,
        experiment_name="digits",
    )
    sweep = job(lr=LogUniform(-7, -0.5), alpha=LogUniform(-12, -2), loss=Choice(["hinge", "log_loss"])).sweep(
        primary_metric="accuracy",
        goal="maximize",
        max_total_trials=trials,
        max_concurrent_trials=2,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )
    sweep.display_name = title
    return str(client.create_or_update(sweep).name)


def _await(client: MLClient, sweep: str, trials: int) -> None:
    """Wait until so many trials have ended."""

    def ended() -> bool:
        return sum(trial.status.is_finished for trial in client.context.store.children(sweep)) >= trials

    assert wait_until(ended, client.context, 300), f"{sweep} is too slow for a picture"


def _page_of(page: Page, lab: Lab, name: str, *, panel: bool = False) -> Locator:
    """Open the page of a job, with nothing beside it unless the panel is wanted; return the view."""
    page.set_viewport_size(_LAB if panel else _WIDE)
    page.goto(lab.open())
    page.locator("[data-id=workbench-jobs]").click()
    page.locator(f"[role=treeitem][data-name='{name}']").click()
    view = page.locator(".wbl-page .wb-view")
    view.locator("[role=tablist]").wait_for()
    if not panel:
        page.evaluate("jupyterapp.shell.collapseLeft()")
    return view


def _brush_the_best(page: Page) -> None:
    """Drag over the upper quarter of the last axis."""
    axes = page.locator(".parcoords .axis-brush .background")
    box = max((axis.bounding_box() or {"x": 0.0} for axis in axes.all()), key=lambda box: box["x"])
    x, top, height = box["x"] + box["width"] / 2, box["y"], box["height"]
    page.mouse.move(x, top + 0.02 * height)
    page.mouse.down()
    page.mouse.move(x, top + 0.1 * height, steps=4)
    page.mouse.move(x, top + 0.2 * height, steps=4)
    page.mouse.up()
    page.locator(".wb-tools [role=status]", has_text="in the brush").wait_for()


if __name__ == "__main__":
    main()
