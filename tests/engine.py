"""A container engine for the tests, and the image that they build on.

``python -m tests.engine COMMAND…`` runs a command with an engine. One that answers is used; otherwise Debian's is
installed and started, where that is allowed, and stopped again when the last command that uses it ends. Where it is not
allowed the command runs all the same, and the tests that need an engine skip.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.environments.engine import address
from workbench.errors import EngineError
from workbench.store.files import read_json, write_json
from workbench.trial.processes import Identity, is_alive

__all__ = ["BASE", "engine", "main"]

_INCLUDE = "python3,python3-pip,python3-venv,ca-certificates"
_SUITE = "trixie"
# The machine's own certificates and pip settings come along: what reaches the package index here does so inside.
_FROM_HERE = ("/etc/ssl/certs/ca-certificates.crt",)
_PIP_CONF = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nno-cache-dir = true\n"
_RECIPE = f"{_SUITE} {_INCLUDE} {_FROM_HERE} {_PIP_CONF}"
BASE = f"workbench-test-base:{hashlib.sha256(_RECIPE.encode()).hexdigest()[:12]}"
"""Debian with Python, as small as it gets, made on this machine and kept by the engine from run to run."""

_NOTEBOOK = "notebooks/03_containers.ipynb"
_PATIENCE = 300.0  # seconds for the engine to come up, and to go, on a machine that is busy
_APT_PATIENCE = 600  # seconds for another apt-get to end, such as the updates of a machine that has just been started
_APT_LISTS = Path("/var/lib/apt/lists/lock")
_RUN = Path("/run")  # one engine for the machine, so the locks are the machine's too
_CHANGING = "workbench-test-engine.changing"  # held by who starts the engine or stops it
_IN_USE = "workbench-test-engine.in-use"  # shared by all who use it
_STARTED = _RUN / "workbench-test-engine.json"  # the engine that tests have started
_PID_FILES = {"dockerd": _RUN / "docker.pid", "containerd": _RUN / "docker/containerd/containerd.pid"}


def main(command: list[str]) -> int:
    """Run ``command`` with an engine, if there can be one; return its exit code."""
    with engine() as why_not:
        if why_not:
            print(f"tests that need a container engine will skip: {why_not}", flush=True)
            if not os.environ.get("WORKBENCH_CI"):
                command = [*command, *(["--ignore", _NOTEBOOK] if "pytest" in command[0] else [])]
        return subprocess.run(command, env={"BASE_IMAGE": BASE, **os.environ}, check=False).returncode


@contextmanager
def engine() -> Iterator[str | None]:
    """Have an engine with the base image for as long as this lasts; yields why not, or None.

    Others may use it at the same time: whoever is the last to leave stops it, if tests have started it.
    """
    if os.getuid() != 0:
        yield (None if _answers() else "no engine answers, and only root may start one") or _make_base()
        return
    with (_RUN / _IN_USE).open("w") as in_use:
        with _locked(_CHANGING):
            why_not = None if _answers() else _start()
            fcntl.flock(in_use, fcntl.LOCK_SH)
        try:
            yield why_not or _make_base()
        finally:
            with _locked(_CHANGING):
                fcntl.flock(in_use, fcntl.LOCK_UN)
                with suppress(BlockingIOError):
                    fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _stop()


def _answers() -> bool:
    try:
        address()
    except EngineError:
        return False
    return True


def _start() -> str | None:
    """Start an engine; return why that is not possible."""
    if why_not := _install("dockerd", "docker.io"):
        return why_not
    if _answers():  # the package has started it
        return None
    _forget_the_dead()
    log = Path(tempfile.gettempdir()) / "workbench-test-engine.log"
    with log.open("wb") as file:
        started = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    identity = Identity.of(started.pid)
    write_json(_STARTED, identity.to_record() if identity else None)
    until = time.monotonic() + _PATIENCE
    while not _answers():
        if started.poll() is not None or time.monotonic() > until:
            started.kill()
            started.wait()
            return f"the engine did not come up; see {log}"
        time.sleep(0.1)
    return None


def _forget_the_dead() -> None:
    """Remove the pid files of an engine that was killed: it takes any process that has its number now for itself."""
    for program, file in _PID_FILES.items():
        try:
            name = Path(f"/proc/{int(file.read_text())}/comm").read_text().strip()
        except (OSError, ValueError):
            continue  # there is none, or nobody has that number
        if name != program:
            file.unlink()


def _stop() -> None:
    """Stop the engine that tests have started, and see that it has ended."""
    started = Identity.from_record(read_json(_STARTED))
    if started is None or not is_alive(started):
        return
    try:
        watch = os.pidfd_open(started.pid)
    except ProcessLookupError:
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        if is_alive(started):
            signal.pidfd_send_signal(watch, how)
            select.select([watch], [], [], _PATIENCE)
    os.close(watch)


def _make_base() -> str | None:
    """Make the base image unless the engine has it; return why that is not possible."""
    if _has_base():
        return None
    if os.getuid() != 0:
        return f"there is no image {BASE}, and only root may make it"
    with _locked("workbench-test-base.lock"), tempfile.TemporaryDirectory(prefix="workbench-base-") as folder:
        if _has_base():  # made while this one waited
            return None
        if why_not := _install("debootstrap", "debootstrap"):
            return why_not
        root = Path(folder) / "root"
        print(f"making {BASE}", flush=True)
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_INCLUDE}", _SUITE, str(root)],
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if made.returncode != 0:
            return "debootstrap failed"
        for name in _FROM_HERE:
            with suppress(FileNotFoundError):
                shutil.copy(name, root / name.removeprefix("/"))
        (root / "etc/pip.conf").write_text(_PIP_CONF)
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / waste, ignore_errors=True)
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
            done = subprocess.run(
                ["docker", "import", "-", BASE], stdin=packed.stdout, stdout=subprocess.DEVNULL, check=False
            )
        return None if done.returncode == 0 else "docker import failed"


def _has_base() -> bool:
    return subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode == 0


def _install(program: str, package: str) -> str | None:
    if shutil.which(program):
        return None
    if not shutil.which("apt-get"):
        return f"{program} is missing, and there is no apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with suppress(OSError), _APT_LISTS.open("a") as lists:  # apt-get update fails where another one holds this
        fcntl.lockf(lists, fcntl.LOCK_EX)
    subprocess.run(["apt-get", "update", "-q"], stdout=subprocess.DEVNULL, check=False)
    command = ["apt-get", "install", "-y", "-q", "-o", f"DPkg::Lock::Timeout={_APT_PATIENCE}", package]
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)
    return None if shutil.which(program) else f"the package {package} could not be installed"


@contextmanager
def _locked(name: str) -> Iterator[None]:
    with (_RUN / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
