"""The panel, the form and the pages in a real JupyterLab: from nothing to a registered model, and whatever happens."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.axe import serious_problems
from tests.browser.crowd import crowd
from tests.browser.lab import Lab, write_cells
from tests.supervisor.gates import Gate, until
from workbench import MLClient, command
from workbench.sweep import Choice, Uniform
from workbench.testing.devices import GIB, InMemoryDevices

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# What a browser itself writes when it cannot reach the server: the page has no say in it.
_UNREACHABLE = re.compile(r"ERR_CONNECTION|WebSocket connection to|Failed to fetch|NetworkError|ERR_INCOMPLETE_CHUNKED")


# JupyterLab saves its layout a little after it has changed, and tells nobody.
_UNTIL_SAVED = """async text => {
    while (!(await (await fetch('/lab/api/workspaces/default')).text()).includes(text)) {
        await new Promise(done => setTimeout(done, 100));
    }
}"""


_OPEN_TWICE = "name => Promise.all([1, 2].map(() => jupyterapp.commands.execute('workbench:open', { name })))"


@pytest.fixture
def foreign() -> re.Pattern[str]:
    """JupyterLab's part of ipywidgets asks each notebook for its kernel's id, also one that has none."""
    return re.compile(r"null \(reading 'kernel'\)[^$]*jupyterlab-manager")


@pytest.fixture
def loud(page: Page) -> Iterator[list[str]]:
    """What the page writes to its console as errors; nothing may be left at the end."""
    errors: list[str] = []

    def take(text: str) -> None:
        errors.append(text)

    page.on("console", lambda message: take(message.text) if message.type == "error" else None)
    yield errors
    assert errors == []


Change = Callable[[Mapping[str, object]], None]


@pytest.fixture
def change(lab: Lab) -> Iterator[Change]:
    """Set something for the panel, before its page is opened, for as long as a test runs."""
    file = lab.settings / "settings" / "workbench-lab" / "plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)

    def change(values: Mapping[str, object]) -> None:
        file.write_text(json.dumps(values))

    yield change
    file.unlink(missing_ok=True)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gates")
    yield gate
    gate.close()


def open_panel(page: Page, lab: Lab) -> Locator:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    page.goto(lab.open())
    return show_panel(page)


def show_panel(page: Page) -> Locator:
    panel = page.locator("#workbench-jobs")
    tab = page.locator("[data-id=workbench-jobs]")
    tab.wait_for()
    if not panel.is_visible():
        tab.click()
    panel.wait_for()
    return panel


def row(panel: Locator, name: str) -> Locator:
    return panel.locator(f"[role=treeitem][data-name='{name}']")


def choose(page: Page, row: Locator, item: str) -> None:
    """Choose from a row's context menu."""
    row.click(button="right")
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()


def started(client: MLClient, gate: Gate, name: str, trials: int = 4) -> str:
    """Submit a sweep whose trials wait at the gate, two at once; return its name once both run."""
    job = gate.job(name=name, display_name=name, experiment_name="gates")(x=Choice([1.0, 2.0, 3.0, 4.0]))
    sweep = job.sweep(primary_metric="score", goal="maximize", max_total_trials=trials, max_concurrent_trials=2)
    sweep.name = name
    client.create_or_update(sweep)
    until(client, lambda: len([line for line in gate.starts if line.startswith(name)]) == 2)
    return name


