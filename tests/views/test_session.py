"""A session tells a view what happens, answers it, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.states import nobody_starts
from tests.supervisor.gates import Gate, until
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.definition.status import JobStatus
from workbench.errors import StoreError
from workbench.store.database import Store
from workbench.sweep import Uniform
from workbench.testing.devices import GIB, InMemoryDevices
from workbench.views.session import ViewSession
from workbench.views.verbs import VERBS, Asked


class View:
    """What a front end would hear."""

    def __init__(self, client: MLClient, name: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.session = ViewSession(str(client.workspace_folder), name, self._take)
        self.session.start()
        self._ids = iter(range(1, 1000))

    def _take(self, message: dict[str, Any]) -> None:
        with self._news:
            self.heard.append(message)
            self._news.notify_all()

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self._news:
            found = self._news.wait_for(lambda: [message for message in self.heard if wanted(message)], 60)
        assert found, self.heard
        return found[-1]

    def ask(self, verb: str, **details: Any) -> dict[str, Any]:
        asked = next(self._ids)
        self.session.handle({"id": asked, "verb": verb, **details})
        return self.wait(lambda message: message.get("id") == asked)


@pytest.fixture
def look(ml_client: MLClient) -> Iterator[Callable[[str], View]]:
    views: list[View] = []

    def open_view(name: str) -> View:
        views.append(View(ml_client, name))
        return views[-1]

    yield open_view
    for view in views:
        view.session.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


def test_a_view_follows_a_sweep_and_acts_on_it(ml_client: MLClient, gate: Gate, look: Callable[[str], View]) -> None:
    sweep = gate.job()(x=Uniform(0, 1)).sweep(
        primary_metric="score", goal="maximize", max_total_trials=4, max_concurrent_trials=1
    )
    name = ml_client.create_or_update(sweep).name
    view = look(name)
    state = view.wait(lambda message: message["type"] == "state")
    assert state["header"]["name"] == name
    view.wait(lambda message: any(row["last"] is not None for row in message.get("trials", ())))
    assert view.ask("pause")["ok"]
    view.wait(lambda message: message["type"] == "delta" and message["header"]["held"])
    gate.open()
    ended = view.wait(lambda message: any(row["status"] == "Completed" for row in message.get("trials", ())))
    assert [row["number"] for row in ended["trials"]] == [0], "only what has changed is sent"
    told = view.ask("narrow", ranges={"x": [[0.2, 0.4]]})
    assert told["ok"], told
    assert "x: " in told["value"]
    assert view.ask("resume")["ok"]
    until(ml_client, lambda: len(gate.starts) == 2)
    assert 0.2 <= float(gate.starts[1].split()[1]) <= 0.4
    assert view.ask("cancel", names=[f"{name}_1"])["ok"]
    view.wait(lambda message: any(row["status"] == "Canceled" for row in message.get("trials", ())))
    assert view.ask("cancel")["ok"]
    view.wait(lambda message: message["type"] == "delta" and message["header"]["status"] == "Canceled")


def test_what_cannot_be_done_is_told(ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]) -> None:
    view = look(past_sweep(ml_client, tmp_path / "code", 8))
    assert "no figure 'pie'" in view.ask("figure", kind="pie")["error"]
    assert "no parameter is brushed" in view.ask("narrow", ranges={})["error"]
    assert "is no trial of" in view.ask("log", trial="somebody")["error"]
    assert view.ask("figure", kind="parallel")["value"]["trials"] == [0, 1, 2, 3, 4, 5, 7]
    gone = look("nobody")
    assert "no job named 'nobody'" in gone.wait(lambda message: message["type"] == "gone")["error"]


def test_a_view_is_told_of_the_machine_and_of_the_last_state(
    ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]
) -> None:
    devices = InMemoryDevices()
    devices.add(24 * GIB, "RTX A5000")
    workspace = ml_client.context.workspace
    devices.write(workspace.hidden / "devices.json")
    workspace.settings.write_text(f'devices = "{workspace.hidden / "devices.json"}"\nslots = 3\n')
    name = past_sweep(ml_client, tmp_path / "code", 8)
    view = look(name)
    told = view.ask("machine")["value"]
    assert told["slots"] == {"used": 0, "total": 3}
    assert [gpu["label"] for gpu in told["gpus"]] == ["GPU 0"]
    kept = view.ask("snapshot")["value"]
    assert kept["text/plain"] == f"{name}: Completed"
    stamp = re.search('data-of="([^"]+)"', kept["text/html"])
    again = re.search('data-of="([^"]+)"', view.ask("snapshot")["value"]["text/html"])
    assert stamp is not None
    assert again is not None
    assert stamp[1] == again[1]
    assert name in stamp[1]


def test_the_builder_is_opened_with_the_workspace_where_a_notebook_finds_another(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[str], View]
) -> None:
    name, root = past_sweep(ml_client, tmp_path / "code", 3), ml_client.workspace_folder
    monkeypatch.delenv("WORKBENCH_WORKSPACE", raising=False)
    monkeypatch.chdir(root)
    assert look(name).ask("builder")["value"] == f'import workbench\n\nworkbench.builder("{name}")'
    other = tmp_path / "other"
    (other / ".workbench").mkdir(parents=True)
    monkeypatch.chdir(other)
    code = look(name).ask("builder")["value"]
    cell: dict[str, Any] = {}
    exec(code.replace("workbench.builder(", "form = workbench.builder("), cell)
    form = cell["form"]
    assert form.client.workspace_folder == root
    form.client.context.store.close()
    form.close()


def test_a_log_is_read_in_parts(ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    record = ml_client.jobs.record(f"{name}_0")
    log = ml_client.context.workspace.trial(record.folder).log
    log.parent.mkdir(parents=True)
    log.write_text("first\n" + "x" * 70_000 + "\nlast é\n")
    view = look(name)
    part = view.ask("log", trial=record.name)["value"]
    assert part["text"].endswith("last é\n")
    assert part["begin"] > 0
    with log.open("a") as file:
        file.write("more\n")
    assert view.ask("log", trial=record.name, offset=part["end"])["value"]["text"] == "more\n"


def test_a_log_that_leads_out_of_the_job_is_not_shown(
    ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]
) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    log = ml_client.context.workspace.trial(ml_client.jobs.record(f"{name}_0").folder).log
    log.parent.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    log.symlink_to(tmp_path / "secret")
    assert "out of the job's folder" in look(name).ask("log", trial=f"{name}_0")["error"]


def test_a_log_is_cut_between_characters(ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    log = ml_client.context.workspace.trial(ml_client.jobs.record(f"{name}_0").folder).log
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" + "█".encode() * 50_000 + "é".encode()[:1])  # a progress bar, and half of what follows it
    view = look(name)
    shown, end = "", 0
    for _ in range(3):
        part = view.ask("log", trial=f"{name}_0", offset=end)["value"]
        shown, end = shown + part["text"], part["end"]
    assert shown == "x" + "█" * 50_000
    with log.open("ab") as file:
        file.write("é".encode()[1:])
    assert view.ask("log", trial=f"{name}_0", offset=end)["value"]["text"] == "é"


def test_a_log_says_of_whom_it_is(ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    store = ml_client.context.store
    best = store.job(name).properties["best_child_run_id"]  # type: ignore[union-attr]
    with nobody_starts(ml_client):
        view = look(name)
        part = view.ask("log")["value"]
        assert (part["trial"], part["attempt"]) == (best, store.job(best).attempt)  # type: ignore[union-attr]

        with store.write() as writer:
            writer.patch_properties(name, {"best_child_run_id": None})
            writer.update_job(f"{name}_1", status=JobStatus.RUNNING, attempt=2)
        view.wait(lambda message: any(row["attempt"] == 2 for row in message.get("trials", ())))
        part = view.ask("log")["value"]
        assert (part["trial"], part["attempt"]) == (f"{name}_1", 2), "before any is the best, that of one that runs"
        with store.write() as writer:
            writer.update_job(f"{name}_1", status=JobStatus.COMPLETED, started=None)
        assert look(name).ask("log")["value"]["trial"] == f"{name}_0", "then that of the first that has run"


def test_of_several_trials_all_are_stopped_or_none(
    ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]
) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    with nobody_starts(ml_client):
        with ml_client.context.store.write() as writer:
            writer.update_job(f"{name}_0", status=JobStatus.RUNNING)
        view = look(name)
        assert "no job named" in view.ask("cancel", names=[f"{name}_0", "nobody"])["error"]
        assert ml_client.context.store.waiting_requests() == []
        with ml_client.context.store.write() as writer:
            writer.update_job(f"{name}_0", status=JobStatus.COMPLETED)


def test_closing_leaves_no_thread_and_no_watcher(ml_client: MLClient, tmp_path: Path) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    before = set(threading.enumerate())
    view = View(ml_client, name)
    assert view.ask("metrics")["value"] == ["accuracy", "loss"]
    view.session.close()
    assert left_after(before) == set()
    assert list(ml_client.context.workspace.watchers.iterdir()) == []
    heard = len(view.heard)
    view.session.handle({"id": 99, "verb": "metrics"})
    assert set(threading.enumerate()) <= before  # those of an earlier test may have ended meanwhile
    assert len(view.heard) == heard


def left_after(before: set[threading.Thread]) -> set[threading.Thread]:
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    return set(threading.enumerate()) - before


def test_what_was_asked_for_is_done_although_the_view_is_closed(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    asked, goes_on, done = threading.Event(), threading.Event(), threading.Event()
    stores: list[Store] = []

    def slowly(asked_for: Asked) -> str:
        asked.set()
        goes_on.wait(60)
        stores.append(asked_for.client.context.store)
        assert stores[0].job(name) is not None  # it is still open
        done.set()
        return "done"

    monkeypatch.setitem(VERBS, "slowly", slowly)
    before = set(threading.enumerate())
    view = View(ml_client, name)
    view.session.handle({"id": 1, "verb": "slowly"})
    assert asked.wait(60)
    view.session.close()  # comes back at once: it would wait for ever here
    goes_on.set()
    assert done.wait(60)
    assert left_after(before) == set()
    with pytest.raises(StoreError, match="closed"):
        stores[0].now()


def test_a_view_of_nothing_leaves_nothing_open(ml_client: MLClient) -> None:
    before = set(threading.enumerate())
    clients: list[MLClient] = []

    def connect(root: str) -> MLClient:
        clients.append(MLClient(path=root))
        return clients[0]

    heard: list[dict[str, Any]] = []
    session = ViewSession(str(ml_client.workspace_folder), "nobody", heard.append, connect)
    session.start()
    session.handle({"id": 1, "verb": "metrics"})
    assert left_after(before) == set()
    assert {message["type"] for message in heard} == {"gone", "reply"}
    session.close()
    with pytest.raises(StoreError, match="closed"):
        clients[0].context.store.now()


def test_a_job_that_cannot_be_read_is_told_of(ml_client: MLClient, tmp_path: Path, look: Callable[[str], View]) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    with ml_client.context.store.write() as writer:
        writer.update_job(name, properties={})
    assert look(name).wait(lambda message: message["type"] == "gone")["error"]


def test_a_process_ends_although_an_answer_is_slow(ml_client: MLClient, tmp_path: Path) -> None:
    name = past_sweep(ml_client, tmp_path / "code", 3)
    code = f"""
import threading
from workbench.views import verbs
from workbench.views.session import ViewSession
from workbench.views.verbs import VERBS, Asked
asked = threading.Event()
def slowly(_):
    asked.set()
    threading.Event().wait(100)
verbs.VERBS["slowly"] = slowly
session = ViewSession({str(ml_client.workspace_folder)!r}, {name!r}, lambda message: None)
session.start()
session.handle({{"id": 1, "verb": "slowly"}})
assert asked.wait(60)
session.close()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=80, check=True)
    assert ended.stderr == ""
