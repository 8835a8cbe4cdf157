"""A workspace that goes away under its client, and assets that several register at once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench import MLClient, command
from workbench.client.circumstances import circumstances
from workbench.entities import Environment
from workbench.errors import StoreError
from workbench.magics.session import Session


def test_a_client_says_that_its_workspace_is_gone_and_magics_take_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "unused")
    monkeypatch.setattr(Session, "_client", None)
    with pytest.warns(UserWarning, match="MLFLOW_TRACKING_URI"):
        client = Session(None).client
    assert Session(None).client is client
    shutil.rmtree(tmp_path / ".workbench")
    with pytest.raises(StoreError, match=r"was moved, deleted or made anew.*MLClient\(\)"):
        client.create_or_update(command(command="true"))
    assert not (tmp_path / ".workbench").exists()
    with pytest.warns(UserWarning, match="MLFLOW_TRACKING_URI"):
        again = Session(None).client
    assert again is not client
    assert list(again.jobs.list()) == []
    for one in (client, again):
        one.context.store.close()


def test_who_registers_at_the_same_time_gets_versions_of_their_own(ml_client: MLClient) -> None:
    clients = [MLClient(path=ml_client.workspace_folder) for _ in range(8)]
    together = threading.Barrier(len(clients))
    made: list[tuple[str, str]] = []

    def register(number: int) -> None:
        asset = Environment(name="contested", image=f"image:{number}")
        together.wait(60)
        made.append((str(clients[number].environments.create_or_update(asset).version), f"image:{number}"))

    threads = [threading.Thread(target=register, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(version for version, _ in made) == [str(number + 1) for number in range(len(clients))]
    for version, image in made:
        assert ml_client.environments.get("contested", version).image == image
    for client in clients:
        client.context.store.close()


def test_a_folder_that_may_not_be_read_holds_no_packages(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == tmp_path:  # root may read everything
            raise PermissionError(13, "Permission denied", str(folder))
        return read(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert circumstances(ml_client.context.workspace)["packages"]