def test_from_nothing_to_a_registered_model_with_no_kernel(  # noqa: PLR0915 - one story, told once
    page: Page, lab: Lab, loud: list[str], shots: Path
) -> None:
    from playwright.sync_api import expect

    # Who has nothing is told what to do first, and gets a notebook and a form that is filled.
    panel = open_panel(page, lab)
    expect(panel.get_by_text("No jobs yet")).to_be_visible()
    assert serious_problems(page, "#workbench-jobs") == []
    page.screenshot(path=shots / "empty.png")
    tiles = page.locator(".jp-LauncherCard[data-category=Workbench]")
    expect(tiles).to_have_text(["Jobs and Sweeps", "Sweep a Notebook …", "Registered Models"])
    panel.get_by_role("button", name="Try an example").click()
    form = page.locator(".wbl-form")
    start = form.get_by_role("button", name="Start the sweep")
    expect(form.get_by_text("Ready: 20 trials over learning_rate")).to_be_visible()
    expect(form.get_by_label("Metric")).to_have_value("accuracy")

    # What is wrong is said at its field: at once what the page sees, and what only the server knows.
    first = form.get_by_label("learning_rate: from")
    first.fill("10")
    expect(form.get_by_role("group", name="learning_rate")).to_contain_text("the smaller number comes first")
    expect(start).to_be_disabled()
    first.fill("0.01")
    epochs = form.get_by_label("epochs: value")
    epochs.fill("2 * 4")
    expect(form.get_by_role("group", name="epochs")).to_contain_text("2 * 4 is no value")
    epochs.fill('"many"')
    expect(form.get_by_role("group", name="epochs")).to_contain_text("its default is 8")
    expect(start).to_be_disabled()
    assert serious_problems(page, ".wbl-form") == []
    page.screenshot(path=shots / "form.png")
    epochs.fill("3")
    form.get_by_label("Trials", exact=True).fill("2")
    expect(form.get_by_text("Ready: 2 trials")).to_be_visible()
    start.click()

    # The sweep's page opens in the form's place, and fills.
    view = page.locator(".wbl-page .wb-view")
    expect(view.locator(".wb-head")).to_contain_text("2 of 2")
    expect(form).to_have_count(0)
    sweep = panel.locator("[data-type=sweep]")
    expect(sweep).to_contain_text("Completed")
    expect(sweep).to_contain_text("2 of 2")
    name = sweep.get_attribute("data-name")
    sweep.locator(".wbl-twisty").click()
    expect(row(panel, f"{name}_1")).to_contain_text("learning_rate")
    expect(view.locator(".parcoords .axis").first).to_be_visible()
    assert serious_problems(page, ".wbl-page") == []

    # The best model is registered from the panel.
    choose(page, sweep, "Register Best Model …")
    expect(view.get_by_text("predicts on its example (2 rows)")).to_be_visible()
    view.get_by_label("name", exact=True).fill("digits")
    view.get_by_label("alias").fill("champion")
    view.get_by_role("button", name=re.compile("^Register trial")).click()
    expect(view.get_by_text("digits version 1 is registered as champion")).to_be_visible()
    assert lab.kernels() == []

    # The models page has it, with its way back; aliases are set, moved and removed with a question.
    panel.get_by_role("button", name="Registered models").click()
    models = page.locator(".wbl-models")
    version = models.locator("[data-version='1']")
    expect(version).to_contain_text("@champion")
    expect(version).to_contain_text("accuracy 0.")
    version.get_by_role("button", name="Set an alias of version 1").click()
    page.locator(".jp-Dialog input").fill("candidate")
    page.locator(".jp-Dialog").get_by_role("button", name="Set").click()
    expect(version).to_contain_text("@candidate")
    version.get_by_role("button", name="Remove the alias candidate").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Remove").click()
    expect(models).to_contain_text("@candidate is removed.")
    assert serious_problems(page, ".wbl-models", "#workbench-jobs") == []
    page.screenshot(path=shots / "models.png")
    version.get_by_role("button", name=re.compile(f"^{name}_")).click()
    trial = page.locator(".wbl-page:visible")
    expect(trial.locator(".wb-title")).to_contain_text(re.compile(f"{name}_\\d"))

    # A trial's log and the notebook that it has executed open beside its page; the notebook leads back.
    trial.locator(".jp-Toolbar").get_by_text("Log", exact=True).click()
    expect(page.locator(".wbl-logpage")).to_be_visible()
    trial.locator(".jp-Toolbar").get_by_text("Notebook", exact=True).click()
    expect(page.locator(".jp-Notebook", has_text="# Parameters")).to_be_visible()
    marker = page.locator(".wbl-marker")
    expect(marker).to_contain_text(f"Open {name}_")
    expect(page.locator("#jp-main-statusbar").get_by_text("No Kernel")).to_be_visible()
    assert lab.kernels() == []  # it is there to be read
    page.screenshot(path=shots / "beside.png")
    page.evaluate("() => [...jupyterapp.shell.widgets('main')].find(({ id }) => /^workbench-job-.*_/.test(id)).close()")
    marker.get_by_role("button").click()
    expect(page.locator(".wbl-page:visible .wb-title")).to_contain_text(re.compile(f"{name}_\\d"))

    # One that holds widgets is shown with a kernel, for without one ipywidgets would show nothing of them.
    page.evaluate("() => [...jupyterapp.shell.widgets('main')].find(({ context }) => context).close()")
    job = lab.root / page.evaluate(
        "async name => (await (await fetch(`/workbench/api/jobs/${name}`)).json()).notebook", f"{name}_1"
    )
    book = nbformat.read(job, as_version=4)
    book.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"version_major": 2, "state": {}}}
    nbformat.write(book, job)
    page.evaluate("name => void jupyterapp.commands.execute('workbench:open-notebook', { name })", f"{name}_1")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()  # a server waits for kernels that start

    # Cells go into a notebook of the user's own, which is made where there is none, and not into what was executed.
    before = job.read_text()
    panel.get_by_role("button", name="Registered models").click()
    version.get_by_role("button", name="Insert load code").click()
    own = page.locator(".jp-NotebookPanel", has=page.locator(".jp-Cell", has_text="models:/digits"))
    expect(own).to_have_count(1)
    expect(own.locator(".wbl-marker")).to_have_count(0)
    page.evaluate("name => void jupyterapp.commands.execute('workbench:open-notebook', { name })", f"{name}_1")
    expect(page.locator(".jp-NotebookPanel:visible .wbl-marker")).to_be_visible()
    choose(page, sweep, "Insert Code")
    expect(own.locator(".jp-CodeCell", has_text=name)).to_have_count(1)
    choose(page, sweep, "Duplicate in Builder")
    expect(own.locator(".wb-builder").get_by_label("trials", exact=True)).to_have_value("2")
    page.evaluate(_SAVE_ALL)
    assert job.read_text() == before


