"""A real IPython shell in a workspace of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.conftest import client_of
from workbench import MLClient
from workbench.client.waiting import wait_until
from workbench.definition.records import AnyJob
from workbench.magics.session import Session
from workbench.store.records import JobRecord

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Notebook:
    """A user at an IPython shell."""

    def __init__(self, shell: InteractiveShell, client: MLClient, capture: pytest.CaptureFixture[str]) -> None:
        self.shell, self.client = shell, client
        self._capture = capture

    def run(self, cell: str) -> Any:
        """Run a cell and return its value; what it shows is in ``shown``."""
        self._capture.readouterr()
        ran = self.shell.run_cell(cell)  # type: ignore[no-untyped-call]
        out, err = self._capture.readouterr()
        self.shown = _ANSI.sub("", out + err)
        self.error = ran.error_in_exec or ran.error_before_exec
        return ran.result

    def fails(self, cell: str) -> str:
        """Run a cell that cannot go well and return the one line that is shown."""
        self.run(cell)
        assert self.error is not None, self.shown
        assert "Traceback" not in self.shown
        return self.shown.strip()

    def finish(self, name: str | None) -> AnyJob:
        """Return a job as it is when it has ended."""
        assert name is not None
        assert wait_until(lambda: self.client.jobs.record(name).status.is_finished, self.client.context, 120)
        return self.client.jobs.get(name)

    def trials(self, name: str | None) -> list[JobRecord]:
        """Return the trials of a sweep in order."""
        return self.client.context.store.children(str(name))

    def log(self, record: JobRecord) -> str:
        """Return what a job or trial has printed."""
        return self.client.context.workspace.trial(record.folder).log.read_text()

    def complete(self, text: str) -> list[str]:
        """Press Tab behind a text."""
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            return [found.text for found in self.shell.Completer.completions(text, len(text))]


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path
) -> Iterator[tuple[InteractiveShell, MLClient]]:
    """The shell and the workspace that the tests of a module share; the shell stands in a folder of the workspace."""
    root = tmp_path_factory.mktemp("magics") / "workspace"
    with client_of(root, mlflow_database) as client, pytest.MonkeyPatch.context() as patch:
        (root / "book").mkdir()
        patch.chdir(root / "book")
        patch.setattr(Session, "_client", None)
        patch.setattr(Session, "last", None)
        shell: Any = InteractiveShell()  # type: ignore[no-untyped-call]
        shell.run_cell("%load_ext workbench")
        shell.run_cell("%colors nocolor")
        yield shell, client
        if Session._client is not None:
            Session._client.context.store.close()


@pytest.fixture
def book(home: tuple[InteractiveShell, MLClient], capsys: pytest.CaptureFixture[str]) -> Notebook:
    """The user at the shell."""
    return Notebook(*home, capsys)
