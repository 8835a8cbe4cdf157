"""What no job needs any more goes; what one does stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.browser.states import nobody_starts
from workbench import MLClient
from workbench.notebooks.handover import as_text, hand_over
from workbench.store.housekeeping import clear_unused
from workbench.supervisor.loop import Supervisor
from workbench.views.builder.cell import CellPlace, from_cell

CELL = """%%sweep --metric score --goal maximize --trials 2 --with table
x = Uniform(0, 1)

print({said!r}, x, table)"""


@pytest.fixture
def place(ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellPlace:
    monkeypatch.chdir(tmp_path)
    workspace = ml_client.context.workspace

    def hand(names: str) -> str:
        return as_text(hand_over(names.split(","), {"table": [1, 2, 3], "other": [4]}, workspace))

    return CellPlace(workspace, tmp_path, "python3", hand)


def left(client: MLClient) -> int:
    workspace = client.context.workspace
    return len([*workspace.cells.iterdir(), *workspace.values.iterdir()])


def age(client: MLClient, seconds: float) -> None:
    workspace = client.context.workspace
    for path in (*workspace.cells.iterdir(), *workspace.values.iterdir()):
        os.utime(path, (time.time() - seconds,) * 2)


def test_what_no_job_needs_is_removed(ml_client: MLClient, place: CellPlace) -> None:
    context = ml_client.context
    with nobody_starts(ml_client):
        queued = ml_client.create_or_update(from_cell(CELL.format(said="needed"), place).to_job())
        from_cell(CELL.format(said="a dry run").replace("table", "other"), place)
        assert left(ml_client) == 4
        assert clear_unused(context.workspace, context.store) == [], "a form may be open that will be submitted"
        age(ml_client, 100_000)
        removed = clear_unused(context.workspace, context.store)
        assert len(removed) == 2
        assert left(ml_client) == 2, "the queued job needs its cell and its variable"
        with context.store.write() as writer:
            writer.update_job(str(queued.name), status="Completed", ended=time.time())
        assert clear_unused(context.workspace, context.store) == [], "it can be run again"
        ml_client.jobs.archive(str(queued.name))
        assert len(clear_unused(context.workspace, context.store)) == 2
        assert left(ml_client) == 0


def test_what_is_handed_over_again_is_young_again(ml_client: MLClient, place: CellPlace) -> None:
    from_cell(CELL.format(said="again"), place)
    age(ml_client, 100_000)
    from_cell(CELL.format(said="again"), place)
    assert clear_unused(ml_client.context.workspace, ml_client.context.store) == []
    assert left(ml_client) == 2


def test_a_supervisor_clears_before_it_leaves(ml_client: MLClient, place: CellPlace) -> None:
    from_cell(CELL.format(said="never submitted"), place)
    age(ml_client, 100_000)
    workspace = ml_client.context.workspace
    workspace.wake.unlink(missing_ok=True)
    os.mkfifo(workspace.wake)
    Supervisor(workspace, os.open(workspace.wake, os.O_RDWR | os.O_NONBLOCK), idle=0).run()
    assert left(ml_client) == 0
