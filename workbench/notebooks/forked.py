"""A kernel without the start of an interpreter: ipykernel's own program in a fork of the runner.

The fork is made first of all, while the runner has neither threads nor sockets nor a handler of its own, and waits to
be told which kernel it is. From then on it is what ``python -m ipykernel_launcher`` is, down to its sockets.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from workbench.notebooks import warm
from workbench.trial.warm_process import leave

__all__ = ["ForkedProvisioner", "Seed", "provide", "sow"]

_LAUNCHER = "ipykernel_launcher"
_PATIENCE = 10.0  # seconds in which a kernel listens; one that does not yet is waited for in the usual way
_POLL = 0.002
_MOST_BYTES = 1 << 20


def sow(kernel: str) -> Seed | None:
    """Fork a process that can become the kernel ``kernel``; None where only a start of its own makes one.

    Args:
        kernel: name of the kernelspec.
    """
    if not warm.is_prepared():
        return None
    try:
        spec = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        return None
    if not _is_own(spec):
        return None
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become_kernel(theirs)
    theirs.close()
    return Seed(pid, ours)


def _is_own(spec: KernelSpec) -> bool:
    """Return whether a kernel is ipykernel in the very interpreter that runs this, with nothing of its own."""
    python, *arguments = spec.argv
    names = ("python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    own = python in names or python == sys.executable
    plain = arguments == ["-m", _LAUNCHER, "-f", "{connection_file}"]
    return own and plain and not spec.env and "kernel_provisioner" not in spec.metadata


class Seed:
    """A process that waits to become a kernel; then that kernel, with as much of ``Popen`` as its provisioner uses.

    Args:
        pid: of the process, a child of this one.
        channel: on which it is told what it is, and says that it listens.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._channel = channel

    def grow(self, command: Sequence[str], environment: Mapping[str, str], folder: str | None) -> None:
        """Let it become the kernel that ``command`` would start in ``folder``; None for this process's."""
        self._channel.sendall(json.dumps([list(command), dict(environment), folder]).encode())
        self._channel.shutdown(socket.SHUT_WR)

    async def listens(self) -> None:
        """Wait until the kernel's sockets are there, or it is not."""
        self._channel.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_recv(self._channel, 1), _PATIENCE)
        except TimeoutError:
            return
        finally:
            self._channel.close()

    def discard(self) -> None:
        """Let it end if it has not become anything."""
        if self._channel.fileno() >= 0:
            self._channel.close()
            self.wait()

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


class ForkedProvisioner(LocalProvisioner):
    """Gives jupyter_client's kernel manager the kernel that a seed becomes, instead of starting one."""

    seed: Seed | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start what ``cmd`` says."""
        seed = self.seed
        if seed is None or cmd[1:4] != ["-m", _LAUNCHER, "-f"]:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = seed  # type: ignore[assignment]  # it is a process, if no Popen
        self.pid = self.pgid = seed.pid  # type: ignore[assignment]
        self.cwd = kwargs.get("cwd", Path.cwd())
        environment = {**kwargs["env"], "JPY_PARENT_PID": str(os.getpid())}
        seed.grow(cmd, environment, kwargs.get("cwd"))
        # Whoever connects before there is a socket tries again only a tenth of a second later.
        await seed.listens()
        return self.connection_info


def provide(manager: Any, seed: Seed) -> None:
    """Let the kernel that ``manager`` starts be what ``seed`` becomes."""
    manager.kernel_id = manager.kernel_id or str(uuid.uuid4())
    manager.provisioner = ForkedProvisioner(
        kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
    )
    manager.provisioner.seed = seed


def _become_kernel(channel: socket.socket) -> NoReturn:
    code = 1
    preloaded = frozenset(sys.modules)
    try:
        os.setsid()
        _let_input_end()
        message = _read(channel)
        if not message:
            os._exit(0)
        command, environment, folder = json.loads(message)
        os.environ.clear()
        os.environ.update(environment)
        if folder:
            os.chdir(folder)
        code = _run(command, channel)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may return into the runner's own code
        import traceback  # noqa: PLC0415

        traceback.print_exc()
    finally:
        leave(code, preloaded)


def _let_input_end() -> None:
    """Make the standard input what jupyter_client gives a kernel: a pipe that nobody writes to."""
    reading, writing = os.pipe()
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)


def _read(channel: socket.socket) -> bytes:
    parts = []
    while part := channel.recv(_MOST_BYTES):
        parts.append(part)
    return b"".join(parts)


def _run(command: Sequence[str], channel: socket.socket) -> int:
    warm.make_kernel_fresh()
    launcher = importlib.util.find_spec(_LAUNCHER)
    sys.argv[:] = [str(launcher.origin) if launcher else _LAUNCHER, *command[3:]]
    sys.orig_argv[:] = command
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415

    app = IPKernelApp.instance(parent_handle=os.getppid())
    app.initialize(sys.argv[1:])
    warm.hand_over_logging()
    channel.send(b"!")
    channel.close()
    app.start()
    return 0
