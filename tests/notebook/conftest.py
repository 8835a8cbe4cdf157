"""Notebook jobs that run to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.supervisor.test_sweeps_end_to_end import finish
from workbench import MLClient
from workbench.definition.records import AnyJob
from workbench.store.files import TrialFolder

__all__ = ["Ran"]


@dataclass
class Ran:
    """A notebook trial that has ended."""

    job: AnyJob

    @property
    def folder(self) -> TrialFolder:
        return TrialFolder(Path(str(self.job.folder)))

    @property
    def log(self) -> str:
        return self.folder.log.read_text()

    @property
    def book(self) -> Any:
        return nbformat.reads(self.folder.notebook.read_text(), as_version=4)

    def outputs(self, cell: int) -> list[Any]:
        """Return the outputs of the code cell that has the prompt ``cell``."""
        return next(c["outputs"] for c in self.book["cells"] if c.get("execution_count") == cell)


@pytest.fixture
def run(shared_client: MLClient) -> Callable[[AnyJob], Ran]:
    return lambda job: Ran(finish(shared_client, job))
