"""The registry of a process that does not load MLflow: all of it is asked elsewhere, and all that travels can."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from workbench import MLClient
from workbench.client.remote_registry import RemoteRegistry
from workbench.errors import NotFoundError, StoreError
from workbench.tracking.registry import Registry


def elsewhere(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function with all that a way to another process does to what travels."""
    function, args, kwargs = pickle.loads(pickle.dumps((function, args, kwargs)))
    return pickle.loads(pickle.dumps(function(*args, **kwargs)))


def test_every_public_method_is_asked_elsewhere() -> None:
    public = {name for name in vars(Registry) if not name.startswith("_")}
    assert public <= vars(RemoteRegistry).keys()


def test_it_answers_as_the_registry_does(ml_client: MLClient) -> None:
    remote = RemoteRegistry(ml_client.context.workspace, elsewhere)
    (folder := ml_client.workspace_folder / "net").mkdir()
    (folder / "weights").write_text("1 2 3")
    made = remote.register(name="net", path=str(folder), tags={"for": "tests"}, alias="champion")
    registry = ml_client.models.registry()
    assert (made.version, made.aliases) == ("1", ("champion",))
    assert made == registry.get("net", "1") == remote.get("net", label="champion")
    assert remote.list() == registry.list() == remote.list("net") == [made]
    assert (remote.folder("net", "1") / "weights").read_text() == "1 2 3"
    remote.delete_alias("net", "champion")
    remote.set_alias("net", "latest-good", "1")
    assert registry.get("net", "1").aliases == ("latest-good",)
    with pytest.raises(NotFoundError, match="has no version or label '7'"):
        remote.get("net", "7")
    assert remote.logged_by("nobody") == registry.logged_by("nobody") == ()


def test_a_workspace_that_is_gone_is_not_made_again(ml_client: MLClient) -> None:
    workspace = ml_client.context.workspace
    remote = RemoteRegistry(workspace, elsewhere)
    workspace.database.rename(workspace.database.with_name("moved"))
    with pytest.raises(StoreError, match="the workspace is gone"):
        remote.list()
    assert not workspace.database.exists()
