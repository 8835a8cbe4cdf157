"""What the tests with a container engine share: an image, and that no container of theirs is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from workbench import MLClient
from workbench.entities import Environment
from workbench.environments.engine import LABEL, address, connect


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
    ours = [
        one for one in trials if one["Labels"][f"{LABEL}.workspace"].startswith(str(tmp_path_factory.getbasetemp()))
    ]
    assert ours == [], "containers are left"


def containers_of(client: MLClient, **labels: str) -> list[dict[str, Any]]:
    """Return the containers of a workspace, running or not."""
    wanted = {"workspace": str(client.context.workspace.root), **labels}
    filters = {"label": [f"{LABEL}.{name}={value}" for name, value in wanted.items()]}
    found: list[dict[str, Any]] = connect(address()).containers(all=True, filters=filters)
    return found
