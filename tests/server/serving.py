"""A real Jupyter server with the workbench's extension, under a base address as JupyterHub gives it one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import websocket
from openapi_schema_validator import OAS31Validator

from workbench.supervisor.ports import lasting_port

__all__ = ["BASE", "HUB_TOKEN", "INSIDE", "TOKEN", "Answer", "Contract", "Server", "Socket", "Space", "running_server"]

TOKEN = "a-secret-token-of-these-tests"
HUB_TOKEN = "a-secret-token-of-a-hub"
BASE = "/user/some.body/"
INSIDE = "--ServerApp.jpserver_extensions=tests.server.inside=True"
"""Lets a server tell how it is inside."""
_HEAVY = {"matplotlib", "mlflow", "numpy", "optuna", "pandas", "scipy", "sklearn", "sqlalchemy", "torch"}


@dataclass(frozen=True)
class Answer:
    """What a server has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A Jupyter server.

    Args:
        port: where it listens on this machine.
        root: the folder that it serves.
        log: what it says.
        process: it.
    """

    port: int
    root: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Its address with its base, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}{BASE}".rstrip("/")

    def fetch(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        signed_in: bool = True,
    ) -> Answer:
        """Ask for an address below the base."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/{path}", data=data, method=method)
        for name, value in {**({"Authorization": f"token {TOKEN}"} if signed_in else {}), **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def socket(self, path: str, headers: Sequence[str] | None = None, **options: Any) -> websocket.WebSocket:
        """Open a WebSocket below the base, signed in unless other headers are given."""
        given = [f"Authorization: token {TOKEN}"] if headers is None else list(headers)
        return websocket.create_connection(
            f"{self.address.replace('http', 'ws', 1)}/{path}",
            header=given,
            timeout=60,
            skip_utf8_validation=True,
            **options,
        )

    def cookies(self, *, signed_in: bool = True) -> tuple[str, str]:
        """Sign in as a browser does, or only come to where it is asked to.

        Returns:
            The browser's cookies as a header, and the XSRF token among them.
        """
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        if signed_in:
            opener.open(f"{self.address}/api/status?token={TOKEN}").close()
        opener.open(f"{self.address}/login{f'?token={TOKEN}' if signed_in else ''}").close()
        cookies = {cookie.name: cookie.value or "" for cookie in jar}
        return "; ".join(f"{name}={value}" for name, value in cookies.items()), cookies["_xsrf"]

    def inside(self) -> dict[str, Any]:
        """Return what a server started with :data:`INSIDE` tells."""
        told: dict[str, Any] = self.fetch("inside").json
        return told

    def heavy(self) -> set[str]:
        """Return what it has loaded, started with :data:`INSIDE`, that it should leave to others."""
        return _HEAVY & set(self.inside()["modules"])

    def cpu_seconds(self) -> float:
        """Return how much processor time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Contract:
    """The server's description, which every answer in these tests is held against.

    Args:
        description: in OpenAPI 3.1.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.description = description
        self.asked: set[tuple[str, str]] = set()
        """What was asked so far: method and path."""
        self._paths = [
            (re.compile(re.sub(r"{(\w+)}", lambda one: ".+" if one[1] == "path" else "[^/]+", path)), path)
            for path in sorted(description["paths"], key=lambda path: path.count("{"))
        ]

    def hold(self, method: str, address: str, answer: Answer) -> None:
        """See that an answer is as described: its status, its type and its content."""
        path = next(path for pattern, path in self._paths if pattern.fullmatch(f"/api/{address}"))
        self.asked.add((method, path))
        described = self.description["paths"][path][method.lower()]["responses"]
        assert str(answer.status) in described, (method, path, answer.status, answer.body)
        content = described[str(answer.status)].get("content", {})
        if "application/json" not in content:
            return
        assert answer.headers["Content-Type"].startswith("application/json")
        schema = {**content["application/json"]["schema"], "components": self.description["components"]}
        errors = [f"{list(error.path)}: {error.message}" for error in OAS31Validator(schema).iter_errors(answer.json)]
        assert not errors, (method, path, errors)


@dataclass(frozen=True)
class Space:
    """A workspace that a server serves.

    Args:
        server: it.
        folder: relative to the served one.
        contract: what its answers are held against.
    """

    server: Server
    folder: str
    contract: Contract

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.server.root / self.folder

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        /,
        **query: Any,
    ) -> Answer:
        """Ask for an address of the interface."""
        options = urlencode({"workspace": self.folder, **query}, doseq=True)
        answer = self.server.fetch(f"workbench/api/{quote(path)}?{options}", method, body, headers)
        self.contract.hold(method, path, answer)
        return answer

    def get(self, path: str, /, **query: Any) -> Any:
        """Return what an address of the interface shows."""
        answer = self.ask(path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any = None, status: int = 200, /, **query: Any) -> Any:
        """Return what doing something has answered."""
        answer = self.ask(path, "POST", {} if body is None else body, **query)
        assert answer.status == status, answer.body
        return answer.json

    def listen(self) -> Socket:
        """Open the WebSocket of changes."""
        return Socket(self.server.socket(f"workbench/changes?{urlencode({'workspace': self.folder})}"))


