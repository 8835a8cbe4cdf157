"""A real JupyterLab, and a real browser that looks at it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["CHROMIUM", "TOKEN", "Lab", "open_without_kernel", "running_lab", "write_cells"]

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-token-for-tests"


@dataclass(frozen=True)
class Lab:
    """A JupyterLab server.

    Args:
        address: without a trailing slash.
        root: the folder that it serves.
        application: ``jupyterlab``, or ``notebook`` for Notebook 7.
    """

    address: str
    root: Path
    application: str = "jupyterlab"

    def notebook(self, name: str) -> str:
        """Return the address of a notebook, signed in, in a layout of its own."""
        page = "lab/tree" if self.application == "jupyterlab" else "notebooks"
        return f"{self.address}/{page}/{name}?token={TOKEN}&reset"

    def fetch(self, path: str, *, signed_in: bool = True, method: str = "GET") -> tuple[int, str]:
        """Return status and text of an address."""
        request = urllib.request.Request(f"{self.address}/{path}", method=method)
        if signed_in:
            request.add_header("Authorization", f"token {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def kernels(self) -> list[dict[str, Any]]:
        """Return the kernels that run."""
        found: list[dict[str, Any]] = json.loads(self.fetch("api/kernels")[1])
        return found


@contextmanager
def running_lab(root: Path, *, application: str = "jupyterlab", without: Sequence[str] = ()) -> Iterator[Lab]:
    """Start a JupyterLab that serves ``root``; end it and its kernels afterwards.

    Args:
        root: the folder.
        application: ``jupyterlab``, or ``notebook`` for Notebook 7.
        without: extensions of the front end that are disabled.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = root / f".{application}{'-plain' if without else ''}"
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"),
        "IPYTHONDIR": str(settings / "ipython"),
    }
    news = settings / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    pages = settings / "config" / "labconfig" / "page_config.json"
    pages.parent.mkdir(parents=True)
    pages.write_text(json.dumps({"disabledExtensions": dict.fromkeys(without, True)}))
    log = (settings / "server.log").open("wb")
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            application,
            "--no-browser",
            "--allow-root",
            f"--{'LabApp' if application == 'jupyterlab' else 'JupyterNotebookApp'}.expose_app_in_browser=True",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={root}",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    lab = Lab(f"http://127.0.0.1:{port}", root, application)
    try:
        _await_answer(lab, server, settings / "server.log")
        yield lab
        for kernel in lab.kernels():
            lab.fetch(f"api/kernels/{kernel['id']}", method="DELETE")
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:  # it may wait for a kernel that was just starting
            server.kill()
            server.wait()
        log.close()


def _await_answer(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    import time

    give_up = time.monotonic() + 60
    while True:
        assert server.poll() is None, log.read_text()
        try:
            if lab.fetch("api")[0] == 200:
                return
        except urllib.error.URLError:
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)  # a server that starts tells nobody when it listens


def open_without_kernel(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook and say that it needs no kernel."""
    page.goto(lab.notebook(name))
    page.locator(".jp-Dialog").wait_for()
    page.keyboard.press("Escape")
    page.locator(".jp-Dialog").wait_for(state="detached")


def write_cells(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook of code cells."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
