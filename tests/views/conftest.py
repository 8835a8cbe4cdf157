from __future__ import annotations

from pathlib import Path

import pytest

from tests.views.past import past_sweep
from workbench import MLClient
from workbench.views.facts import JobFacts


@pytest.fixture
def past(ml_client: MLClient, tmp_path: Path) -> JobFacts:
    """Facts of a sweep of 30 trials that has ended."""
    name = past_sweep(ml_client, tmp_path / "code", 30)
    return JobFacts(ml_client.context.store, ml_client.context.workspace, name)
