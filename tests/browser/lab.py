"""A real JupyterLab, and a real browser that looks at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from workbench.supervisor.ports import lasting_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["CHROMIUM", "PATIENCE", "TOKEN", "Lab", "open_without_kernel", "running_lab", "write_cells"]

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "a-token-for-tests"
PATIENCE = 300_000  # milliseconds; for what never comes, not for a slow machine, where a model loads for a minute


@dataclass
class Lab:
    """A JupyterLab server.

    Args:
        root: the folder that it serves.
        port: where it listens, also after it was started again.
        application: ``jupyterlab``, or ``notebook`` for Notebook 7.
        without: extensions of the front end that are disabled.
    """

    root: Path
    port: int
    application: str = "jupyterlab"
    without: Sequence[str] = ()
    _server: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where it is, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                _command(self), stdout=log, stderr=subprocess.STDOUT, env=_environment(self.settings)
            )
        _await_answer(self, self._server)

    def kill(self) -> None:
        """End it with no chance to say so."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def stop(self) -> None:
        """End it in order."""
        assert self._server is not None
        self._server.terminate()
        try:
            self._server.wait(60)
        except subprocess.TimeoutExpired:  # it may wait for a kernel that was just starting
            self.kill()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._server is not None
        return self._server.pid

    @property
    def settings(self) -> Path:
        """Where it keeps what is its own."""
        return self.root / f".{self.application}{'-plain' if self.without else ''}"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.settings / "server.log"

    def open(self) -> str:
        """Return the address of JupyterLab, signed in, in a layout of its own."""
        return f"{self.address}/lab?token={TOKEN}&reset"

    def notebook(self, name: str) -> str:
        """Return the address of a notebook, signed in, in a layout of its own."""
        page = "lab/tree" if self.application == "jupyterlab" else "notebooks"
        return f"{self.address}/{page}/{name}?token={TOKEN}&reset"

    def fetch(
        self, path: str, *, signed_in: bool = True, method: str = "GET", timeout: float = PATIENCE / 1000
    ) -> tuple[int, str]:
        """Return status and text of an address."""
        request = urllib.request.Request(f"{self.address}/{path}", method=method)
        if signed_in:
            request.add_header("Authorization", f"token {TOKEN}")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
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
    port = lasting_port()
    lab = Lab(root, port, application, without)
    news = lab.settings / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    documents = lab.settings / "settings" / "@jupyterlab" / "docmanager-extension" / "plugin.jupyterlab-settings"
    documents.parent.mkdir(parents=True)
    documents.write_text(json.dumps({"autosave": False}))  # a test that looks whether something was saved has done it
    pages = lab.settings / "config" / "labconfig" / "page_config.json"
    pages.parent.mkdir(parents=True)
    pages.write_text(json.dumps({"disabledExtensions": dict.fromkeys(without, True)}))
    try:
        lab.start()
        yield lab
        for kernel in lab.kernels():
            lab.fetch(f"api/kernels/{kernel['id']}", method="DELETE")
    finally:
        lab.stop()


def _environment(settings: Path) -> dict[str, str]:
    return os.environ | {
        "JUPYTER_CONFIG_DIR": str(settings / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(settings / "runtime"),
        "IPYTHONDIR": str(settings / "ipython"),
    }


def _command(lab: Lab) -> list[str]:
    return [
        sys.executable,
        "-m",
        lab.application,
        "--no-browser",
        "--allow-root",
        f"--{'LabApp' if lab.application == 'jupyterlab' else 'JupyterNotebookApp'}.expose_app_in_browser=True",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={lab.port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={lab.root}",
    ]


def _await_answer(lab: Lab, server: subprocess.Popen[bytes]) -> None:
    import time

    give_up = time.monotonic() + PATIENCE / 1000
    while True:
        assert server.poll() is None, lab.log.read_text()
        with suppress(OSError):  # nobody listens yet, or it tries its port, and sends away who has come by then
            if lab.fetch("api", timeout=10)[0] == 200:
                return
        assert time.monotonic() < give_up, lab.log.read_text()
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
