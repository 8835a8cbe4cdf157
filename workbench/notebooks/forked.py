"""A kernel without the start of an interpreter: ipykernel's own program in a fork of the runner.

The fork is made first of all, while the runner has neither threads nor sockets nor a handler of its own. It gets as
far as a kernel can without knowing its environment, and waits to be told. From then on it is what
``python -m ipykernel_launcher`` is, down to its sockets.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from workbench.notebooks import warm
from workbench.notebooks.connection import LONGEST_SOCKET
from workbench.store.files import TrialFolder
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.sockets import socket_folder
from workbench.trial.spare import read_all
from workbench.trial.warm_process import leave, remark_environment, renew_process

__all__ = ["Seed", "is_own", "provide", "sow", "sow_ahead"]

_LAUNCHER = "ipykernel_launcher"
_NATIVE = ("python", "python2", "python3")  # what jupyter_client takes for ipykernel
_NO_HISTORY = "--HistoryManager.hist_file=:memory:"  # what nbclient asks for
_PATIENCE = 10.0  # seconds in which a kernel listens; one that does not yet is waited for in the usual way
_POLL = 0.002
_MOST_BYTES = 1 << 20


class Seed:
    """A process that waits to become a kernel; then that kernel, with as much of ``Popen`` as its provisioner uses.

    Args:
        pid: of the process, a child of this one.
        channel: on which it says that it listens, and is told what it is.
        command: what would start such a kernel.
        connection_file: where it listens; in a folder of its own.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, channel: socket.socket, command: Sequence[str], connection_file: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.connection_file = connection_file
        self._command = list(command)
        self._channel = channel

    def fits(self, command: Sequence[str]) -> bool:
        """Return whether it is what ``command`` would start."""
        return list(command) == self._command

    async def grow(self, environment: Mapping[str, str], folder: str | None, first: str | None) -> None:
        """Let it become the kernel, once its sockets are there.

        Args:
            environment: all of its variables.
            folder: its working directory; None for this process's.
            first: code that it runs before any cell, unseen.
        """
        await self._listens()
        message = {
            "environment": dict(environment),
            "folder": folder or str(Path.cwd()),
            "log": str(TrialFolder(Path(environment[FOLDER_VARIABLE])).log),
            "first": first,
        }
        with self._channel, suppress(OSError):  # whoever talks to it next finds that it is gone
            self._channel.setblocking(True)
            self._channel.sendall(json.dumps(message).encode())

    def fileno(self) -> int:
        """Return the descriptor of the channel."""
        return self._channel.fileno()

    async def _listens(self) -> None:
        """Wait for its sockets: who connects before they are there tries again only a tenth of a second later."""
        self._channel.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._channel, 1), _PATIENCE)
        except TimeoutError:
            return

    def end(self) -> None:
        """Let it end if it has not become anything."""
        if self._channel.fileno() >= 0:
            self._channel.close()
            self.wait()

    def discard(self) -> None:
        """Let it end if it has not become anything, and leave nothing of it behind."""
        self.end()
        shutil.rmtree(self.connection_file.parent, ignore_errors=True)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(_LAUNCHER, timeout or 0.0)
            time.sleep(_POLL)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Provisioner(LocalProvisioner):
    """Gives jupyter_client's kernel manager the kernel that a seed becomes, instead of starting one."""

    seed: Seed
    first: str | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start what ``cmd`` says."""
        seed = self.seed
        if not seed.fits(cmd):
            seed.end()  # it listens where the other will
            return await super().launch_kernel(cmd, **kwargs)
        self.process = seed  # type: ignore[assignment]  # it is a process, if no Popen
        self.pid = self.pgid = seed.pid
        self.cwd = kwargs.get("cwd", Path.cwd())
        environment = {**kwargs["env"], "JPY_PARENT_PID": str(os.getpid())}
        await seed.grow(environment, kwargs.get("cwd"), self.first)
        return self.connection_info


_ahead: list[Seed] = []


def sow() -> Seed | None:
    """Fork a process that can become a kernel of this interpreter, or return the one that was forked ahead.

    Returns:
        None where a kernel must be started by itself.
    """
    if _ahead:
        return _ahead.pop()
    folder = Path(socket_folder())
    stem = str(folder / "kernel")
    if len(stem) >= LONGEST_SOCKET:
        folder.rmdir()
        return None
    file, _ = write_connection_file(f"{stem}.json", transport="ipc", ip=stem, key=secrets.token_hex(32).encode())
    command = [sys.executable, "-m", _LAUNCHER, "-f", file, _NO_HISTORY]
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become_kernel(command, theirs)
    theirs.close()
    return Seed(pid, ours, command, Path(file))


def sow_ahead() -> Seed | None:
    """Fork one for the :func:`sow` to come."""
    seed = sow()
    if seed is not None:
        _ahead.append(seed)
    return seed


def is_own(kernel: str) -> bool:
    """Return whether a kernelspec is ipykernel in the very interpreter that runs this, with nothing of its own."""
    if kernel not in _NATIVE:
        return False  # nbclient starts it in another way
    try:
        spec: KernelSpec = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        return False
    python, *arguments = spec.argv or [""]
    major, minor = sys.version_info[:2]
    own = python in ("python", f"python{major}", f"python{major}.{minor}", sys.executable)
    plain = arguments == ["-m", _LAUNCHER, "-f", "{connection_file}"]
    return own and plain and not spec.env and "kernel_provisioner" not in spec.metadata


def provide(manager: Any, seed: Seed, first: str | None) -> bool:
    """Let the kernel that ``manager`` starts be what ``seed`` becomes; return whether it can.

    Args:
        manager: a kernel manager of jupyter_client's that has not started anything.
        seed: the process.
        first: code that runs before any cell, unseen.
    """
    if getattr(manager, "transport_encryption", "disabled") != "disabled":
        return False
    manager.connection_file = str(seed.connection_file)
    manager.load_connection_file()
    manager.write_connection_file = lambda **_: None  # it is written, and being read
    manager.kernel_id = manager.kernel_id or str(uuid.uuid4())
    provisioner = _Provisioner(kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager)
    provisioner.seed, provisioner.first = seed, first
    manager.provisioner = provisioner
    return True


def _become_kernel(command: Sequence[str], channel: socket.socket) -> NoReturn:
    code = 1
    preloaded = frozenset(sys.modules)
    try:
        os.setsid()
        _let_input_end()
        held_back = _hold_output_back()
        renew_process()
        _run(command, channel, held_back)
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may return into the runner's own code
        import traceback  # noqa: PLC0415 - never, if all goes well

        traceback.print_exc()
    finally:
        leave(code, preloaded)


def _run(command: Sequence[str], channel: socket.socket, held_back: int) -> None:
    """Do what the launcher does."""
    warm.make_kernel_fresh()
    if sys.path[:1] == [""]:
        del sys.path[0]
    launcher = importlib.util.find_spec(_LAUNCHER)
    sys.argv[:] = [str(launcher.origin) if launcher else _LAUNCHER, *command[3:]]
    sys.orig_argv[:] = command
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - nothing of it is needed in the runner

    app: Any = IPKernelApp.instance(parent_handle=os.getppid())
    # By then sockets and shell are there. What comes after depends on environment and folder: startup files, say.
    app.init_path = functools.partial(_await_its_turn, app, channel, held_back)
    with warm.logging_as_after():
        app.initialize(sys.argv[1:])
    app.start()


def _await_its_turn(app: Any, channel: socket.socket, held_back: int) -> None:
    channel.send(b"!")
    text = read_all(channel)
    if not text:
        os._exit(0)
    message = json.loads(text)
    remark_environment(message["environment"])
    _let_output_go(held_back, message["log"])
    warm.make_environment(message["environment"])
    os.chdir(message["folder"])
    shell = app.kernel.shell
    shell.init_environment()
    shell.starting_dir = message["folder"]
    shell.history_manager.dir_hist[:] = [Path.cwd()]
    del app.init_path
    app.init_path()
    if message["first"]:
        exec(message["first"], {})  # noqa: S102 - ours


def _let_input_end() -> None:
    """Make the standard input what jupyter_client gives a kernel: a pipe that nobody writes to."""
    reading, writing = os.pipe()
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)


def _hold_output_back() -> int:
    """Let what is printed wait in a file until it is known which log it belongs to."""
    held_back = os.memfd_create("held back")
    os.dup2(held_back, 1)
    os.dup2(held_back, 2)
    return held_back


def _let_output_go(held_back: int, log: str) -> None:
    """Print to ``log`` what was held back, and from now on everything, through whichever descriptor."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.lseek(held_back, 0, os.SEEK_SET)
    while part := os.read(held_back, _MOST_BYTES):
        os.write(target, part)
    file = os.fstat(held_back).st_ino
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - no file is opened meanwhile
        with suppress(OSError):  # that of the list itself
            if descriptor != held_back and os.fstat(descriptor).st_ino == file:
                os.dup2(target, descriptor)
    os.close(target)
    os.close(held_back)