# Saves the notebooks that were changed, as JupyterLab does by itself after a while.
_SAVE_ALL = """() => Promise.all([...jupyterapp.shell.widgets('main')]
    .filter(({ context }) => context?.model.dirty)
    .map(({ context }) => context.save()))"""


def test_two_tabs_show_the_same_and_come_back_after_a_reload(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, loud: list[str]
) -> None:
    from playwright.sync_api import expect

    panel = open_panel(page, lab)
    other_page = page.context.new_page()
    other = open_panel(other_page, lab)
    name = started(lab_client, gate, "shared_sweep")
    for one in (panel, other):
        expect(row(one, name)).to_have_attribute("data-status", "Running")
        expect(one.locator(".wbl-strip")).to_contain_text("2 trials run")
        expect(one.locator("[role=treeitem]").first).to_have_attribute("data-name", name)  # what runs comes first
    expect(page.locator(".wbl-statusitem")).to_contain_text("1 running · 2 trials")
    row(other, name).locator(".wbl-twisty").click()
    expect(row(other, f"{name}_1")).to_have_attribute("data-status", "Running")
    gate.open()
    expect(row(panel, name)).to_contain_text("1 of 4")
    expect(row(other, f"{name}_2")).to_have_attribute("data-status", "Running")

    # Stopping asks first; both see it, and so does the list behind the bell.
    choose(page, row(panel, name), "Stop")
    page.locator(".jp-Dialog").get_by_role("button", name="Stop it").click()
    for one in (panel, other):
        expect(row(one, name)).to_have_attribute("data-status", "Canceled")
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    other_page.close()
    page.locator(".jp-Notification-Status").click()
    expect(page.locator(".jp-Notification-List")).to_contain_text(f"{name} was stopped.")
    page.locator(".jp-Notification-Status").click()

    # A page that was open is there again after a reload.
    row(panel, name).click()
    expect(page.locator(".wbl-page .wb-head")).to_contain_text(name)
    page.evaluate(_OPEN_TWICE, name)  # a job has one page, however often it is asked for
    expect(page.locator(".wbl-page")).to_have_count(1)
    page.evaluate(_UNTIL_SAVED, f'"workbench-jobs:{name}"]')
    page.goto(f"{lab.address}/lab")
    expect(page.locator(".wbl-page .wb-head")).to_contain_text(name)


