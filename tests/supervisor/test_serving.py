"""Where MLflow is served to trials that cannot open the workspace's database."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.store.files import WorkspaceFolder
from workbench.supervisor.ports import is_free, lasting_port
from workbench.supervisor.serving import ServedMlflow


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceFolder:
    folder = WorkspaceFolder(tmp_path)
    folder.hidden.mkdir()
    return folder


@pytest.fixture
def served(workspace: WorkspaceFolder) -> Iterator[ServedMlflow]:
    served = ServedMlflow(workspace)
    yield served
    served.close()


def test_the_port_stays_the_same(served: ServedMlflow, workspace: WorkspaceFolder) -> None:
    assert ServedMlflow(workspace).port == served.port


def test_a_port_that_another_took_is_chosen_anew(served: ServedMlflow) -> None:
    before = served.port
    with socket.create_server(("127.0.0.1", before)):
        assert not is_free(before)
        now = served.port
        assert now != before
    assert served.port == now


def test_a_port_that_trials_know_is_never_chosen_anew(served: ServedMlflow) -> None:
    before = served.port
    with socket.create_server(("127.0.0.1", before)):  # who serves cannot listen, and must try again
        served.keep({""})
        assert served.port == before


def test_no_connection_takes_a_lasting_port_by_chance() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert 1024 < lasting_port() < first
