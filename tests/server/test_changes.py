"""The WebSocket of changes: at once, to everybody, and for next to nothing while nothing happens."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.conftest import client_of, supervisor_of
from tests.server.serving import Contract, Server, Socket, Space
from tests.supervisor.gates import Gate, kill_supervisor
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.store.schema import VERSION
from workbench.sweep import Choice
from workbench.trial.processes import is_alive


@pytest.fixture(scope="module")
def sweep(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(client, tmp_path_factory.mktemp("code"), 8)


@pytest.fixture
def listen(space: Space) -> Iterator[Callable[[], Socket]]:
    with ExitStack() as stack:

        def opened() -> Socket:
            socket = space.listen()
            stack.callback(socket.close)
            return socket

        yield opened


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open(100)
    gate.close()


def named(message: dict[str, Any]) -> list[str]:
    return [job["name"] for job in message["jobs"]]


def test_the_state_comes_first_and_then_what_changes(
    space: Space, client: MLClient, sweep: str, listen: Callable[[], Socket], contract: Contract
) -> None:
    socket = listen()
    state = socket.next()
    listing = space.get("jobs")
    assert (state["type"], state["jobs"], state["cursor"]) == ("state", listing["jobs"], listing["cursor"])
    assert state["workspace"] == space.get("workspace")
    assert state["queue"] == space.get("queue")
    assert state["counts"] == {"Completed": 1}
    client.jobs.update(sweep, display_name="another name")
    delta = socket.next()
    assert (delta["type"], [job["displayName"] for job in delta["jobs"]]) == ("delta", ["another name"])
    assert delta["cursor"] > state["cursor"]


def test_a_change_of_a_trial_tells_its_sweep_and_the_trial_only_to_who_has_unfolded_it(
    client: MLClient, sweep: str, listen: Callable[[], Socket]
) -> None:
    folded, unfolded = listen(), listen()
    folded.next(), unfolded.next()
    unfolded.say(type="expand", parents=[sweep, "another"])
    unfolded.say(type="resume", since=folded.heard[0]["cursor"])
    assert unfolded.next()["jobs"] == []
    client.jobs.update(f"{sweep}_3", display_name="three")
    assert named(folded.until(lambda message: message["jobs"])) == [sweep]
    assert named(unfolded.until(lambda message: message["jobs"])) == [sweep, f"{sweep}_3"]


def test_who_comes_back_is_told_what_was_missed(client: MLClient, sweep: str, listen: Callable[[], Socket]) -> None:
    first = listen()
    cursor = first.next()["cursor"]
    first.close()
    client.jobs.update(f"{sweep}_1", display_name="missed")
    client.jobs.archive(sweep)
    again = listen()
    assert named(again.next()) == []
    again.say(type="resume", since=cursor, parents=[sweep])
    delta = again.until(lambda message: f"{sweep}_1" in named(message))
    assert (named(delta), delta["type"]) == ([sweep, f"{sweep}_1"], "delta")
    assert delta["jobs"][0]["archived"]
    client.jobs.restore(sweep)
    again.until(lambda message: message["jobs"] and not message["jobs"][0]["archived"])
    again.say(type="resume", since=cursor + 10_000)  # a cursor of another store: the state it is
    assert again.until(lambda message: message["type"] == "state")["jobs"][0]["name"] == sweep


def test_a_change_by_a_client_is_pushed(client: MLClient, sweep: str, listen: Callable[[], Socket]) -> None:
    socket = listen()
    socket.next()
    for number in range(3):

        def is_there(message: dict[str, Any], said: str = f"number {number}") -> bool:
            return any(job["description"] == said for job in message["jobs"])

        client.jobs.update(sweep, description=f"number {number}")  # by a client, who rings nobody's bell
        socket.until(is_there)


def test_what_a_supervisor_writes_is_pushed_as_it_happens(
    client: MLClient, gate: Gate, listen: Callable[[], Socket]
) -> None:
    socket = listen()
    socket.next()
    job = client.jobs.create_or_update(gate.job(display_name="gated"))
    assert job.name is not None
    socket.until_job(job.name, "Running")
    running = socket.until_queue(lambda queue: queue["running"])
    assert [(one["displayName"], one["trials"]) for one in running["running"]] == [("gated", 1)]
    gate.open()
    done = socket.until_job(job.name, "Completed")
    assert done["log"].endswith("/artifacts/user_logs/std_log.txt")
    told = [message["cursor"] for message in socket.heard]
    assert told == sorted(told)
    socket.until_queue(lambda queue: not queue["running"])


def test_a_supervisor_that_was_killed_is_revived_while_somebody_looks(
    client: MLClient, gate: Gate, listen: Callable[[], Socket]
) -> None:
    socket = listen()
    socket.next()
    job = client.jobs.create_or_update(gate.job())
    assert job.name is not None
    socket.until_job(job.name, "Running")
    kill_supervisor(client)
    gate.open()
    socket.until_job(job.name, "Completed")
    revived = supervisor_of(client.context.workspace)
    assert revived is not None
    assert is_alive(revived)


def test_a_busy_sweep_says_no_more_than_ten_things_a_second(
    client: MLClient, gate: Gate, listen: Callable[[], Socket]
) -> None:
    socket = listen()
    socket.next()
    sweep = gate.job()(x=Choice(list(range(40)))).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=4
    )
    gate.open(40)
    name = client.jobs.create_or_update(sweep).name
    assert name is not None
    began = time.monotonic()
    done = socket.until_job(name, "Completed", "Failed")
    seconds = time.monotonic() - began
    assert (done["counts"], done["best"]["score"]) == ({"Completed": 40}, 39)
    assert len(socket.heard) <= 10 * seconds + 3


def test_a_workspace_that_is_made_later_appears_and_one_that_goes_disappears(
    server: Server, contract: Contract, mlflow_database: Path
) -> None:
    space = Space(server, "later", contract)
    socket = space.listen()
    assert socket.next()["workspace"]["exists"] is False
    assert not space.path.exists()
    with client_of(space.path, mlflow_database) as client:
        state = socket.until(lambda message: message["type"] == "state")
        assert state["workspace"]["exists"] is True
        name = past_sweep(client, server.root.parent / "later-code", 2)
        assert named(socket.until(lambda message: message["jobs"])) == [name]
    shutil.rmtree(space.path)
    gone = socket.until(lambda message: message["type"] == "state")
    assert (gone["workspace"]["exists"], gone["jobs"]) == (False, [])
    socket.close()


def test_a_workspace_of_a_newer_workbench_is_a_problem_that_everybody_is_told_once(
    server: Server, contract: Contract, mlflow_database: Path
) -> None:
    space = Space(server, "newer", contract)
    with client_of(space.path, mlflow_database) as client:
        database = client.context.workspace.database
        with closing(sqlite3.connect(database, isolation_level=None)) as raw:
            raw.execute(f"PRAGMA user_version={VERSION + 1}")
        first = space.listen()
        told = first.next()
        assert (told["type"], told["where"], "Upgrade" in told["todo"]) == ("problem", str(database), True)
        second = space.listen()
        assert second.next() == told
        assert space.ask("jobs").status == 500
        with closing(sqlite3.connect(database, isolation_level=None)) as raw:
            raw.execute(f"PRAGMA user_version={VERSION}")
        assert [first.next()["type"], second.next()["type"]] == ["state", "state"]
        assert space.get("jobs")["total"] == 0
        first.close()
        second.close()


def test_settings_that_are_wrong_hide_no_jobs(
    server: Server, contract: Contract, mlflow_database: Path, tmp_path: Path
) -> None:
    space = Space(server, "wrongly set", contract)
    with client_of(space.path, mlflow_database) as client:
        name = past_sweep(client, tmp_path / "code", 2)
        client.context.workspace.settings.write_text("slots = -1\n")
        socket = space.listen()
        assert named(socket.next()) == [name]
        problem = socket.until(lambda message: message["type"] == "problem")
        assert "slots cannot be -1" in problem["message"]
        mended = tmp_path / "mended.toml"  # at once: a file that is still empty is right too
        mended.write_text("slots = 3\n")
        mended.replace(client.context.workspace.settings)
        assert socket.until(lambda message: message["type"] == "problem")["message"] == ""
        queue = socket.until_queue(lambda queue: queue["slots"]["total"] == 3)
        assert queue["queued"] == []
        socket.close()


def test_numbers_without_end_do_not_break_the_line(client: MLClient, sweep: str, listen: Callable[[], Socket]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    socket = listen()
    socket.next()
    socket.say(type="expand", parents=[sweep])
    with client.context.store.write() as writer:  # as a trial of an older workbench may have been given them
        writer.update_job(f"{sweep}_0", params={"lr": math.inf, "units": [math.nan], "drop": {"deep": -math.inf}})
    while True:
        message = json.loads(socket.connection.recv(), parse_constant=refuse)
        if trials := [job for job in message.get("jobs", ()) if job["name"] == f"{sweep}_0"]:
            break
    assert trials[0]["params"] == {"lr": None, "units": [None], "drop": {"deep": None}}
    socket.close()


def test_who_sends_something_else_is_sent_away(listen: Callable[[], Socket]) -> None:
    for text in ("{", '{"type": "cancel"}', '{"type": "resume"}', "[]"):
        socket = listen()
        socket.next()
        socket.connection.send(text)
        assert socket.connection.recv() == ""
        with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
            socket.say(type="expand", parents=[])
            socket.next()


def test_sockets_that_wait_cost_nothing_and_share_one_watcher(
    server: Server, space: Space, sweep: str, listen: Callable[[], Socket]
) -> None:
    sockets = [listen() for _ in range(5)]
    for socket in sockets:
        socket.next()

    bells = space.path / ".workbench" / "watchers"
    assert len(list(bells.iterdir())) == 1
    before = server.cpu_seconds()
    sockets[0].connection.settimeout(4)
    with pytest.raises(websocket.WebSocketTimeoutException):
        sockets[0].next()  # nothing comes while nothing happens
    share = (server.cpu_seconds() - before) / 4
    print(f"idle: {share:.2%} of a core")
    assert share < 0.01
    for socket in sockets:
        socket.close()
    give_up = time.monotonic() + 10
    while list(bells.iterdir()) and time.monotonic() < give_up:
        os.sched_yield()
    assert list(bells.iterdir()) == []


def test_a_reader_that_is_too_slow_gets_the_state_instead_of_a_backlog(
    client: MLClient, sweep: str, listen: Callable[[], Socket]
) -> None:
    slow, quick = listen(), listen()
    slow.next(), quick.next()
    text = "x" * 1_000_000
    for number in range(26):  # far more than what the connection buffers

        def is_there(message: dict[str, Any], said: str = f"{number} ") -> bool:
            return any(job["description"].startswith(said) for job in message["jobs"])

        client.jobs.update(sweep, description=f"{number} {text}")
        quick.until(is_there)
    client.jobs.update(sweep, description="the end")
    slow.until(lambda message: any(job["description"] == "the end" for job in message["jobs"]))
    assert [message["type"] for message in slow.heard[1:]].count("state") >= 1
    assert len(slow.heard) < len(quick.heard)