def test_the_server_is_killed_and_comes_back(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, loud: list[str], failures: list[str]
) -> None:
    from playwright.sync_api import expect

    panel = open_panel(page, lab)
    name = started(lab_client, gate, "outlives_the_server")
    expect(row(panel, name)).to_have_attribute("data-status", "Running")
    row(panel, name).locator(".wbl-twisty").click()
    expect(row(panel, f"{name}_0")).to_have_attribute("data-status", "Running")
    lab.kill()
    expect(panel).to_contain_text("The server does not answer")
    gate.open(4)
    until(lab_client, lambda: str(lab_client.context.store.job(name).status) == "Completed")  # type: ignore[union-attr]
    lab.start()
    expect(row(panel, name)).to_have_attribute("data-status", "Completed")
    expect(row(panel, f"{name}_3")).to_have_attribute("data-status", "Completed")
    expect(panel).not_to_contain_text("The server does not answer")
    for told in (loud, failures):
        told[:] = [text for text in told if not _UNREACHABLE.search(text)]


def test_300_jobs_with_the_keyboard(
    page: Page, lab: Lab, lab_client: MLClient, tmp_path: Path, loud: list[str]
) -> None:
    from playwright.sync_api import expect

    names = crowd(lab_client, tmp_path / "code", 300)
    panel = open_panel(page, lab)
    rows = panel.locator("[role=treeitem]")
    expect(row(panel, names[-1])).to_be_visible()
    assert rows.count() < 60
    assert not page.evaluate("() => jupyterapp.commands.isEnabled('workbench:archive')"), "nobody has chosen a job"
    tree = panel.get_by_role("tree")
    tree.focus()
    page.keyboard.press("End")
    expect(row(panel, names[0])).to_be_visible()
    expect(row(panel, names[0])).to_have_attribute("aria-selected", "true")
    assert rows.count() < 60

    # The context menu of the row that the keyboard chose.
    page.keyboard.press("Shift+F10")
    expect(page.locator(".lm-Menu").get_by_text("Copy Name")).to_be_visible()
    page.keyboard.press("Escape")

    # A hand takes longer than a machine from press to release, and trials go on meanwhile.
    tree.focus()
    page.keyboard.press("Home")
    row(panel, names[-3]).click(delay=300)
    expect(page.locator(".wbl-page .wb-head")).to_contain_text("sweep number 297")

    # The palette has what can be done with it.
    label = page.evaluate("() => jupyterapp.commands.label('workbench:archive', { isPalette: true })")
    assert label == f"Archive ({names[-3]})"
    assert page.evaluate("() => jupyterapp.commands.isEnabled('workbench:archive', { isPalette: true })")

    # Filter, search and groups.
    panel.get_by_label("Search jobs").fill("sweep number 29")
    expect(rows).to_have_count(13)  # 29, 129, 229 and 290 to 299
    panel.get_by_label("Which jobs are shown").select_option("Failed")
    expect(rows).to_have_count(3)
    panel.get_by_label("Search jobs").fill("")
    panel.get_by_label("Which jobs are shown").select_option("all")
    panel.get_by_role("button", name="Group by experiment").click()
    group = panel.locator(".wbl-group", has_text="experiment-4")
    expect(group).to_contain_text("60")
    panel.get_by_role("button", name="Group by experiment").click()

    # Archived jobs leave the list, and come back.
    page.keyboard.press("Escape")
    choose(page, row(panel, names[-1]), "Archive")
    page.locator(".jp-Dialog").get_by_role("button", name="Archive").click()
    expect(row(panel, names[-1])).to_have_count(0)
    panel.get_by_label("Which jobs are shown").select_option("archived")
    choose(page, row(panel, names[-1]), "Restore")
    expect(row(panel, names[-1])).to_have_count(0)
    panel.get_by_label("Which jobs are shown").select_option("all")
    expect(row(panel, names[-1])).to_be_visible()
    for theme in ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light"):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        expect(page.locator(f"body[data-jp-theme-name='{theme}']")).to_have_count(1)
        assert serious_problems(page, "#workbench-jobs", ".wbl-page") == [], theme


