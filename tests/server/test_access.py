"""Who may ask, for what, and what never leaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import websocket
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.server.authorizers import REFUSED
from tests.server.serving import BASE, TOKEN, Contract, Server, Space
from tests.views.past import past_sweep
from workbench import MLClient
from workbench.server.extension import WorkbenchExtension
from workbench.server.routes import OPERATIONS

VALUES = {"kind": "curves", "path": "outputs/x.txt", "alias": "champion"}
PLAIN = [
    ("GET", "workbench/job?name={name}"),
    ("HEAD", "workbench/job?name={name}"),
    ("GET", "workbench/plotly.js"),
    ("GET", "workbench/api/openapi.json"),
]
SOCKETS = ["workbench/changes", "workbench/view?name={name}"]
SIGN_IN = ("nobody is signed in here", "Reload the page and sign in")


@pytest.fixture(scope="module")
def name(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    return past_sweep(client, tmp_path_factory.mktemp("code"), 3)


def addresses(description: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    values = {**VALUES, "name": name}
    return [
        (method.upper(), f"workbench{path.format(**values)}")
        for path, methods in description["paths"].items()
        for method in methods
    ]


def test_the_description_is_valid_and_names_the_base(description: Mapping[str, Any]) -> None:
    OpenAPIV31SpecValidator(description).validate()
    assert description["servers"] == [{"url": f"{BASE}workbench"}]
    identifiers = [one["operationId"] for methods in description["paths"].values() for one in methods.values()]
    assert len(set(identifiers)) == len(identifiers)
    assert all(one["summary"].endswith(".") for methods in description["paths"].values() for one in methods.values())


def test_all_that_is_handled_is_described_and_nothing_else(server: Server, description: Mapping[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    declared = {(one.method, f"/api/{one.path}") for one in OPERATIONS} | {("GET", "/api/openapi.json")}
    assert described == declared
    # Whatever a handler has a method for and does not describe, it refuses.
    for path, methods in description["paths"].items():
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            if method.lower() in methods:
                continue
            answer = server.fetch(f"workbench{path.format(name='x', **VALUES)}", method, {})
            assert answer.status == 405, (method, path)


def test_the_extension_adds_no_address_that_these_tests_do_not_know(
    tmp_path: Path, description: Mapping[str, Any]
) -> None:
    class Application:
        root_dir = str(tmp_path)

    class Unlinked(WorkbenchExtension):
        serverapp: Any = Application()
        _tell_kernels = lambda self: None  # noqa: E731 - this process is no server

    extension = Unlinked()
    extension.initialize_handlers()
    extension.desk.close()
    patterns = {entry[0] for entry in extension.handlers}
    api = {f"/workbench/api/{one.pattern}" for one in OPERATIONS}
    others = {"/workbench/job", "/workbench/view", "/workbench/changes", r"/workbench/plotly\.js"}
    assert patterns == api | others | {r"/workbench/api/openapi\.json"}


def test_nothing_answers_who_is_not_signed_in(server: Server, name: str, description: Mapping[str, Any]) -> None:
    # With a token against forged requests, which anybody gets: without one Jupyter refuses what is sent for that alone.
    cookies, token = server.cookies(signed_in=False)
    headers = {"Cookie": cookies, "X-XSRFToken": token}
    for method, path in addresses(description, name):
        body: dict[str, Any] | None = None if method == "GET" else {}
        answer = server.fetch(f"{path}?workspace=test_access", method, body, headers, signed_in=False)
        assert answer.status == 403, (method, path, answer.body)
        assert (answer.json["message"], answer.json["todo"]) == SIGN_IN, (method, path)
        assert name not in answer.body.decode()
    for method, path in PLAIN:
        answer = server.fetch(path.format(name=name), method, headers=headers, signed_in=False)
        if path.endswith(".js"):
            assert answer.status == 200
            assert b"<title>Jupyter Server</title>" in answer.body  # its page for signing in
        else:
            assert answer.status == 403, (method, path)
            assert answer.body == b"" or (answer.json["message"], answer.json["todo"]) == SIGN_IN, (method, path)
    for path in SOCKETS:
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            server.socket(path.format(name=name), headers=[])


def test_nothing_answers_who_may_not(server: Server, name: str, description: Mapping[str, Any]) -> None:
    for method, path in [*addresses(description, name), *((method, path.format(name=name)) for method, path in PLAIN)]:
        body: dict[str, Any] | None = None if method in ("GET", "HEAD") else {}
        assert server.fetch(path, method, body, REFUSED).status == 403, (method, path)
    for path in SOCKETS:
        signed_in = f"Authorization: token {TOKEN}"
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            server.socket(path.format(name=name), [signed_in, *(f"{one}: {value}" for one, value in REFUSED.items())])


def test_a_wrong_token_is_no_token(server: Server, description: Mapping[str, Any], name: str) -> None:
    for method, path in addresses(description, name):
        body: dict[str, Any] | None = None if method == "GET" else {}
        answer = server.fetch(path, method, body, {"Authorization": "token wrong"}, signed_in=False)
        assert answer.status == 403, (method, path)


def test_who_has_only_cookies_must_send_the_xsrf_token(
    server: Server, space: Space, client: MLClient, name: str
) -> None:
    cookies, token = server.cookies()
    path = f"workbench/api/jobs/{name}/archive?workspace={space.folder}"
    refused = server.fetch(path, "POST", {}, {"Cookie": cookies}, signed_in=False)
    assert (refused.status, "_xsrf" in refused.json["message"]) == (403, True)
    assert not client.jobs.record(name).archived
    done = server.fetch(path, "POST", {}, {"Cookie": cookies, "X-XSRFToken": token}, signed_in=False)
    assert (done.status, client.jobs.record(name).archived) == (200, True)
    client.jobs.restore(name)


def test_another_page_gets_nothing(server: Server, space: Space, name: str) -> None:
    cookies, token = server.cookies()
    foreign = {"Cookie": cookies, "X-XSRFToken": token, "Origin": "http://elsewhere.example"}
    answer = server.fetch(f"workbench/api/jobs?workspace={space.folder}", headers=foreign, signed_in=False)
    assert answer.status in (403, 404)
    assert name not in answer.body.decode()
    posted = server.fetch(f"workbench/api/jobs/{name}/archive", "POST", {}, foreign, signed_in=False)
    assert posted.status in (403, 404)
    for path in SOCKETS:
        address = f"{path.format(name=name)}{'&' if '?' in path else '?'}workspace={space.folder}"
        server.socket(address, headers=[f"Cookie: {cookies}"]).close()
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            server.socket(address, headers=[f"Cookie: {cookies}"], origin="http://elsewhere.example")


def test_only_what_is_served_is_shown(
    server: Server, space: Space, name: str, tmp_path: Path, description: Mapping[str, Any]
) -> None:
    other = MLClient(path=tmp_path / "other")
    (server.root / "link").symlink_to(other.workspace_folder)
    (server.root / "outside.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (tmp_path / "secret.ipynb").write_text('{"cells": [], "metadata": {}}')
    for outside in ("..", "../..", str(other.workspace_folder), "link", "a/../../..", f"{space.folder}/../.."):
        for method, path in addresses(description, name):
            if "workspace" not in json.dumps(description["paths"][path_of(path, description, name)]):
                continue
            query = f"?workspace={outside}" + ("&path=x.ipynb" if path.endswith("parameters") else "")
            answer = server.fetch(f"{path}{query}", method, None if method == "GET" else good_body(path))
            assert answer.status == 403, (method, path, outside, answer.body)
        assert server.fetch(f"workbench/job?name={name}&workspace={outside}").status == 403
        for path in SOCKETS:
            address = f"{path.format(name=name)}{'&' if '?' in path else '?'}workspace={outside}"
            with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
                server.socket(address)
    for notebook in ("../secret.ipynb", str(tmp_path / "secret.ipynb"), "outside.ipynb"):
        assert space.ask("notebooks/parameters", path=notebook).status == 403
        assert space.ask("jobs", "POST", {"notebook": {"path": notebook}}).status == 403
    assert space.ask("jobs", "POST", {"yaml": "type: command\ncommand: id\n", "folder": ".."}).status == 403
    assert not (server.root / "link" / "runs" / name).exists()


def path_of(address: str, description: Mapping[str, Any], name: str) -> str:
    values = {**VALUES, "name": name}
    paths: list[str] = list(description["paths"])
    return next(path for path in paths if f"workbench{path.format(**values)}" == address)


def good_body(path: str) -> dict[str, Any]:
    if path.endswith("champion"):
        return {"version": 1}
    return {"yaml": "type: command\ncommand: id\n"} if path.endswith("api/jobs") else {}


def test_what_has_no_workspace_yet_is_empty_and_is_not_made_by_looking(server: Server, contract: Contract) -> None:
    nowhere = Space(server, "nowhere", contract)
    assert nowhere.get("jobs") == {"cursor": 0, "total": 0, "jobs": []}
    assert nowhere.get("changes", since=7)["jobs"] == []
    assert nowhere.get("models") == {"models": []}
    assert nowhere.get("queue")["queued"] == []
    facts = nowhere.get("workspace")
    assert (facts["exists"], facts["relative"]) == (False, "nowhere")
    assert nowhere.ask("jobs/someone").status == 404
    (server.root / "checks").mkdir()
    checked = nowhere.post("jobs", {"yaml": "type: command\ncommand: id\n", "folder": "checks"}, 200, check="true")
    assert checked["name"] is None
    assert not nowhere.path.exists()


def test_the_log_holds_no_token(server: Server, name: str) -> None:
    server.cookies()  # with the token in the address, as in the link that Jupyter prints
    server.fetch(f"workbench/api/jobs/{name}?token={TOKEN}", signed_in=False)
    assert TOKEN not in server.log.read_text()
