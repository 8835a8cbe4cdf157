"""The container engine of this machine: finding it, and saying what is wrong when it does not answer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["DISK_FULL", "LABEL", "address", "connect", "explain", "is_disk_full", "is_podman"]

LABEL = "workbench"
"""Carried by every image, container and network that the workbench makes; nothing else is ever touched."""

DISK_FULL = (
    "the disk that the container engine uses is full; make room: docker system df shows what takes it, "
    "workbench images prune and docker system prune remove what nobody uses"
)
"""What is said where an engine has no room."""

_DEFAULT = "default"
_SOCKET = "unix://"
_TIMEOUT = 60  # seconds for one answer


def address() -> str:
    """Return the address of the engine that answers: of ``DOCKER_HOST``, of Docker's context, or of a usual place.

    Raises:
        EngineError: none answers; the message says what is missing and how to get it.
    """
    troubles = []
    for place in dict.fromkeys(_places()):
        try:
            connect(place).close()
        except EngineError as error:
            troubles.append(error)
        else:
            return place
    raise troubles[0]


def connect(place: str) -> APIClient:
    """Return a connection to the engine at an address.

    Raises:
        EngineError: it does not answer, or is on another machine.
    """
    from http.client import HTTPException  # noqa: PLC0415 - all of them take a fifth of a second

    from docker import APIClient  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    if not place.startswith(_SOCKET):
        raise EngineError(
            f"the container engine at {place} is not on this machine",
            "DOCKER_HOST",
            "Folders of this machine are mounted into containers: use the engine here, docker context use default",
        )
    try:
        return APIClient(base_url=place, version=_version(place), timeout=_TIMEOUT)
    except (DockerException, HTTPException, OSError) as error:
        raise explain(error, place) from error


def _version(place: str) -> str:
    """Return the version of the API that an engine speaks; asked as Docker's own program does.

    What the client would ask for, all that the engine knows of its parts, takes an engine much longer to answer.
    """
    from http.client import HTTPConnection  # noqa: PLC0415

    connection = HTTPConnection("engine", timeout=_TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(_TIMEOUT)
        connection.sock.connect(place.removeprefix(_SOCKET))
        connection.request("GET", "/_ping")
        return connection.getresponse().headers.get("Api-Version") or "auto"
    finally:
        connection.close()


def explain(error: BaseException, place: str) -> EngineError:
    """Return what it means that an engine does not answer."""
    path = place.removeprefix(_SOCKET)
    causes = list(_causes(error))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return EngineError(
            f"this user may not use the container engine at {path}",
            "environment",
            "Let an administrator run: sudo usermod -aG docker $USER; then log in again",
        )
    if not os.path.exists(path) and not (shutil.which("dockerd") or shutil.which("podman")):  # noqa: PTH110
        return EngineError(
            "a container needs Docker or Podman, and there is none on this machine",
            "environment",
            "Install it: sudo apt-get install docker.io; or run the job without a container: environment='local' or "
            "Environment(requirements=[…])",
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return EngineError(
            f"the container engine is not running: nothing answers at {path}",
            "environment",
            "Start it: sudo systemctl start docker, or for Podman: systemctl --user start podman.socket",
        )
    return EngineError(f"the container engine at {path} does not answer: {error}", "environment", "See its log")


def is_podman(api: APIClient) -> bool:
    """Return whether the engine is Podman, which answers as Docker does but for some things."""
    return any("podman" in str(part.get("Name")).lower() for part in api.version().get("Components") or ())


def is_disk_full(said: str) -> bool:
    """Return whether an engine's refusal means that it has no room."""
    return "no space left on device" in said.lower() or "disk quota exceeded" in said.lower()


def _places() -> Iterator[str]:
    if host := os.environ.get("DOCKER_HOST"):
        yield host
        return
    if host := _of_context():
        yield host
        return
    yield f"{_SOCKET}/var/run/docker.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for path in (f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock", "/run/podman/podman.sock"):
        if os.path.exists(path):  # noqa: PTH110
            yield _SOCKET + path


def _of_context() -> str | None:
    """Return the address in Docker's current context; None for the default one.

    As Docker's own program finds it: its client for Python knows no ``DOCKER_CONTEXT``, nor contexts without settings.

    Raises:
        EngineError: there is no such context.
    """
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    named = os.environ.get("DOCKER_CONTEXT")
    name = named or _field(folder / "config.json", "currentContext") or _DEFAULT
    if name == _DEFAULT:
        return None
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    if host := _field(meta, "Endpoints", "docker", "Host"):
        return host
    raise EngineError(
        f"there is no Docker context {name!r}" if not meta.exists() else f"Docker's context {name!r} names no engine",
        "DOCKER_CONTEXT" if named else "currentContext",
        f"docker context ls shows them; or {'unset DOCKER_CONTEXT' if named else 'docker context use default'}",
    )


def _field(file: Path, *names: str) -> str | None:
    """Return a text in a JSON file; None where there is none, or no such file."""
    try:
        value = json.loads(file.read_bytes())
        for name in names:
            value = value[name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it came from, as far down as libraries have wrapped it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException))]
        waiting.append(
            getattr(one, "reason", None) if isinstance(getattr(one, "reason", None), BaseException) else None
        )