def test_a_notebook_gets_its_parameters_cell_and_a_yaml_file_is_run(page: Page, lab: Lab, loud: list[str]) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    write_cells(lab.root / "plain.ipynb", ["import mlflow", "rate = 0.1", "mlflow.log_metric('val_loss', rate)"])
    (lab.root / "hello.yml").write_text("type: command\ncommand: echo hello\nenvironment: local\n")
    page.goto(lab.notebook("plain.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Sweep").click()
    form = page.locator(".wbl-form")
    form.get_by_role("button", name="Make a parameters cell").click()
    expect(form.get_by_text("Ready: 20 trials over rate")).to_be_visible()
    expect(form.get_by_label("Best is")).to_have_value("minimize")
    cells = nbformat.read(lab.root / "plain.ipynb", as_version=4).cells
    assert [cell.metadata.get("tags") for cell in cells] == [None, ["parameters"], None]

    page.locator(".jp-DirListing-item", has_text="hello.yml").click(button="right")
    page.locator(".lm-Menu").get_by_text("Run as Workbench Job").click()
    expect(page.locator(".wbl-page .wb-head")).to_contain_text("Completed")
    expect(page.locator(".wbl-page")).to_contain_text("hello")

    # Where no cell assigns defaults one is made; and a notebook is run once.
    write_cells(lab.root / "bare.ipynb", ["found = sum(range(4))", "print('found', found)"])
    page.evaluate("path => void jupyterapp.commands.execute('workbench:sweep-notebook', { path })", "bare.ipynb")
    form = page.locator(".wbl-form:visible", has_text="bare.ipynb")
    form.get_by_role("button", name="Make a parameters cell").click()
    form = page.locator(".wbl-form", has_text="bare.ipynb")  # its notebook is in front of it now
    expect(form.get_by_role("group", name="learning_rate", include_hidden=True)).to_have_count(1)
    cells = nbformat.read(lab.root / "bare.ipynb", as_version=4).cells
    assert [cell.metadata.get("tags") for cell in cells] == [["parameters"], None, None]
    page.set_viewport_size({"width": 2400, "height": 1000})  # a toolbar that is short of room hides buttons
    page.locator(".jp-NotebookPanel:visible .jp-NotebookPanel-toolbar").get_by_text("Run as job").last.click()
    expect(form.get_by_text("Ready. It runs without a kernel")).to_be_visible()
    form.get_by_role("button", name="Run it").click()
    expect(page.locator(".wbl-page:visible .wb-head")).to_contain_text("notebook")
    expect(page.locator(".wbl-page:visible .wb-head")).to_contain_text("Completed")

    # Why a notebook cannot be read is said, and not that it has no parameters cell.
    book = nbformat.read(lab.root / "plain.ipynb", as_version=4)
    book.metadata["kernelspec"]["name"] = "nowhere"
    nbformat.write(book, lab.root / "foreign.ipynb")
    page.evaluate("path => void jupyterapp.commands.execute('workbench:sweep-notebook', { path })", "foreign.ipynb")
    form = page.locator(".wbl-form:visible", has_text="foreign.ipynb")
    expect(form).to_contain_text("no kernel named 'nowhere'")
    expect(form.get_by_role("button", name="Make a parameters cell")).to_have_count(0)


# Another name for the server's files, as the extension for editing together gives them one.
_ADD_DRIVE = """() => {
    const { contents } = jupyterapp.serviceManager;
    contents.addDrive(Object.create(contents.defaultDrive ?? contents._defaultDrive, { name: { value: 'RTC' } }));
}"""


def test_a_notebook_of_another_drive_is_swept_as_the_server_has_it(page: Page, lab: Lab, loud: list[str]) -> None:
    from playwright.sync_api import expect

    (lab.root / "a folder#1").mkdir()
    book = lab.root / "a folder#1" / "schön & gut.ipynb"
    write_cells(book, ["rate = 0.1", "import mlflow\nmlflow.log_metric('loss', rate)"])
    notebook = nbformat.read(book, as_version=4)
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, book)
    open_panel(page, lab)
    page.evaluate(_ADD_DRIVE)
    page.evaluate(
        "path => void jupyterapp.commands.execute('docmanager:open', { path })", "RTC:a folder#1/schön & gut.ipynb"
    )
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Sweep").click()
    expect(page.locator(".wbl-form").get_by_text("Ready: 20 trials over rate")).to_be_visible()


