"""The one program with which an image gets packages of conda, fetched on this machine: an image may have no way to."""

from __future__ import annotations

import http.client
import io
import os
import platform
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["UnreachableError", "micromamba"]

_PLACE = "https://micro.mamba.pm/api/micromamba"
_NAMES = {"x86_64": "linux-64", "amd64": "linux-64", "aarch64": "linux-aarch64", "arm64": "linux-aarch64"}
_NAMES |= {"ppc64le": "linux-ppc64le"}
_PATIENCE = 30  # seconds without a byte
_EXECUTABLE = 0o755


class UnreachableError(Exception):
    """It is not on this machine, and could not be fetched; the text says why not."""


def micromamba(folder: Path) -> Path:
    """Return the path of micromamba: this machine's own, else one that is fetched once.

    Args:
        folder: where what was fetched is kept.

    Raises:
        UnreachableError: there is none, and none can be had.
    """
    if found := shutil.which("micromamba"):
        return Path(found)
    machine = platform.machine().lower()
    if machine not in _NAMES:
        raise UnreachableError(f"there is none for {machine}")
    kept = folder / f"micromamba-{_NAMES[machine]}"
    if not kept.exists():
        url = f"{_PLACE}/{_NAMES[machine]}/latest"
        try:
            _keep(_fetched(url), kept)
        except (OSError, http.client.HTTPException, tarfile.TarError, EOFError, KeyError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            reason = error.reason if type(error) is urllib.error.URLError else error
            raise UnreachableError(f"it could not be fetched from {url}: {reason}") from error
    return kept


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 - of ours
        packed = io.BytesIO(answer.read())
    with tarfile.open(fileobj=packed, mode="r:*") as archive:
        program = archive.extractfile("bin/micromamba")
        if program is None:
            raise KeyError("bin/micromamba")
        return program.read()


def _keep(program: bytes, place: Path) -> None:
    """Write a program as a whole or not at all: others may be looking for it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=place.parent, prefix=place.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(program)
        Path(aside).chmod(_EXECUTABLE)
        Path(aside).replace(place)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
