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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from workbench.store.files import WorkspaceFolder
from workbench.trial.apart import Modules, set_aside
from workbench.trial.freshness import Freshness, files_read
from workbench.trial.processes import end_with_parent
from workbench.trial.randomness import seeds_kept
from workbench.trial.report import FOLDER_VARIABLE, poke
from workbench.trial.search_path import hidden_script_folder
from workbench.trial.spare import Ready, Spare
from workbench.trial.warm_process import Changes, changes_since, remark_environment

__all__ = ["ENVIRONMENT_ROOM_SIZE", "command_line", "main"]

ENVIRONMENT_ROOM_SIZE = 8192
_OLDEST = (3, 11)
# The package is loaded from where it lies: on the search path its folder would bring whatever else lies there, which
# is another environment's. What comes before that is for Pythons that cannot load it.
_BOOT = f"""
import sys
package, channel = sys.argv[1], int(sys.argv[2])
if sys.implementation.name != "cpython" or sys.version_info < {_OLDEST}:
    import os
    os.read(channel, 1)
    os.write(channel, b'{{"unfit": "it takes CPython {_OLDEST[0]}.{_OLDEST[1]} or newer"}}')
    sys.exit()
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("workbench", package + "/__init__.py")
sys.modules["workbench"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["workbench"])
from workbench.trial.fork_server import main
main(channel)
"""
_MOST_BYTES = 1 << 16
_MOST_DESCRIPTORS = 16


def command_line(python: str, channel: int) -> list[str]:
    """Return the command that starts a fork server of the interpreter ``python`` that listens on ``channel``."""
    package = Path(__file__).resolve().parents[1]
    return [python, "-c", _BOOT, str(package), str(channel)]


def main(channel: int) -> None:
    """Import what the first message names, say ``ready``, then fork a host for each further message until the end."""
    with socket.socket(fileno=channel) as supervisor:
        # Imported now: a forked child must not read files for it.
        from workbench.trial import host  # noqa: F401, PLC0415

        end_with_parent()  # who imports for a long time does not hear that nobody waits any more
        greeting, _ = _receive(supervisor)
        if greeting is None:
            return
        before = dict(os.environ)
        with files_read() as read, hidden_script_folder(), seeds_kept():
            with _programs_modules(apart=greeting["apart"]) as modules, _surroundings(greeting["within"]) as was_asked:
                unwanted = _preload(greeting["modules"], was_asked)
            if unwanted:
                _send(supervisor, {"without": unwanted})
                return
            for module, function in greeting["prepare"]:
                _prepare(module, function, greeting["workspace"])
        if trouble := _unfit():
            _send(supervisor, {"unfit": trouble})
            return
        freshness = Freshness([*sys.modules.values(), *(modules or {}).values()], read, sys.path)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are collected by the kernel
        gc.collect()
        gc.freeze()  # what is there now is never looked at again, so that forks go on sharing it
        preloaded = frozenset(sys.modules if modules is None else modules)
        hosts = _Hosts(supervisor, preloaded, changes_since(before), greeting["ahead"], modules, freshness)
        _send(supervisor, {"ready": len(preloaded)})
        poke(WorkspaceFolder(Path(greeting["workspace"])).wake)
        hosts.serve()