@dataclass
class Socket:
    """A WebSocket of changes, and what came over it."""

    connection: websocket.WebSocket
    heard: list[dict[str, Any]] = field(default_factory=list)

    def next(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(self.connection.recv())
        self.heard.append(message)
        return message

    def until(self, wanted: Callable[[dict[str, Any]], Any], patience: float = 60) -> dict[str, Any]:
        """Return the first message from now on that is wanted."""
        give_up = time.monotonic() + patience
        before = self.connection.gettimeout()
        try:
            while (left := give_up - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if wanted(message := self.next()):
                    return message
        except websocket.WebSocketTimeoutException:
            pass  # it is said below what came instead
        finally:
            self.connection.settimeout(before)
        raise AssertionError([(one["type"], one.get("jobs")) for one in self.heard[-5:]])

    def until_job(self, name: str, *statuses: str) -> dict[str, Any]:
        """Return the summary of a job as soon as it has one of these statuses."""

        def wanted(message: dict[str, Any]) -> bool:
            return any(job["name"] == name and job["status"] in statuses for job in message.get("jobs", ()))

        message = self.until(wanted)
        return next(job for job in message["jobs"] if job["name"] == name)

    def until_queue(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the queue, as it was told last or will be told, as soon as it is as wanted."""
        told: list[dict[str, Any]] = [message["queue"] for message in self.heard if message.get("queue")]
        if told and wanted(told[-1]):
            return told[-1]
        queue: dict[str, Any] = self.until(lambda message: message.get("queue") and wanted(message["queue"]))["queue"]
        return queue

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.connection.send(json.dumps(message))

    def close(self) -> None:
        """Close it."""
        self.connection.close()


@contextmanager
def running_server(root: Path, *options: str, **variables: str) -> Iterator[Server]:
    """Start a Jupyter server that serves ``root`` and nothing but the workbench; end it and its kernels afterwards."""
    port = lasting_port()
    settings = root.parent / f"{root.name}-settings"
    settings.mkdir()
    environment = (
        os.environ
        | variables
        | {
            "JUPYTER_NO_CONFIG": "1",
            "JUPYTERHUB_API_TOKEN": HUB_TOKEN,
            "JUPYTER_CONFIG_DIR": str(settings / "config"),
            "JUPYTER_RUNTIME_DIR": str(settings / "runtime"),
            "IPYTHONDIR": str(settings / "ipython"),
        }
    )
    log = settings / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyter_server",
                "--no-browser",
                "--allow-root",
                "--debug",
                "--ServerApp.jpserver_extensions=workbench.server=True",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                f"--ServerApp.base_url={BASE}",
                f"--IdentityProvider.token={TOKEN}",
                f"--ServerApp.root_dir={root}",
                *options,
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        server = Server(port, root, log, process)
        try:
            _await_answer(server)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_answer(server: Server) -> None:
    give_up = time.monotonic() + 60
    while True:
        assert server.process.poll() is None, server.log.read_text()
        try:
            if server.fetch("api").status == 200:
                return
        except urllib.error.URLError:
            assert time.monotonic() < give_up, server.log.read_text()
            time.sleep(0.05)  # a server that starts tells nobody when it listens
