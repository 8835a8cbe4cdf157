"""A process of a job's Python that has imported what the job's code imports, and forks trial hosts.

It is an accelerator: whatever it cannot do, or would not do as a cold start does, the supervisor does without it.
Standard library only, for the job's Python may have nothing else of the workbench.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from workbench.store.files import WorkspaceFolder
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.warm_process import remark_environment

__all__ = ["ENVIRONMENT_ROOM_SIZE", "command_line", "main"]

ENVIRONMENT_ROOM_SIZE = 8192
_BOOT = (
    "import sys; sys.path.insert(1, sys.argv[1]); "
    "from workbench.trial.fork_server import main; main(int(sys.argv[2]), sys.argv[1])"
)
_MOST_BYTES = 1 << 16
_MOST_DESCRIPTORS = 16


def command_line(python: str, channel: int) -> list[str]:
    """Return the command that starts a fork server of the interpreter ``python`` that listens on ``channel``."""
    package = Path(__file__).resolve().parents[2]
    return [python, "-c", _BOOT, str(package), str(channel)]


def main(channel: int, package: str) -> None:
    """Import what the first message names, say ``ready``, then fork a host for each further message until the end."""
    with socket.socket(fileno=channel) as supervisor:
        # Imported now: a forked child must not read files for it.
        from workbench.trial import host  # noqa: PLC0415

        sys.path.remove(package)
        greeting, _ = _receive(supervisor)
        if greeting is None:
            return
        _preload(greeting["modules"])
        for module, function in greeting["prepare"]:
            _prepare(module, function, greeting["workspace"])
        if trouble := _unfit():
            _send(supervisor, {"unfit": trouble})
            return
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are collected by the kernel
        gc.collect()
        gc.freeze()  # what is there now is never looked at again, so that forks go on sharing it
        preloaded = frozenset(sys.modules)
        _send(supervisor, {"ready": len(preloaded)})
        while True:
            request, descriptors = _receive(supervisor)
            if request is None:
                return
            pid = os.fork()
            if pid == 0:
                supervisor.close()
                _become_host(host, request["folder"], descriptors, preloaded)
            for descriptor in descriptors:
                os.close(descriptor)
            _send(supervisor, {"pid": pid})


def _become_host(host: object, folder: str, lease: list[int], preloaded: frozenset[str]) -> NoReturn:
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        remark_environment({FOLDER_VARIABLE: folder})
        log = os.open(os.path.join(folder, "host.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # noqa: PTH118
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        host.main(folder, *map(str, lease), preloaded=preloaded)  # type: ignore[attr-defined]
    finally:
        os._exit(0)


def _preload(modules: list[str]) -> None:
    for name in modules:
        # A module that cannot be imported here is the program's own trouble, in its own time.
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)


def _prepare(module: str, function: str, workspace: str) -> None:
    """Do once what every trial would do first, where this Python has what it takes."""
    with contextlib.suppress(Exception):
        getattr(importlib.import_module(module), function)(WorkspaceFolder(Path(workspace)))


def _unfit() -> str | None:
    """Return why a fork of this process would not be like a cold start."""
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate()[1:])
        return f"importing started threads ({names}), which a fork loses"
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if entry.readlink().as_posix().startswith("/dev/nvidia"):
                return "importing opened a GPU, which a fork must not share"
    return None


def _send(channel: socket.socket, message: Mapping[str, object]) -> None:
    channel.sendall(json.dumps(message).encode())


def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    data, descriptors, _, _ = socket.recv_fds(channel, _MOST_BYTES, _MOST_DESCRIPTORS)
    return (json.loads(data) if data else None), list(descriptors)