_SAVE = """async path => {
    const kernelPreference = { shouldStart: false };
    const page = await jupyterapp.commands.execute('docmanager:open', { path, kernelPreference });
    await page.context.ready;
    await page.context.save();
}"""


def test_a_form_keeps_what_was_filled_in_and_is_submitted_once(page: Page, lab: Lab) -> None:
    from playwright.sync_api import Route, expect

    write_cells(lab.root / "once.ipynb", ["rate = 0.1", "import mlflow\nmlflow.log_metric('loss', rate)"])
    book = nbformat.read(lab.root / "once.ipynb", as_version=4)
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, lab.root / "once.ipynb")
    open_panel(page, lab)
    page.evaluate("path => void jupyterapp.commands.execute('workbench:sweep-notebook', { path })", "once.ipynb")
    form = page.locator(".wbl-form")
    form.get_by_label("Trials", exact=True).fill("3")
    expect(form.get_by_text("Ready: 3 trials")).to_be_visible()

    page.route("**/notebooks/parameters*", lambda route: route.fulfill(status=500, json={"message": "out of order"}))
    page.evaluate(_SAVE, "once.ipynb")
    expect(form.locator(".wbl-told")).to_contain_text("out of order")
    page.unroute("**/notebooks/parameters*")
    form.get_by_label("rate: from").evaluate("input => (input.dataset.before = 'true')")
    page.evaluate(_SAVE, "once.ipynb")
    expect(form.locator(".wbl-told")).to_contain_text("Ready: 3 trials")
    expect(form.get_by_label("rate: from")).to_have_attribute("data-before", "true")  # who types there goes on

    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/api/jobs\?\d+$"), hold)
    page.evaluate("path => void jupyterapp.commands.execute('workbench:sweep-notebook', { path })", "once.ipynb")
    start = form.locator(".wbl-submit")
    with page.expect_request(re.compile(r"/api/jobs\?\d+$")):
        start.click()
    with page.expect_response(re.compile("notebooks/parameters")):
        page.evaluate(_SAVE, "once.ipynb")  # as submitting does where the notebook was changed
    expect(form.locator(".wbl-told")).to_have_text("Submitting …")
    expect(start).to_be_disabled()
    held[0].abort()
    expect(form.locator(".wbl-told")).to_have_text("Not submitted")
    expect(start).to_be_enabled()
    assert len(held) == 1


_PRINTS = """
import os, sys
place = sys.argv[1]
if os.path.exists(place + "/tried"):
    print("the second attempt", flush=True)
else:
    open(place + "/tried", "w").close()
    print("\\n".join(f"line {number} \u2588\u2588\u2588" for number in range(500_000)), flush=True)
door = os.open(place + "/door", os.O_RDWR)
while (told := os.read(door, 1)) == b"m":
    print("and one more", flush=True)
sys.exit(told == b"f")
"""


