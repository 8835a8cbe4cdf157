"""Which container engine is meant."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from workbench.environments.engine import address
from workbench.errors import EngineError


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.44")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self) -> str:
        return "a socket"  # which has no number of a port to be told

    def log_message(self, *_: Any) -> None: ...


class _Engine(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "engine", 0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Make an engine of a name that answers, and return its address."""
    running: list[_Engine] = []

    def start(name: str) -> str:
        running.append(_Engine(str(tmp_path / name), _Answers))  # type: ignore[arg-type]  # a path, of this family
        threading.Thread(target=running[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"unix://{tmp_path / name}"

    yield start
    for server in running:
        with closing(server.socket):
            server.shutdown()


def test_the_engine_is_the_one_that_dockers_program_means(
    engine: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "docker"
    places = {name: engine(name) for name in ("host", "variable", "settings")}
    for name in ("variable", "settings"):
        meta = settings / "contexts" / "meta" / sha256(name.encode()).hexdigest()
        meta.mkdir(parents=True)
        endpoints = {"docker": {"Host": places[name], "SkipTLSVerify": False}}
        (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    (settings / "config.json").write_text(json.dumps({"currentContext": "settings"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(settings))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    assert address() == places["settings"]
    monkeypatch.setenv("DOCKER_CONTEXT", "variable")
    assert address() == places["variable"]
    monkeypatch.setenv("DOCKER_HOST", places["host"])
    assert address() == places["host"]
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(
        EngineError, match=r"DOCKER_CONTEXT: there is no Docker context 'nowhere'.*unset DOCKER_CONTEXT"
    ):
        address()
    monkeypatch.delenv("DOCKER_CONTEXT")
    (settings / "config.json").write_text(json.dumps({"currentContext": "gone"}))
    with pytest.raises(EngineError, match=r"there is no Docker context 'gone'.*docker context use default"):
        address()
    # Contexts need no settings beside them.
    (settings / "config.json").unlink()
    monkeypatch.setenv("DOCKER_CONTEXT", "variable")
    assert address() == places["variable"]
