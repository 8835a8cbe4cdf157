"""MLflow over HTTP for trials that cannot open the workspace's database: ``python -m workbench.tracking.served``.

One process that listens where trials in containers and in other environments reach it, and nowhere else. It costs
next to nothing until a trial really calls: only then it imports MLflow. It lives as long as the supervisor keeps its
standard input open, which is as long as such trials run.

A request must carry the token of a trial that runs: its folder's name and a secret that stands in its ``trial.json``.
"""

from __future__ import annotations

import contextvars
import functools
import hmac
import os
import select
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.store.files import TrialFolder, WorkspaceFolder, read_json
from workbench.tracking.mlflow_app import App, Receive, Scope, Send, listen, load
from workbench.trial.tokens import read_token

if TYPE_CHECKING:
    from workbench.tracking.trial_store import TrialStore

__all__ = ["SCHEME", "Authorized", "CurrentStore", "main"]

SCHEME: Final = "workbench-served"
_PATHS = ("/api/2.0/mlflow/", "/api/2.1/", "/api/3.0/mlflow/", "/version")
_IP_FREEBIND = 15  # Linux; the socket module has no name for it before Python 3.14
_MOST_STORES = 32

_trial: contextvars.ContextVar[TrialFolder | None] = contextvars.ContextVar("trial", default=None)


class CurrentStore:
    """The store of whichever trial a request comes from, for MLflow's server to use as if there were one.

    Args:
        workspace: whose trials they are.
    """

    def __init__(self, workspace: WorkspaceFolder) -> None:
        from workbench.tracking.trial_store import TrialStore  # noqa: PLC0415 - MLflow

        @functools.lru_cache(maxsize=_MOST_STORES)
        def store_of(folder: TrialFolder | None) -> TrialStore:
            return TrialStore(workspace, folder, str(workspace.wake))

        self._store_of = store_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store_of(_trial.get()), name)


class Authorized:
    """An application behind the tokens of running trials.

    Args:
        app: MLflow's own.
        workspace: whose trials may call.
    """

    def __init__(self, app: App, workspace: WorkspaceFolder) -> None:
        self._app = app
        self._workspace = workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or not str(scope["path"]).startswith(_PATHS):
            await _refuse(send, 404)
            return
        folder = self._trial_of(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))
        if folder is None:
            await _refuse(send, 401)
            return
        _trial.set(folder)
        await self._app(scope, receive, send)

    def _trial_of(self, header: str) -> TrialFolder | None:
        """Return the running trial whose token a request carries, or None."""
        kind, _, token = header.partition(" ")
        claimed = read_token(token) if kind == "Bearer" else None
        if claimed is None:
            return None
        folder = self._workspace.trial(claimed.folder)
        if not folder.root.resolve().is_relative_to(self._workspace.runs) or folder.exit.exists():
            return None
        try:
            known = str((read_json(folder.spec) or {}).get("token") or "")
        except (OSError, ValueError):
            return None
        return folder if known and hmac.compare_digest(known, token) else None


def main(root: str, port: str, engine: str = "") -> None:
    """Serve the workspace at ``root`` until standard input ends.

    Args:
        root: of the workspace.
        port: to listen at.
        engine: address of the container engine, whose containers shall reach it too; empty for none.

    Raises:
        OSError: the port is taken.
        EngineError: the engine does not answer.
    """
    hosts = ["127.0.0.1"]
    if engine:
        from workbench.environments.network import gateway  # noqa: PLC0415 - only where there are containers

        hosts.append(gateway(engine))
    # Podman's network is there only with its containers.
    listening = [listen(host, int(port), (socket.IPPROTO_IP, _IP_FREEBIND, 1)) for host in hosts]
    ready, _, _ = select.select([*listening, sys.stdin], [], [])
    if sys.stdin not in ready:
        _serve(WorkspaceFolder(Path(root)), listening)


def _serve(workspace: WorkspaceFolder, listening: list[socket.socket]) -> None:
    import uvicorn  # noqa: PLC0415

    # Nobody is let in without a token, which no browser has.
    app = load(workspace, f"{SCHEME}://{workspace.mlflow_database}", guarded=False)
    config = uvicorn.Config(
        Authorized(app, workspace), log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_input, args=(server,), daemon=True).start()
    server.run(sockets=listening)


def _end_with_input(server: Any) -> None:
    while os.read(sys.stdin.fileno(), 1 << 12):
        pass
    server.should_exit = True


async def _refuse(send: Send, status: int) -> None:
    body = b'{"error_code": "UNAUTHENTICATED", "message": "this address is for running trials of a workbench"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    # MLflow finds CurrentStore in the module of that name, which this one is not: there may be only one _trial.
    from workbench.tracking.served import main as main_of_module

    main_of_module(*sys.argv[1:])