def test_a_long_log_is_shown_from_its_end_and_begins_anew_with_its_job(
    page: Page, lab: Lab, lab_client: MLClient, tmp_path: Path, loud: list[str]
) -> None:
    from playwright.sync_api import expect

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "prints.py").write_text(_PRINTS)
    os.mkfifo(tmp_path / "door")
    door = os.open(tmp_path / "door", os.O_RDWR)
    job = command(code=str(tmp_path / "code"), command=f"python prints.py {tmp_path}", retries=1)
    name = lab_client.create_or_update(job).name
    open_panel(page, lab)
    fetched: list[int] = []
    page.on("response", lambda answer: fetched.append(int(answer.headers.get("content-length", 0))))
    log = lab_client.context.workspace.trial(lab_client.jobs.record(str(name)).folder).log
    until(lab_client, lambda: log.exists() and log.stat().st_size > 5_000_000)
    page.evaluate("name => void jupyterapp.commands.execute('workbench:open-log', { name })", name)
    text = page.locator(".wbl-log")
    expect(text).to_contain_text("line 499999 \u2588\u2588\u2588")
    expect(text).to_contain_text("… the beginning is in the file")
    assert text.inner_text().splitlines()[1].startswith("line ")
    assert sum(fetched) < 5_000_000, "its end is enough of so long a log"
    os.write(door, b"m")
    expect(text).to_contain_text("and one more")
    os.write(door, b"f")
    expect(text).to_have_text("the second attempt\n")
    os.write(door, b"m")
    expect(text).to_have_text("the second attempt\nand one more\n")
    os.write(door, b"g")
    until(lab_client, lambda: lab_client.jobs.record(str(name)).status.is_finished)
    os.close(door)


def test_a_workspace_that_the_server_does_not_serve_is_told_as_such(page: Page, lab: Lab, change: Change) -> None:
    from playwright.sync_api import expect

    change({"workspace": "/"})
    panel = open_panel(page, lab)
    expect(panel.locator(".wbl-message.wbl-bad")).to_contain_text("outside of what this server serves")
    page.evaluate(
        "() => jupyterapp.serviceManager.settings.save('workbench-lab:plugin', JSON.stringify({ workspace: '' }))"
    )
    page.reload()
    expect(show_panel(page).locator("[role=treeitem]").first).to_be_visible()


def test_what_is_set_holds(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, change: Change, loud: list[str]
) -> None:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)
    change({"notifications": "toast", "confirm": False, "pageSize": 10, "concurrentTrials": 3})
    write_cells(lab.root / "set.ipynb", ["rate = 0.1", "import mlflow\nmlflow.log_metric('loss', rate)"])
    page.goto(lab.notebook("set.ipynb"))
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Sweep").click()
    expect(page.locator(".wbl-form").get_by_label("At once")).to_have_value("3")
    panel = show_panel(page)
    sweep = gate.job(name="set", display_name="set")(x=Uniform(0, 1)).sweep(
        primary_metric="score", goal="maximize", max_total_trials=12, max_concurrent_trials=2
    )
    sweep.name = "many_pages"
    lab_client.create_or_update(sweep)
    gate.open(12)
    expect(page.locator(".Toastify__toast")).to_contain_text("Best: score")
    row(panel, "many_pages").locator(".wbl-twisty").click()
    expect(panel.locator("[data-type=trial][data-name^=many_pages]")).to_have_count(10)


# Notes when the rows of the panel were drawn.
_NOTE_DRAWINGS = """panel => {
    window.drawn = [];
    const note = () => window.drawn.push(performance.now());
    new MutationObserver(note).observe(panel.querySelector('.wbl-tree'), { childList: true, subtree: true });
}"""