class _Hosts:
    """Forks hosts; one of them ahead of its trial, where there is something that it can make ready.

    Args:
        supervisor: who asks for hosts.
        preloaded: the modules that are there.
        changes: what these have done to the environment.
        ahead: see :class:`~workbench.trial.spare.Spare`; empty for nothing.
        modules: what programs find imported, where that is not what this process has imported.
        freshness: tells whether all that is still what a program would import.
    """

    def __init__(
        self,
        supervisor: socket.socket,
        preloaded: frozenset[str],
        changes: Changes,
        ahead: Sequence[str],
        modules: Modules | None,
        freshness: Freshness,
    ) -> None:
        self._supervisor = supervisor
        self._preloaded = preloaded
        self._changes = changes
        self._ahead = ahead
        self._modules = modules
        self._freshness = freshness
        self._waiting: tuple[int, socket.socket] | None = None

    def serve(self) -> None:
        """Fork a host for each message until there is nobody to send any, or what was imported has changed."""
        while True:
            if self._ahead and self._waiting is None:
                self._fork_ahead()
            request, lease = _receive(self._supervisor)
            if request is None:
                return
            if changed := self._freshness.what_changed():
                _send(self._supervisor, {"changed": changed})
                return
            pid = self._hand_over(request, lease) or self._fork(request["folder"], lease)
            for descriptor in lease:
                os.close(descriptor)
            _send(self._supervisor, {"pid": pid})

    def _fork(self, folder: str, lease: list[int]) -> int:
        pid = _fork()
        if pid == 0:
            self._leave_to_server()
            _lead_session()
            _become_host(folder, lease, Ready(self._preloaded, self._changes, modules=self._modules))
        return pid

    def _fork_ahead(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = _fork()
        if pid == 0:
            self._leave_to_server()
            ours.close()
            self._wait_for_trial(theirs)
        theirs.close()
        self._waiting = (pid, ours)

    def _wait_for_trial(self, channel: socket.socket) -> NoReturn:
        try:
            _lead_session()
            spare = Spare(self._ahead, self._preloaded, self._changes, channel)
            request, lease = _receive(channel)
            channel.close()
            if request is not None:
                _become_host(request["folder"], lease, Ready(self._preloaded, self._changes, spare))
        finally:
            os._exit(0)

    def _hand_over(self, request: Mapping[str, str], lease: list[int]) -> int | None:
        """Let the host that waits run a trial; return its pid, or None when there is none."""
        if self._waiting is None:
            return None
        pid, channel = self._waiting
        self._waiting = None
        with channel:
            try:
                socket.send_fds(channel, [json.dumps(request).encode()], lease)
            except OSError:
                return None
        return pid

    def _leave_to_server(self) -> None:
        """Close, in a child, what is the server's: nobody else may keep the other sides waiting."""
        self._supervisor.close()
        if self._waiting is not None:
            self._waiting[1].close()


def _fork() -> int:
    """Fork; a request to stop must find a host that answers, even before the first line of the child has run."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stop)
    return pid


def _lead_session() -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _become_host(folder: str, lease: list[int], ready: Ready) -> NoReturn:
    from workbench.trial import host  # noqa: PLC0415 - it is there already

    try:
        remark_environment({FOLDER_VARIABLE: folder})
        log = os.open(os.path.join(folder, "host.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # noqa: PTH118
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        host.main(folder, *map(str, lease), ready=ready)
    finally:
        os._exit(0)


def _programs_modules(*, apart: bool) -> contextlib.AbstractContextManager[Modules | None]:
    """Return what sees to it that modules are imported as the environment's programs import them."""
    return set_aside() if apart else contextlib.nullcontext()


@contextlib.contextmanager
def _surroundings(maker: Sequence[str]) -> Iterator[Callable[[], bool]]:
    """Yield what tells whether the module imported last must not be there before the fork.

    Args:
        maker: module and function of a context manager that makes surroundings like those in which the program
            imports, and yields what tells whether they were not enough; empty where nothing is needed.
    """
    if not maker:
        yield bool
        return
    with getattr(importlib.import_module(maker[0]), maker[1])() as was_asked:
        yield was_asked


def _preload(modules: list[str], was_asked: Callable[[], bool]) -> list[str]:
    """Import modules, and return those that must be left to the program.

    What a module prints while it is imported, warnings too, belongs to the output of the program.
    """
    unwanted = []
    with _printed() as has_printed:
        for name in modules:
            # One that cannot be imported here is the program's own trouble, in its own time.
            with contextlib.suppress(Exception, SystemExit):
                exec(f"import {name}", {"__name__": "__main__"})  # noqa: S102 - warnings name who imports
            if has_printed() | was_asked():
                unwanted.append(name)
    return unwanted


@contextlib.contextmanager
def _printed() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether anything was printed since it was last called; it is printed after all at the end."""
    there = [os.dup(number) for number in (1, 2)]
    aside = os.memfd_create("printed")
    for number in (1, 2):
        os.dup2(aside, number)
    length = 0

    def has_printed() -> bool:
        nonlocal length
        sys.stdout.flush()
        sys.stderr.flush()
        before, length = length, os.fstat(aside).st_size
        return length > before

    try:
        yield has_printed
    finally:
        for number, original in zip((1, 2), there, strict=True):
            os.dup2(original, number)
            os.close(original)
        os.lseek(aside, 0, os.SEEK_SET)
        while part := os.read(aside, _MOST_BYTES):
            os.write(2, part)
        os.close(aside)


def _prepare(module: str, function: str, workspace: str) -> None:
    """Do once what every trial would do first, where this Python has what it takes."""
    with contextlib.suppress(Exception):
        getattr(importlib.import_module(module), function)(WorkspaceFolder(Path(workspace)))


def _unfit() -> str | None:
    """Return why a fork of this process would not be like a cold start."""
    if threading.active_count() > 1:
        names = ", ".join(thread.name for thread in threading.enumerate()[1:])
        return f"importing started threads ({names}), which a fork loses"
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        return "importing initialized CUDA, which does not work in a fork"
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
