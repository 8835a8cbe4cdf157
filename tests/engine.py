"""A container engine for the tests, and the image that they build on.

``python -m tests.engine COMMAND…`` runs a command with an engine. One that answers is used; otherwise Debian's is
installed and started, where that is allowed, and stopped again when the command ends. Where it is not allowed the
command runs all the same, and the tests that need an engine skip.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.environments.engine import address
from workbench.errors import EngineError

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
_PATIENCE = 60.0  # seconds for the engine to come up, and to go


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
    """Have an engine with the base image for as long as this lasts; yields why not, or None."""
    started: subprocess.Popen[bytes] | None = None
    try:
        why_not = None
        if not _answers():
            why_not, started = _start()
        yield why_not or _make_base()
    finally:
        if started is not None:
            started.terminate()
            started.wait(_PATIENCE)


def _answers() -> bool:
    try:
        address()
    except EngineError:
        return False
    return True


def _start() -> tuple[str | None, subprocess.Popen[bytes] | None]:
    if os.getuid() != 0:
        return "no engine answers, and only root may start one", None
    if why_not := _install("dockerd", "docker.io"):
        return why_not, None
    log = Path(tempfile.gettempdir()) / "workbench-test-engine.log"
    with log.open("wb") as file:
        started = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    until = time.monotonic() + _PATIENCE
    while not _answers():
        if started.poll() is not None or time.monotonic() > until:
            started.kill()
            started.wait()
            return f"the engine did not come up; see {log}", None
        time.sleep(0.1)
    return None, started


def _make_base() -> str | None:
    """Make the base image unless the engine has it; return why that is not possible."""
    if subprocess.run(["docker", "image", "inspect", BASE], capture_output=True, check=False).returncode == 0:
        return None
    if os.getuid() != 0:
        return f"there is no image {BASE}, and only root may make it"
    if why_not := _install("debootstrap", "debootstrap"):
        return why_not
    with tempfile.TemporaryDirectory(prefix="workbench-base-") as folder, _locked():
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


def _install(program: str, package: str) -> str | None:
    if shutil.which(program):
        return None
    if not shutil.which("apt-get"):
        return f"{program} is missing, and there is no apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], stdout=subprocess.DEVNULL, check=False)
    command = ["apt-get", "install", "-y", "-q", package]
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)
    return None if shutil.which(program) else f"the package {package} could not be installed"


@contextmanager
def _locked() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "workbench-test-base.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
