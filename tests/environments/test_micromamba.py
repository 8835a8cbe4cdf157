"""The program that installs packages of conda into images."""

from __future__ import annotations

import io
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from workbench.environments.cache import Cache
from workbench.environments.images import _generated
from workbench.environments.micromamba import UnreachableError, micromamba
from workbench.environments.output import Output
from workbench.environments.recipes import ImageRecipe

_PROGRAM = b"#!/bin/sh\n"


def packed(name: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:bz2") as file:
        entry = tarfile.TarInfo(name)
        entry.size = len(_PROGRAM)
        file.addfile(entry, io.BytesIO(_PROGRAM))
    return archive.getvalue()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is asked of a server that has micromamba for two kinds of machines; none is on this one."""
    paths: list[str] = []
    files = {"/linux-64/latest": packed("bin/micromamba"), "/linux-aarch64/latest": packed("README")}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            content = files.get(self.path)
            self.send_response(200 if content else 503)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setattr("workbench.environments.micromamba._PLACE", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("shutil.which", lambda _: None)
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        monkeypatch.setenv("no_proxy", "*")
        yield paths
        server.shutdown()
        thread.join()


def test_it_is_fetched_once(asked: list[str], tmp_path: Path) -> None:
    program = micromamba(tmp_path / "cache")
    assert (program.read_bytes(), program.stat().st_mode & 0o777) == (_PROGRAM, 0o755)
    assert micromamba(tmp_path / "cache") == program
    assert asked == ["/linux-64/latest"]
    assert [file.name for file in program.parent.iterdir()] == ["micromamba-linux-64"]


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        ("aarch64", "it could not be fetched from http://.*/linux-aarch64/latest: .*bin/micromamba"),
        ("ppc64le", "it could not be fetched from http://.*/linux-ppc64le/latest: .*503"),
        ("riscv64", "there is none for riscv64"),
    ],
)
def test_it_says_why_it_cannot_be_had(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, why: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(UnreachableError, match=why):
        micromamba(tmp_path / "cache")
    recipe = ImageRecipe(image="some", conda=("cudatoolkit=11.8",))
    files = {name: content for name, content, _ in _generated(recipe, Cache(tmp_path, "image"), Output(lambda _: None))}
    assert "micromamba" not in files, "the image may have a conda of its own"
    script = files["install.sh"]
    assert isinstance(script, bytes)
    assert b"only conda can install cudatoolkit=11.8" in script
    assert list(tmp_path.rglob("micromamba*")) == []


def test_this_machines_own_is_taken(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/micromamba")
    assert micromamba(tmp_path) == Path("/usr/bin/micromamba")
    assert asked == []
