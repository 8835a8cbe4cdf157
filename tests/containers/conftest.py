"""What the tests with a container engine share: an image, and that no container of theirs is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import client_of
from tests.supervisor.gates import until
from workbench import MLClient
from workbench.entities import Environment
from workbench.environments.engine import LABEL, address, connect
from workbench.testing.devices import InMemoryDevices


@pytest.fixture(scope="package")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The UUID of the one GPU that the stand-in for a driver shows, and the file of that stand-in."""
    devices, file = InMemoryDevices(), tmp_path_factory.mktemp("driver") / "devices.json"
    uuid = devices.add().uuid
    devices.write(file)
    return uuid, file


@pytest.fixture(scope="package")
def shared_client(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, gpu: tuple[str, Path]
) -> Iterator[MLClient]:
    """A client on a workspace that all tests with containers share: a supervisor takes seconds to start."""
    with client_of(tmp_path_factory.mktemp("shared") / "workspace", mlflow_database) as client:
        client.context.workspace.settings.write_text(f'grace = 1\nslots = 10\ndevices = "{gpu[1]}"\n')
        yield client


@pytest.fixture
def in_image(base_image: str) -> Environment:
    return Environment(image=base_image)


@pytest.fixture(autouse=True)
def _nothing_is_left(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every container that a workspace of these tests has made is gone at the end of each."""
    yield
    if "base_image" not in request.fixturenames:
        return
    trials = connect(address()).containers(all=True, filters={"label": f"{LABEL}=trial"})
    base = tmp_path_factory.getbasetemp()
    ours = [one for one in trials if Path(one["Labels"][f"{LABEL}.workspace"]).is_relative_to(base)]
    assert ours == [], "containers are left"


def containers_of(client: MLClient, **labels: str) -> list[dict[str, Any]]:
    """Return the containers of a workspace, running or not."""
    wanted = {"workspace": str(client.context.workspace.root), **labels}
    filters = {"label": [f"{LABEL}.{name}={value}" for name, value in wanted.items()]}
    found: list[dict[str, Any]] = connect(address()).containers(all=True, filters=filters)
    return found


def until_it_runs(client: MLClient, name: str) -> None:
    """Wait until a job is Running."""
    until(client, lambda: client.jobs.record(name).status == "Running", lambda: client.jobs.record(name))
