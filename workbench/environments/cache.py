"""Where built environments are kept, and the lock that lets one process build what many want.

Standard library only: the trial host looks here on its hot path.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.store.files import OWNER_ONLY, read_json, write_json

__all__ = ["CACHE_VARIABLE", "Cache", "FailedBuildError", "cache_folder"]

CACHE_VARIABLE = "WORKBENCH_CACHE"


def cache_folder() -> Path:
    """Return the folder of this user's built environments: ``WORKBENCH_CACHE``, else below the user's cache folder.

    One for all workspaces of the machine: what is built is decided by content alone, and a gigabyte of packages is
    needed once.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "workbench"


class FailedBuildError(Exception):
    """A build failed; the text says at which step, then has its last lines."""


class Cache:
    """What is known of the environments of one kind.

    Args:
        root: folder of all that is built.
        kind: ``venv`` or ``image``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        self.folder = root / f"{kind}s"

    def place(self, key: str) -> Path:
        """Return the folder of a virtual environment."""
        return self.folder / key

    def marker(self, key: str) -> Path:
        """Return the file that says that an environment is there, with its facts; written as the last thing."""
        return self.folder / f"{key}.json"

    def facts(self, key: str) -> dict[str, Any] | None:
        """Return what is known of a built environment; None when it has to be built."""
        facts = read_json(self.marker(key))
        return facts if isinstance(facts, dict) and _is_there(facts) else None

    def build_of(self, key: str) -> str | None:
        """Return what tells the environment that is there from an earlier one of this key; None if there is none."""
        try:
            told = self.marker(key).stat()
        except FileNotFoundError:
            return None
        if self.facts(key) is None:
            return None
        return f"{told.st_ino} {told.st_mtime_ns}"

    def forget(self, key: str) -> None:
        """Let it be built again."""
        self.marker(key).unlink(missing_ok=True)

    def built(
        self, key: str, build: Callable[[], Mapping[str, Any]], say: Callable[[str], None]
    ) -> tuple[dict[str, Any], bool]:
        """Return the facts of an environment, after building it unless another process does or has; and whether it did.

        Args:
            key: of its recipe.
            build: makes it and returns its facts.
            say: is told who is waited for.

        Raises:
            FailedBuildError: the build failed, here or in the process that was waited for.
            OSError: the cache cannot be written.
        """
        self.folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        asked = time.time()
        with self._lock(key, say):
            if facts := self.facts(key):
                return facts, False
            failure = read_json(self._failure(key)) or {}
            if failure.get("time", 0.0) > asked:
                raise FailedBuildError(failure["message"])
            try:
                facts = dict(build())
            except FailedBuildError as error:
                write_json(self._failure(key), {"time": time.time(), "message": str(error)})
                raise
            self._failure(key).unlink(missing_ok=True)
            write_json(self.marker(key), facts)
            return facts, True

    def _failure(self, key: str) -> Path:
        return self.folder / f"{key}.failed.json"

    @contextmanager
    def _lock(self, key: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of a key; the kernel gives it back when this process ends, however it ends."""
        descriptor = os.open(self.folder / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another job builds this environment; waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_there(facts: Mapping[str, Any]) -> bool:
    """Return whether a virtual environment can still run: who makes room may remove it, but not what tells of it.

    Without it, ``python`` would be whatever comes next in the PATH.
    """
    python = facts.get("python")
    return python is None or (os.access(python, os.X_OK) and (Path(python).parents[1] / "pyvenv.cfg").is_file())
