from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import client_of
from tests.server.serving import INSIDE, Contract, Server, Space, running_server
from workbench import MLClient


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this folder; each module has a workspace of its own in it."""
    root = tmp_path_factory.mktemp("served")
    with running_server(root, INSIDE, "--ServerApp.authorizer_class=tests.server.authorizers.AsAsked") as server:
        yield server
        assert server.heavy() == set()  # whatever it was asked for
    assert "workbench/server/" not in server.log.read_text()  # as a traceback of ours would have it


@pytest.fixture(scope="session")
def contract(server: Server) -> Contract:
    """The server's description of itself."""
    return Contract(server.fetch("workbench/api/openapi.json").json)


@pytest.fixture(scope="session")
def description(contract: Contract) -> Mapping[str, Any]:
    """The same as plain values."""
    return contract.description


@pytest.fixture(scope="module")
def space(server: Server, contract: Contract, request: pytest.FixtureRequest) -> Space:
    """This module's workspace as the server shows it."""
    return Space(server, request.module.__name__.rpartition(".")[2], contract)


@pytest.fixture(scope="module")
def client(space: Space, mlflow_database: Path) -> Iterator[MLClient]:
    """A client on it."""
    with client_of(space.path, mlflow_database) as client:
        yield client
