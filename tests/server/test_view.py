"""A live view of one job over its own WebSocket, and the plotly that its figures are made for."""

from __future__ import annotations

import json
import math
from pathlib import Path
from urllib.parse import urlencode

import pytest
import websocket

from tests.server.serving import Server, Space
from tests.views.past import past_sweep
from workbench import MLClient


@pytest.fixture(scope="module")
def name(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(client, tmp_path_factory.mktemp("code"), 8)


def test_the_head_of_a_view_is_there_for_jobs_that_are(server: Server, space: Space, name: str) -> None:
    for workspace in (space.folder, str(space.path)):  # as the interface has it, and as a saved notebook has it
        answer = server.fetch(f"workbench/job?{urlencode({'name': name, 'workspace': workspace})}")
        assert (answer.status, answer.json["name"]) == (200, name)
        there = server.fetch(f"workbench/job?{urlencode({'name': name, 'workspace': workspace})}", "HEAD")
        assert (there.status, there.body) == (200, b"")
    assert server.fetch(f"workbench/job?name=nobody&workspace={space.folder}", "HEAD").status == 404
    assert server.fetch(f"workbench/job?name={name}&workspace={space.folder}", "HEAD", signed_in=False).status == 403
    assert server.fetch(f"workbench/job?name=nobody&workspace={space.folder}").status == 404
    assert server.fetch(f"workbench/job?name={name}&workspace=nowhere").status == 404
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"):
        server.socket(f"workbench/view?name={name}&workspace=nowhere")


def test_a_view_over_the_websocket(server: Server, space: Space, client: MLClient, name: str) -> None:
    socket = server.socket(f"workbench/view?name={name}&workspace={space.folder}")
    state = json.loads(socket.recv())
    assert (state["type"], len(state["trials"])) == ("state", 8)
    socket.send(json.dumps({"id": 5, "verb": "figure", "kind": "parallel"}))
    reply = json.loads(socket.recv())
    assert (reply["id"], reply["ok"], reply["value"]["trials"]) == (5, True, [0, 1, 2, 3, 4, 5, 7])
    with client.context.store.write() as writer:
        writer.update_job(f"{name}_3", reason="changed by hand")
    delta = json.loads(socket.recv())
    assert [(row["number"], row["reason"]) for row in delta["trials"]] == [(3, "changed by hand")]
    socket.close()


def test_a_view_hears_nothing_that_is_no_json_and_is_closed_for_what_is_none(
    server: Server, space: Space, client: MLClient, name: str
) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    trial = client.jobs.record(f"{name}_0")
    with client.context.store.write() as writer:
        writer.update_job(trial.name, params={**trial.params, "lr": math.inf})
    for sent in ("{", "[]", "3"):
        socket = server.socket(f"workbench/view?name={trial.name}&workspace={space.folder}")
        state = json.loads(socket.recv(), parse_constant=refuse)
        assert state["header"]["params"]["lr"] is None
        socket.send(sent)
        assert socket.recv() == ""
        socket.close()
    with client.context.store.write() as writer:
        writer.update_job(trial.name, params=trial.params)


def test_plotly_is_the_one_that_figures_are_made_for(server: Server) -> None:
    from plotly.offline import get_plotlyjs

    answer = server.fetch("workbench/plotly.js")
    assert (answer.status, answer.body.decode()) == (200, get_plotlyjs())


def test_a_kernel_of_the_server_means_the_same_workspace_as_the_panel(server: Server) -> None:
    kernel = server.fetch("api/kernels", "POST", {}).json["id"]
    try:
        variables = environment_of_kernel(server.process.pid, kernel)
        assert variables["WORKBENCH_SERVED"] == str(server.root)
        assert "MLFLOW_TRACKING_URI" not in variables  # which would mean that of whoever was looked at last
    finally:
        server.fetch(f"api/kernels/{kernel}", "DELETE")


def environment_of_kernel(server: int, kernel: str) -> dict[str, str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if kernel in (process / "cmdline").read_text() and str(server) in (process / "status").read_text():
                entries = (process / "environ").read_text().split("\0")
                return dict(entry.split("=", 1) for entry in entries if "=" in entry)
        except OSError:
            continue
    raise AssertionError(f"no process of kernel {kernel}")
