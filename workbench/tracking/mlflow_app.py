"""MLflow's own web application on a workspace, to be served by this very process."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.store.files import WorkspaceFolder

__all__ = ["App", "Receive", "Scope", "Send", "listen", "load", "show"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_BACKLOG = 128


def listen(host: str, port: int, *options: tuple[int, int, int]) -> socket.socket:
    """Return a socket that listens from now on: who calls before the application is loaded waits.

    Args:
        host: an address of this machine.
        port: 0 for any free one.
        options: of the socket, as ``setsockopt`` takes them.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        listener.setsockopt(*option)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(_BACKLOG)
    return listener


def load(workspace: WorkspaceFolder, tracking: str, *, guarded: bool) -> App:
    """Import MLflow's application, which takes two seconds and its settings from this process's environment.

    Args:
        workspace: whose models it shows.
        tracking: address of the store of its runs.
        guarded: refuse other origins and hosts than this machine's, as browsers need it.
    """
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "_MLFLOW_SERVER_FILE_STORE": tracking,
        "_MLFLOW_SERVER_REGISTRY_STORE": workspace.mlflow_uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": workspace.models.as_uri(),
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false" if guarded else "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="starlette.middleware.wsgi is deprecated")  # MLflow's own business
        from mlflow.server.fastapi_app import app  # noqa: PLC0415 - two seconds

    return app  # type: ignore[no-any-return]


def show(workspace: WorkspaceFolder, listener: socket.socket) -> None:
    """Serve MLflow's user interface until Ctrl-C or SIGTERM.

    One process: ``mlflow ui`` starts a parent, four workers and a scheduler, and kills workers that are slow to start.

    Args:
        workspace: what is shown.
        listener: where; see `listen`.
    """
    import uvicorn  # noqa: PLC0415

    app = load(workspace, workspace.mlflow_uri, guarded=True)
    # MLflow's life-cycle removes containers, if only its own.
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
