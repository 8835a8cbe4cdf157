from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import CHROMIUM, PATIENCE, Lab, running_lab
from tests.conftest import client_of
from workbench import MLClient

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def lab_client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    """A client on the workspace that the JupyterLab of this module serves."""
    with client_of(tmp_path_factory.mktemp("lab") / "served", mlflow_database) as client:
        yield client


@pytest.fixture(scope="module")
def lab(lab_client: MLClient) -> Iterator[Lab]:
    """A JupyterLab that serves the workspace's folder."""
    with running_lab(lab_client.workspace_folder) as lab:
        yield lab


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
def page(browser: Browser, failures: list[str]) -> Iterator[Page]:
    """A page whose scripts must not fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: failures.append(f"{error}\n{error.stack}"))
    yield page
    context.close()
    assert failures == []


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures of this test go."""
    folder = tmp_path / "shots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
