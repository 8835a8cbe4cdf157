"""Nothing is lost: many small sweeps while their parts are killed -9. The long run: ``make chaos KILLS=1000``."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.chaos.harness import RECOVERY, Harness

pytestmark = pytest.mark.flaky(reruns=0)  # one loss is one too many

KILLS = 42
CONTAINER_KILLS = 15


def test_nothing_is_lost_whatever_is_killed(
    tmp_path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_LEASES", "")  # the harness sets its own, and this brings back what was there
    seed = secrets.randbelow(2**31)
    print(f"seed {seed}: python -m tests.chaos --seed {seed}")
    harness = Harness(tmp_path / "workspace", seed, mlflow_database.parent)
    harness.run(KILLS)
    print(harness.table())
    assert harness.violations == []
    assert harness.kills.total() >= 40
    assert len(harness.kills) >= 4, "kinds of victims"
    assert max(harness.recoveries) < RECOVERY


def test_nothing_is_lost_in_containers_either(
    tmp_path: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch, base_image: str
) -> None:
    monkeypatch.setenv("WORKBENCH_LEASES", "")
    seed = secrets.randbelow(2**31)
    print(f"seed {seed}: python -m tests.chaos --seed {seed} --image {base_image}")
    harness = Harness(tmp_path / "workspace", seed, mlflow_database.parent, image=base_image)
    harness.run(CONTAINER_KILLS)
    print(harness.table())
    assert harness.violations == []
