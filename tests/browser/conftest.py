from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import CHROMIUM, PATIENCE, Lab, running_lab
from tests.conftest import client_of
from workbench import MLClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def application() -> str:
    """What of Jupyter serves the workspace of this module."""
    return "jupyterlab"


@pytest.fixture(scope="module")
def lab_clients(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[Callable[[int], MLClient]]:
    """Workspaces by the times that a test is run: one that is run again begins in a new one."""
    with ExitStack() as opened:

        @functools.cache
        def client(times: int) -> MLClient:
            assert times
            return opened.enter_context(client_of(tmp_path_factory.mktemp("lab") / "served", mlflow_database))

        yield client


@pytest.fixture(scope="module")
def labs(lab_clients: Callable[[int], MLClient], application: str) -> Iterator[Callable[[int], Lab]]:
    """A server for each of these workspaces."""
    with ExitStack() as opened:

        @functools.cache
        def lab(times: int) -> Lab:
            folder = lab_clients(times).workspace_folder
            return opened.enter_context(running_lab(folder, application=application))

        yield lab


@pytest.fixture
def lab_client(lab_clients: Callable[[int], MLClient], request: pytest.FixtureRequest) -> MLClient:
    """A client on the workspace that the JupyterLab of this module serves."""
    return lab_clients(_times(request))


@pytest.fixture
def lab(labs: Callable[[int], Lab], request: pytest.FixtureRequest) -> Lab:
    """A JupyterLab that serves the workspace's folder."""
    return labs(_times(request))


def _times(request: pytest.FixtureRequest) -> int:
    """Return how often a test has been run, this time included, as pytest-rerunfailures notes it."""
    return int(getattr(request.node, "execution_count", 1))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, as Debian has it; Playwright's event loop ends with these tests, for others start one of their own."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def failures() -> list[str]:
    """What scripts of the page have failed with; a test may take out what it has caused on purpose."""
    return []


@pytest.fixture
def foreign() -> re.Pattern[str]:
    """What is no failure of ours: a fault of another's script that pages of this module meet, at any time."""
    return re.compile("(?!)")


@pytest.fixture
def page(browser: Browser, failures: list[str], foreign: re.Pattern[str]) -> Iterator[Page]:
    """A page whose scripts must not fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: failures.append(f"{error}\n{error.stack}"))
    yield page
    context.close()
    assert [told for told in failures if not foreign.search(told)] == []


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures of this test go."""
    folder = tmp_path / "shots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