def test_news_is_drawn_as_often_as_is_set_and_what_the_user_does_at_once(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, change: Change
) -> None:
    from playwright.sync_api import expect

    change({"refreshRate": 2000})
    name = started(lab_client, gate, "seldom_drawn")
    panel = open_panel(page, lab)
    expect(row(panel, name)).to_have_attribute("data-status", "Running")
    panel.evaluate(_NOTE_DRAWINGS)
    for ended in (1, 2, 3):
        gate.open(1)
        expect(row(panel, name)).to_contain_text(f"{ended} of 4")
    drawn = page.evaluate("window.drawn")
    between = [later - earlier for earlier, later in itertools.pairwise(drawn)]
    assert [gap for gap in between if gap > 50], "more than one drawing"
    assert all(gap < 50 or gap > 1900 for gap in between), between
    change({"refreshRate": 60_000})
    panel = open_panel(page, lab)
    row(panel, name).locator(".wbl-twisty").click(timeout=20_000)
    expect(row(panel, f"{name}_3")).to_be_visible(timeout=20_000)
    panel.get_by_label("Search jobs").fill("nothing like it")
    expect(panel.get_by_text("No job matches")).to_be_visible(timeout=20_000)
    gate.open(1)


def test_the_foot_has_a_bar_for_each_gpu(page: Page, lab: Lab, lab_client: MLClient, loud: list[str]) -> None:
    from playwright.sync_api import expect

    devices = InMemoryDevices()
    first, second = (devices.add(24 * GIB, "NVIDIA RTX A5000") for _ in range(2))
    devices.start(first.uuid, 4_200_000, 6 * GIB)
    workspace = lab_client.context.workspace
    plugged = workspace.hidden / "devices.json"
    devices.write(plugged)
    workspace.settings.write_text(f"devices = {json.dumps(str(plugged))}\n")
    try:
        bars = open_panel(page, lab).locator(".wbl-gauge", has_text="GPU")
        expect(bars.locator("span:first-child")).to_have_text(["GPU 0", "GPU 1"])
        expect(bars.locator(".wbl-told")).to_have_text(["6 of 24 GB", "0 of 24 GB"])
        expect(bars.locator("i").first).to_have_attribute("style", "width: 25%;")
        expect(bars.first).to_have_attribute("title", re.compile("NVIDIA RTX A5000"))
        starts = {bar.bounding_box()["x"] for bar in bars.locator(".wbl-gaugebar").all()}
        assert len(starts) == 1, "the bars stand one below the other"
        devices.start(second.uuid, 4_200_001, 12 * GIB)
        devices.write(plugged)
        expect(bars.locator(".wbl-told").last).to_have_text("12 of 24 GB")
        expect(bars.locator("i").last).to_have_attribute("style", "width: 50%;")
    finally:
        workspace.settings.unlink()


def test_stopping_asks_only_if_it_is_set(
    page: Page, lab: Lab, lab_client: MLClient, gate: Gate, change: Change, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    change({"confirm": False})
    panel = open_panel(page, lab)
    name = started(lab_client, gate, "stopped_at_once")
    expect(row(panel, name)).to_have_attribute("data-status", "Running")
    choose(page, row(panel, name), "Pause: start no more trials")
    expect(row(panel, name)).to_contain_text("Paused")
    choose(page, row(panel, name), "Resume")
    expect(row(panel, name)).not_to_contain_text("Paused")
    choose(page, row(panel, name), "Stop")
    expect(row(panel, name)).to_have_attribute("data-status", "Canceled")

    # An open menu goes on meaning its job, which leaves the list below it.
    ends = Gate(tmp_path / "ends")
    stays, gone = (str(lab_client.create_or_update(one.job()).name) for one in (gate, ends))
    for name in (stays, gone):
        expect(row(panel, name)).to_have_attribute("data-status", "Running")
    panel.get_by_label("Which jobs are shown").select_option("active")
    row(panel, gone).click(button="right")
    ends.open()
    expect(row(panel, gone)).to_have_count(0)
    with page.expect_response(re.compile(f"/jobs/{gone}/rerun"), timeout=20_000) as answer:
        page.locator(".lm-Menu").get_by_text("Run Again", exact=True).click()
    again = answer.value.json()["name"]
    gate.open()
    ends.open()
    until(lab_client, lambda: all(lab_client.jobs.get(name).status == "Completed" for name in (stays, again)))
    ends.close()
