"""The view in all its states, in a real JupyterLab with no kernel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from tests.browser.lab import Lab, open_without_kernel, running_lab
from tests.browser.states import nobody_starts, write_states, write_views
from tests.conftest import client_of
from workbench import MLClient
from workbench.definition.status import JobStatus
from workbench.store.records import Point

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Dark", "JupyterLab Dark High Contrast")  # it opens in the light one

# JupyterLab's part of ipywidgets asks each notebook for its kernel's id, also one that has none.
FOREIGN = re.compile(r"null \(reading 'kernel'\)[^$]*jupyterlab-manager")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(tmp_path_factory.mktemp("lab") / "states", mlflow_database) as client, nobody_starts(client):
        yield client


@pytest.fixture(scope="module")
def lab(client: MLClient) -> Iterator[Lab]:
    """A JupyterLab that ends before the jobs are left alone: it would start a supervisor for them."""
    with running_lab(client.workspace_folder.parent) as lab:
        yield lab


@pytest.fixture(scope="module")
def states(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_states(client, tmp_path_factory.mktemp("code"), many=300)


@pytest.fixture(scope="module")
def page(lab: Lab, client: MLClient, states: dict[str, str], browser: Browser) -> Iterator[Page]:
    """A notebook with a view of each state, opened once."""
    write_views(lab.root / "states.ipynb", client, list(states.values()))
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(60_000)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(f"{error}\n{error.stack}"))
    open_without_kernel(page, lab, "states.ipynb")
    yield page
    context.close()
    assert [told for told in failures if not FOREIGN.search(told)] == []


@pytest.fixture
def look(page: Page, states: dict[str, str]) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)

    def look(state: str) -> Locator:
        view = page.locator(".wb-view", has=page.locator(".wb-title", has_text=states[state]))
        view.scroll_into_view_if_needed()
        return view

    return look


STATES = {
    "empty": ("▶ Running", "No trial has started yet"),
    "waiting": ("▶ Running", "waits: 4 of 4 slots in use"),
    "running": ("10 of 20 · 2 running", "best loss"),
    "paused": ("‖ paused", "Resume"),
    "failed": ("✗ Failed", "No trial has logged “loss”"),
    "canceled": ("⊘ Canceled", "canceled by the user"),
    "finished": ("✓ Completed", "best accuracy"),
    "many": ("✓ Completed", "300 trials"),
    "wide": ("10 of 20", "12 of 67 parameters drawn"),
    "job queued": ("… Queued", "waits for a GPU"),
    "job preparing": ("⚙ Preparing", "installing 14 packages"),
    "job running": ("▶ Running", "Nothing is printed yet"),
    "job failed": ("✗ Failed", "lower the learning rate"),
    "job canceled": ("⊘ Canceled", "canceled by the user"),
    "job finished": ("✓ Completed", "time 20 s"),
}


def test_every_state_says_what_it_is(look: Any, states: dict[str, str]) -> None:
    from playwright.sync_api import expect

    assert STATES.keys() == states.keys()
    for state, texts in STATES.items():
        for text in texts:
            expect(look(state)).to_contain_text(text)


def test_axe_finds_nothing_serious(page: Page, look: Any, states: dict[str, str]) -> None:
    from playwright.sync_api import expect

    page.add_script_tag(content=AXE.read_text())
    problems = []
    view = look("finished")
    for tab in view.get_by_role("tab").all():
        tab.click()
        expect(view.locator(".wb-panel:visible")).not_to_contain_text(re.compile("Drawing|Working out|Looking for"))
        problems += _problems(page, [states["finished"]], within=".wb-panel:not([hidden])")
    view.get_by_role("tab").first.click()
    shown = [states[state] for state in ("finished", "running", "failed", "empty", "job failed", "job preparing")]
    problems += _problems(page, shown)
    for theme in THEMES:
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        expect(page.locator(f"body[data-jp-theme-name='{theme}']")).to_have_count(1)
        problems += [f"{theme}: {problem}" for problem in _problems(page, shown, rule="color-contrast")]
    assert problems == []


def test_the_end_of_a_trace_is_in_sight(look: Any) -> None:
    from playwright.sync_api import expect

    trace = look("job failed").get_by_role("region", name="error")
    expect(trace).to_contain_text("lower the learning rate")
    assert trace.evaluate("trace => trace.scrollHeight > trace.clientHeight")
    ends = "trace => [trace, trace.firstElementChild].map(one => one.getBoundingClientRect().bottom)"
    box, text = trace.evaluate(ends)
    assert text == pytest.approx(box, abs=1)


def _problems(page: Page, names: list[str], *, within: str = "", rule: str | None = None) -> list[str]:
    """Return what axe finds serious or critical in the views of some jobs, or a part of them, by one rule or by all."""
    found = page.evaluate(
        """async ([names, within, rule]) => {
            const views = [...document.querySelectorAll('.wb-view')];
            const shown = names.map(name => views.find(one => one.textContent.includes(name)));
            const include = within ? shown.map(one => one.querySelector(within)) : shown;
            const only = rule ? { runOnly: { type: 'rule', values: [rule] } } : {};
            const { violations } = await axe.run({ include }, { resultTypes: ['violations'], ...only });
            return violations.filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(
                one => one.nodes.map(node => `${one.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
        }""",
        [names, within, rule],
    )
    return [str(problem) for problem in found]


def test_the_head_shows_slots_and_gpus(look: Any) -> None:
    from playwright.sync_api import expect

    head = look("running").locator(".wb-head")
    expect(head).to_contain_text(re.compile(r"slots \d+ of 12"))
    expect(head).to_contain_text("GPU 0 61 %, 3.1 of 24 GB")
    expect(head).to_contain_text("GPU 1 0 %, 0.4 of 24 GB")
    expect(look("finished").locator(".wb-head")).not_to_contain_text("slots")


def _until_axes_begin(page: Page, name: str, first: str) -> None:
    """Wait until the axis at the left is this one; the order on the page is not the order in the document."""
    page.wait_for_function(
        """([name, first]) => {
            const view = [...document.querySelectorAll('.wb-view')].find(one => one.textContent.includes(name));
            const titles = [...view.querySelectorAll('.parcoords .axis-title')];
            const left = one => one.getBoundingClientRect().left;
            return titles.sort((a, b) => left(a) - left(b))[0]?.textContent === first;
        }""",
        arg=[name, first],
    )


def test_axes_are_chosen_and_moved(page: Page, look: Any, client: MLClient, states: dict[str, str]) -> None:
    from playwright.sync_api import expect

    view = look("wide")
    titles = view.locator(".parcoords .axis-title")
    expect(titles).to_have_count(14)
    view.get_by_text("axes").click()
    view.get_by_label("search axes").fill("width6")
    view.get_by_label("width64", exact=True).check()
    expect(titles).to_have_count(15)
    view.get_by_label("search axes").fill("")
    view.get_by_label("lr", exact=True).uncheck()
    expect(titles).to_have_count(14)
    move = view.get_by_role("button", name="move optimizer before")
    move.press("Enter")
    expect(move).to_be_focused()
    move.press("Enter")
    _until_axes_begin(page, states["wide"], "optimizer")
    page.keyboard.press("Escape")
    expect(view.get_by_label("search axes")).to_be_hidden()

    # What was chosen stays through updates.
    expect(view.locator(".wb-note").first).to_contain_text("12 of 67 parameters drawn")
    with client.context.store.write() as writer:
        writer.update_job(f"{states['wide']}_11", score=0.01, status=JobStatus.COMPLETED, ended=2e9)
        writer.patch_properties(states["wide"], {"best_child_run_id": f"{states['wide']}_11"})
    expect(view.locator(".wb-head")).to_contain_text("best loss 0.01")
    expect(view.locator(".wb-note").first).to_contain_text("12 of 67 parameters drawn")
    expect(titles).to_have_count(14)
    _until_axes_begin(page, states["wide"], "optimizer")

    # Dragging an axis moves it in the list too.
    box = titles.filter(has_text="optimizer").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    view.get_by_text("axes").click()
    keys = view.locator(".wb-list input[type=checkbox]")
    expect(keys.first).not_to_have_attribute("data-key", "show optimizer")
    page.keyboard.press("Escape")


def test_a_narrow_cell_begins_with_fewer_axes(
    browser: Browser, lab: Lab, client: MLClient, states: dict[str, str]
) -> None:
    from playwright.sync_api import expect

    write_views(lab.root / "narrow.ipynb", client, [states["wide"]])
    context = browser.new_context(viewport={"width": 560, "height": 900})
    page = context.new_page()
    open_without_kernel(page, lab, "narrow.ipynb")
    page.evaluate("jupyterapp.shell.collapseLeft()")
    view = page.locator(".wb-view")
    expect(view.locator(".wb-note").first).to_have_text(re.compile(r"^[3-6] of 67 parameters drawn$"), timeout=60_000)
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth")
    context.close()


def test_duplicating_puts_a_cell_below(page: Page, look: Any, states: dict[str, str]) -> None:
    from playwright.sync_api import expect

    cells = page.locator(".jp-Notebook .jp-CodeCell")
    before = cells.count()
    view = look("job finished")
    view.get_by_role("button", name="Duplicate").click()
    expect(cells).to_have_count(before + 1)
    expect(view.locator(".wb-message")).to_contain_text("The cell below opens the builder")
    # The server shows another workspace: the kernel would not find the job by its name alone.
    expect(cells.last).to_contain_text(
        f'workbench.builder("{states["job finished"]}", client=workbench.MLClient(path="'
    )


def _rows(view: Locator) -> list[str]:
    """Return the names of the trials that the table shows, in their order on the screen."""
    found: list[str] = view.locator(".ag-grid-scrolling-rows").evaluate(
        """rows => [...rows.querySelectorAll("[row-id]")]
            .sort((a, b) => a.getAttribute("row-index") - b.getAttribute("row-index"))
            .map(row => row.getAttribute("row-id"))"""
    )
    return found


def _marked(page: Page, name: str, wanted: object) -> None:
    """Wait until parallel coordinates mark these parts of the axis of trials."""
    page.wait_for_function(
        """([name, wanted]) => {
            const view = [...document.querySelectorAll('.wb-view')].find(one => one.textContent.includes(name));
            const [trials] = view.querySelector('.wb-plot').data[0].dimensions;
            return JSON.stringify(trials.constraintrange ?? null) === JSON.stringify(wanted);
        }""",
        arg=[name, wanted],
    )


def _drag(page: Page, view: Locator, axis: int, begin: float, end: float) -> None:
    """Brush an axis, 0 being its upper end; a drag of no length is a click."""
    box = view.locator(".parcoords .axis-brush .background").nth(axis).bounding_box()
    assert box is not None
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + begin * box["height"])
    page.mouse.down()
    if begin != end:
        page.mouse.move(x, box["y"] + (begin + end) / 2 * box["height"], steps=4)
        page.mouse.move(x, box["y"] + end * box["height"], steps=4)
    page.mouse.up()


def test_the_table_searches_filters_pins_and_hides(look: Any, states: dict[str, str]) -> None:
    from playwright.sync_api import expect

    view, name = look("paused"), states["paused"]
    rows = view.locator(".ag-grid-scrolling-rows [row-id]")
    expect(rows).to_have_count(12)
    expect(rows.first.locator(".wb-spark")).to_be_visible()
    view.get_by_label("search trials").fill("Running")
    expect(rows).to_have_count(2)
    assert sorted(_rows(view)) == [f"{name}_10", f"{name}_11"]
    view.get_by_label("search trials").fill("")
    view.get_by_role("button", name="Filter", exact=True).click()
    view.get_by_label("status Filter Input").fill("Completed")
    expect(rows).to_have_count(10)
    view.get_by_role("button", name="Filter", exact=True).click()
    expect(rows).to_have_count(12)
    rows.locator("[col-id=status]").first.click()
    view.get_by_role("button", name="Pin", exact=True).click()
    pinned = view.locator(".ag-grid-pinned-top-rows-container [role=row]")
    expect(pinned).to_have_count(1)
    view.get_by_role("button", name="Pin", exact=True).click()
    expect(pinned).to_have_count(0)
    head = view.locator(".ag-header-cell[col-id='params.optimizer']")
    expect(head).to_have_count(1)
    view.get_by_text("columns", exact=True).click()
    column = view.locator(".wb-columns").get_by_label("optimizer", exact=True)
    column.uncheck()
    expect(head).to_have_count(0)
    column.check()
    view.get_by_text("columns", exact=True).click()
    time = view.locator(f"[row-id='{name}_11'] [col-id=duration]")
    expect(time).not_to_have_text(time.inner_text())  # it runs, and nothing is written


def test_order_selection_scroll_and_brush_hold_through_updates(
    page: Page, look: Any, client: MLClient, states: dict[str, str]
) -> None:
    from playwright.sync_api import expect

    view, name = look("paused"), states["paused"]
    store = client.context.store
    scores = {f"{name}_{number}": store.job(f"{name}_{number}").score or 0 for number in range(12)}  # type: ignore[union-attr]
    counted = view.locator(".wb-tools [role=status]")
    view.locator(".ag-header-cell[col-id=score]").click()
    best = sorted(scores, key=lambda one: scores[one])
    expect(view.locator(f"[row-id='{best[0]}']").first).to_have_attribute("row-index", "0")
    assert _rows(view) == best

    # What is selected is marked among the lines, also after a click on that axis has taken the marks away.
    chosen = best[2]
    number = int(chosen.rpartition("_")[2])
    view.locator(f"[row-id='{chosen}'] [col-id=status]").click()
    _marked(page, name, [[number - 0.5, number + 0.5]])
    inside = 0.98 if number > 5 else 0.02
    _drag(page, view, 0, inside, inside)
    expect(counted).to_have_text("12 trials")
    view.locator(f"[row-id='{chosen}'] [col-id=status]").click()
    _marked(page, name, [[number - 0.5, number + 0.5]])
    view.get_by_role("tab", name="Progress").click()
    page.wait_for_function(
        """([name, number]) => {
            const view = [...document.querySelectorAll('.wb-view')].find(one => one.textContent.includes(name));
            const plot = view.querySelector('[data-panel=progress] .wb-plot');
            const marks = (plot.data ?? []).filter(one => one.selectedpoints);
            return marks.some(one => one.selectedpoints.some(index => one.customdata[index] === number));
        }""",
        arg=[name, number],
    )
    view.get_by_role("tab", name="Parallel coordinates").click()

    # A brush of the metric alone cannot narrow the search, and says so; a new trial comes into it behind another tab.
    _drag(page, view, 3, 0.01, 0.999)
    expect(counted).to_have_text(re.compile(r"in the brush · 1 selected"))
    within = int(re.findall(r"(\d+) in the brush", counted.inner_text())[0])
    narrow = view.get_by_role("button", name="Narrow the search to this brush")
    expect(narrow).to_have_attribute("aria-disabled", "true")
    narrow.click(force=True)
    expect(view.locator(".wb-message")).to_contain_text("No parameter is brushed")
    view.get_by_role("tab", name="Log").click()
    scroll = view.locator(".ag-grid-viewport")
    scroll.evaluate("body => { body.scrollTop = 15; }")
    with store.write() as writer:
        template = store.job(best[4])
        assert template is not None
        writer.add_job(replace(template, name=f"{name}_12", display_name=f"{name}_12", number=12))
        writer.add_points([Point(f"{name}_12", "loss", 0.5, 0, 0)])
    expect(counted).to_have_text(f"13 trials · {within + 1} in the brush · 1 selected")
    expect(view.locator(f"[row-id='{chosen}'] [col-id=status]")).to_be_visible()
    fresh = view.locator(f".ag-grid-scrolling-rows [row-id='{name}_12']")
    expect(fresh).to_have_count(1)
    assert [one for one in _rows(view) if one != f"{name}_12"] == [one for one in best if one in _rows(view)]
    expect(view.locator(f".ag-grid-scrolling-rows [row-id='{chosen}']")).to_have_attribute("aria-selected", "true")
    assert scroll.evaluate("body => body.scrollTop") == 15
    view.get_by_role("tab", name="Parallel coordinates").click()
    view.get_by_role("button", name="Clear brush").click()
    expect(counted).to_have_text("13 trials · 1 selected")


def test_a_saved_notebook_holds_the_last_state(
    page: Page, look: Any, lab: Lab, client: MLClient, states: dict[str, str]
) -> None:
    from playwright.sync_api import expect

    name = states["running"]
    expect(look("running").locator(".wb-head")).to_contain_text("Running")
    unsaved = page.locator(".lm-TabBar-tab.jp-mod-dirty", has_text="states.ipynb")
    page.keyboard.press("Control+s")
    expect(unsaved).to_have_count(0)
    with client.context.store.write() as writer:
        for number in (10, 11):
            writer.update_job(f"{name}_{number}", status=JobStatus.COMPLETED, ended=2e9)
        writer.update_job(name, status=JobStatus.COMPLETED, ended=2e9)
    expect(look("running").locator(".wb-head")).to_contain_text("✓ Completed")
    expect(unsaved).to_have_count(1)
    page.keyboard.press("Control+s")
    expect(unsaved).to_have_count(0)
    book = json.loads((lab.root / "states.ipynb").read_text())
    kept = {
        data["application/vnd.workbench.job+json"]["name"]: data
        for cell in book["cells"]
        for output in cell["outputs"]
        for data in [output["data"]]
    }
    assert "12 of 20 trials" in "".join(kept[name]["text/html"])
    assert "".join(kept[name]["text/plain"]) == f"{name}: Completed"
    assert "".join(kept[states["paused"]]["text/html"]) == "<p>the last state</p>", "what still runs is left alone"


def test_an_executed_notebook_opens_from_a_cell_in_whichever_workspace_it_is(
    page: Page, look: Any, lab: Lab, client: MLClient, states: dict[str, str]
) -> None:
    from playwright.sync_api import expect

    record = client.jobs.record(states["job canceled"])
    executed = client.context.workspace.trial(record.folder).notebook
    executed.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("as it was executed")]), executed)
    with client.context.store.write() as writer:
        writer.update_job(record.name, launch={**record.launch, "kind": "notebook"})
    view = look("job canceled")
    view.get_by_role("tab", name="Outputs").click()
    view.get_by_role("button", name="Open the executed notebook").click()
    expect(page.locator(".jp-NotebookPanel", has_text="as it was executed")).to_be_visible()
    assert lab.kernels() == []


def test_what_a_broken_connection_keeps_away_is_asked_for_again(
    browser: Browser, lab: Lab, client: MLClient, states: dict[str, str]
) -> None:
    from playwright.sync_api import expect

    write_views(lab.root / "broken.ipynb", client, [states["finished"]])
    context = browser.new_context()
    page = context.new_page()
    broken = {"/workbench/job": 1, "/workbench/plotly.js": 2}

    def answer(route: Route) -> None:
        place = next(place for place in broken if place in route.request.url)
        broken[place] -= 1
        if broken[place] >= 0:
            route.abort("connectionfailed")
        else:
            route.continue_()

    page.route(re.compile("workbench/(job|plotly.js)"), answer)
    open_without_kernel(page, lab, "broken.ipynb")
    expect(page.locator(".wb-view .parcoords .axis-title").first).to_be_visible(timeout=60_000)
    assert max(broken.values()) < 0
    context.close()
