"""Workspaces that are open: one that cannot be opened for now keeps nobody waiting but those who ask for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from workbench import MLClient
from workbench.server.desk import Desk
from workbench.store.schema import VERSION

_PATIENCE = 20  # seconds; a third of what a store waits for who writes to it


class Watched(Desk):
    """Says when it begins to open a workspace."""

    begun: threading.Event

    def connect(self, path: str | Path) -> MLClient:
        self.begun.set()
        return super().connect(path)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Watched]:
    desk = Watched(tmp_path, tmp_path / "there", 60)
    desk.begun = threading.Event()
    for name in ("old", "there"):
        desk.make(tmp_path / name)
    desk.close()
    desk.begun.clear()
    yield desk
    desk.close()


def test_a_store_that_waits_to_be_migrated_keeps_only_its_own_readers_waiting(desk: Watched) -> None:
    old, there = desk.root / "old", desk.root / "there"
    with (
        ThreadPoolExecutor() as threads,
        closing(sqlite3.connect(old / ".workbench" / "workbench.db", isolation_level=None)) as other,
    ):
        other.execute("DROP INDEX jobs_by_parent")
        other.execute(f"PRAGMA user_version={VERSION - 1}")
        other.execute("BEGIN IMMEDIATE")
        try:
            asked = [threads.submit(desk.find, old) for _ in range(2)]
            assert desk.begun.wait(_PATIENCE)
            threads.submit(desk.watcher, old).result(_PATIENCE)  # as the event loop does for a WebSocket
            threads.submit(desk.watcher, there).result(_PATIENCE)
            assert threads.submit(desk.find, there).result(_PATIENCE) is not None
            assert not any(one.done() for one in asked)
        finally:
            other.execute("COMMIT")
        first, second = (one.result(_PATIENCE) for one in asked)
        assert first is not None
        assert first is second  # opened once
