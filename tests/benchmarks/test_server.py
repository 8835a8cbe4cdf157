"""What the first look at models and importance costs the server: memory, and for how long its event loop is held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Table
from tests.conftest import client_of
from tests.server.serving import INSIDE, Server, running_server
from tests.views.past import past_sweep
from workbench import MLClient

pytestmark = pytest.mark.benchmark

_TIMES = 10


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    with client_of(tmp_path_factory.mktemp("served") / "root" / "work", mlflow_database) as client:
        yield client


@pytest.fixture(scope="module")
def server(client: MLClient) -> Iterator[Server]:
    with running_server(client.workspace_folder.parent, INSIDE) as server:
        yield server


def test_models_and_importance(server: Server, client: MLClient, tmp_path: Path, table: Table) -> None:
    name = past_sweep(client, tmp_path / "code", 300)

    def ask(path: str) -> float:
        began = time.perf_counter()
        answer = server.fetch(f"workbench/api/{path}?workspace=work")
        assert answer.status == 200, answer.body
        return time.perf_counter() - began

    ask("jobs")
    before = server.inside()["bytes"]
    for what, path in {"models": "models", "the figure of importance": f"jobs/{name}/figures/importance"}.items():
        first = ask(path)
        held = server.inside()["longest"]
        later = sorted(ask(path) for _ in range(_TIMES))[_TIMES // 2]
        table(f"{what}: first answer, median of the next {_TIMES}", f"{first:.1f} s, {1000 * later:.0f} ms", "")
        table(f"{what}: the loop was held meanwhile, at most", f"{1000 * held:.0f} ms", "<= 100 ms")
        assert held <= 0.1
    grown = server.inside()["bytes"] - before
    table("what the server has grown by", f"{grown / 1e6:.0f} MB", "<= 20 MB")
    assert grown <= 20e6
