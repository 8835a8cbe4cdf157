"""The server's addresses: for who is signed in, for what is served, and for nothing else."""

from __future__ import annotations

import json
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
import websocket

from tests.browser.lab import TOKEN, Lab
from tests.views.past import past_sweep
from workbench import MLClient


@pytest.fixture(scope="module")
def name(lab_client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(lab_client, tmp_path_factory.mktemp("code"), 8)


def asked(client: MLClient, name: str, workspace: Path | None = None) -> str:
    return urlencode({"name": name, "workspace": str(workspace or client.workspace_folder)})


def view(lab: Lab, query: str, *headers: str) -> websocket.WebSocket:
    address = f"{lab.address.replace('http', 'ws', 1)}/workbench/view?{query}"
    return websocket.create_connection(address, header=list(headers), timeout=60)


def test_nothing_answers_who_is_not_signed_in(lab: Lab, lab_client: MLClient, name: str) -> None:
    query = asked(lab_client, name)
    for path in (f"workbench/job?{query}", "workbench/plotly.js", f"workbench/view?{query}"):
        status, text = lab.fetch(path, signed_in=False)
        assert status == 403 or "login" in text.lower(), path
        assert '"counts"' not in text
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        view(lab, query)


def test_only_what_is_served_is_shown(lab: Lab, lab_client: MLClient, name: str, tmp_path: Path) -> None:
    assert json.loads(lab.fetch(f"workbench/job?{asked(lab_client, name)}")[1])["name"] == name
    assert lab.fetch(f"workbench/job?{asked(lab_client, 'nobody')}")[0] == 404
    assert lab.fetch(f"workbench/job?{asked(lab_client, name, lab.root / 'code')}")[0] == 404
    other = MLClient(path=tmp_path / "other")
    assert lab.fetch(f"workbench/job?{asked(other, name)}")[0] == 403
    assert lab.fetch(f"workbench/job?{asked(lab_client, name, lab.root / '..')}")[0] == 403
    (lab.root / "link").symlink_to(other.workspace_folder)
    assert lab.fetch(f"workbench/job?{asked(lab_client, name, lab.root / 'link')}")[0] == 403


def test_a_view_over_the_websocket(lab: Lab, lab_client: MLClient, name: str) -> None:
    socket = view(lab, asked(lab_client, name), f"Authorization: token {TOKEN}")
    state = json.loads(socket.recv())
    assert (state["type"], len(state["trials"])) == ("state", 8)
    socket.send(json.dumps({"id": 5, "verb": "figure", "kind": "parallel"}))
    reply = json.loads(socket.recv())
    assert (reply["id"], reply["ok"], reply["value"]["trials"]) == (5, True, [0, 1, 2, 3, 4, 5, 7])
    with lab_client.context.store.write() as writer:
        writer.update_job(f"{name}_3", reason="changed by hand")
    delta = json.loads(socket.recv())
    assert [(row["number"], row["reason"]) for row in delta["trials"]] == [(3, "changed by hand")]
    socket.close()


def test_another_page_may_not_open_a_view(lab: Lab, lab_client: MLClient, name: str) -> None:
    jar = CookieJar()
    build_opener(HTTPCookieProcessor(jar)).open(f"{lab.address}/lab?token={TOKEN}").close()
    cookie = "Cookie: " + "; ".join(f"{entry.name}={entry.value}" for entry in jar)
    view(lab, asked(lab_client, name), cookie).close()
    address = f"{lab.address.replace('http', 'ws', 1)}/workbench/view?{asked(lab_client, name)}"
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(address, header=[cookie], origin="http://elsewhere.example", timeout=60)


def test_plotly_is_the_one_that_figures_are_made_for(lab: Lab) -> None:
    from plotly.offline import get_plotlyjs

    status, text = lab.fetch("workbench/plotly.js")
    assert (status, text) == (200, get_plotlyjs())
