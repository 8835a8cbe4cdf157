"""Leases of what a machine has a limited number of: GPUs, cores, memory.

A resource is a file in a folder that the whole machine shares, and one byte of it is one unit of the resource. Whoever
holds a lock on a byte has that unit. The locks belong to open file descriptions: they are handed to a child together
with the descriptors, they hold between workspaces and users, and the kernel drops them when the last holder ends,
however it ends. Nothing is ever written into the files. Standard library only: the trial host imports this.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from workbench.errors import StoreError

__all__ = ["FOLDER_VARIABLE", "Lease", "Resource", "acquire", "folder", "free_units", "keep_private"]

FOLDER_VARIABLE = "WORKBENCH_LEASES"

_SHARED_FOLDER = 0o1777  # everybody may add a file, nobody may remove another's
_SHARED_FILE = 0o666
_CANDIDATES = (Path("/run/lock/workbench"), Path("/tmp/workbench-leases"))  # noqa: S108 - it is meant to be shared

_FLOCK = struct.Struct("hhqqi4x")  # type, whence, start, length (0: to the end), pid (0 for these locks)


@dataclass(frozen=True)
class Resource:
    """Something that can be leased in parts.

    Args:
        name: the same for everybody on the machine, such as ``gpu-GPU-5d2a…``.
        units: how many parts there are.
    """

    name: str
    units: int


class Lease:
    """Units of resources, held for as long as any process has these descriptors open.

    Args:
        fds: open file descriptions that carry the locks.
    """

    def __init__(self, fds: Sequence[int] = ()) -> None:
        self._fds = tuple(fds)

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that a child must inherit to hold the lease; empty after :meth:`release`."""
        return self._fds

    def release(self) -> None:
        """Let go of this process's hold; a child that inherited the descriptors keeps the lease.

        It closes and never unlocks, for unlocking would take the lease from that child too.
        """
        fds, self._fds = self._fds, ()
        for fd in fds:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def folder() -> Path:
    """Return the folder of the machine's leases, made if need be: ``WORKBENCH_LEASES``, else one for all users.

    Raises:
        StoreError: none can be made or used.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        chosen = Path(named).absolute()
        try:
            if not chosen.is_dir():
                chosen.parent.mkdir(parents=True, exist_ok=True)
                _make_shared(chosen)
        except OSError as error:
            raise _unusable(chosen, error) from error
        return chosen
    for candidate in _CANDIDATES:
        # The choice must not depend on who asks: what only root can write to, the others would not find.
        if not os.path.lexists(candidate) and _is_shared(candidate.parent):
            with suppress(OSError):
                _make_shared(candidate)
        if _is_shared(candidate):
            return candidate
    raise StoreError(
        "no folder for leases can be made in which every user of this machine may write",
        where=" or ".join(str(candidate) for candidate in _CANDIDATES),
        fix=f"Make one of them with mode 1777, or name another folder in the environment variable {FOLDER_VARIABLE}",
    )


def acquire(wanted: Sequence[tuple[Resource, int]], where: Path) -> Lease | None:
    """Take all that is wanted, or nothing; never waits.

    Args:
        wanted: resources, each with the number of units; 0 asks for nothing of it.
        where: the folder of the leases.

    Returns:
        The lease, whose descriptors are close-on-exec, or None when something is not free.

    Raises:
        ValueError: a number of units is negative.
        StoreError: the folder or a file in it cannot be used.
    """
    if any(units < 0 for _, units in wanted):
        raise ValueError("a lease of less than nothing")
    # One order for everybody: of those who want the same, whoever gets the first gets the rest.
    ordered = sorted((pair for pair in wanted if pair[1]), key=lambda pair: pair[0].name)
    if not ordered:
        return Lease()
    with ExitStack() as undo:
        fds = [_keep_from_cleaners(where)]
        undo.callback(lambda: Lease(fds).release())
        for resource, units in ordered:
            taken = _take(resource, units, where)
            if taken is None:
                return None
            fds.append(taken)
        undo.pop_all()
        return Lease(fds)


def free_units(resource: Resource, where: Path) -> int:
    """Return how many units of ``resource`` nobody holds at this moment.

    Args:
        resource: what is asked about.
        where: the folder of the leases.

    Raises:
        StoreError: the folder or a file in it cannot be used.
    """
    fd = _open_existing(_path(resource, where))
    if fd is None:
        return resource.units
    try:
        return sum(end - start for start, end in _free(fd, [(0, resource.units)]))
    finally:
        os.close(fd)


def keep_private(fds: Iterable[int]) -> None:
    """Let no command that this process starts inherit the lease.

    Args:
        fds: descriptors of a lease that this process inherited.

    Raises:
        OSError: one of them is not open.
    """
    for fd in fds:
        os.set_inheritable(fd, False)


def _take(resource: Resource, units: int, where: Path) -> int | None:
    """Return a descriptor that holds ``units`` of ``resource``, or None when they are not free."""
    path = _path(resource, where)
    while True:
        fd = _open(path)
        with ExitStack() as undo:
            undo.callback(os.close, fd)
            if not _lock(fd, resource.units, units):
                return None
            if _is_still(fd, path):  # else it was removed in between, and everybody else looks at a new one
                undo.pop_all()
                return fd


def _lock(fd: int, total: int, units: int) -> bool:
    taken: list[tuple[int, int]] = []
    missing = units
    while True:
        free = _free(fd, _gaps(taken, total))
        if sum(end - start for start, end in free) < missing:
            return False
        for start, free_end in free:
            end = min(free_end, start + missing)
            if not _try_lock(fd, start, end):
                break  # somebody else was faster: look again
            taken.append((start, end))
            missing -= end - start
            if not missing:
                return True


def _gaps(taken: list[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    edges = [0, *(edge for pair in sorted(taken) for edge in pair), total]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _free(fd: int, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of ``ranges`` that no other file description has locked, in ascending order."""
    free = []
    waiting = sorted(ranges, reverse=True)
    while waiting:
        start, end = waiting.pop()
        held = _conflict(fd, start, end)
        if held is None:
            free.append((start, end))
            continue
        # The kernel names any lock in the way, not the first one.
        if held[1] < end:
            waiting.append((held[1], end))
        if held[0] > start:
            waiting.append((start, held[0]))
    return free


def _conflict(fd: int, start: int, end: int) -> tuple[int, int] | None:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
    kind, _, held, length, _ = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return None
    return held, held + length if length else end


def _try_lock(fd: int, start: int, end: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _path(resource: Resource, where: Path) -> Path:
    # Older drivers name MIG instances like MIG-GPU-…/1/0.
    return where / resource.name.replace("/", ":")


def _open(path: Path) -> int:
    while (fd := _open_existing(path)) is None:
        _create(path)
    return fd


def _open_existing(path: Path) -> int | None:
    # Without O_CREAT: with it, fs.protected_regular forbids even root to open what another user made in such a folder.
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise StoreError("it is not a regular file", where=str(path), fix="Remove it")


def _create(path: Path) -> None:
    """Make the file appear with the rights it is to have, so that nobody meets it half made."""
    aside = _aside(path)
    try:
        fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(fd, _SHARED_FILE)
            with suppress(FileExistsError):
                path.hardlink_to(aside)
        finally:
            os.close(fd)
            aside.unlink()
    except OSError as error:
        raise _unusable(path, error) from error


def _is_still(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


def _keep_from_cleaners(where: Path) -> int:
    """Return a descriptor that keeps systemd-tmpfiles from removing old files of ``where`` that are in use."""
    try:
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(where, error) from error
    with suppress(BlockingIOError):  # a cleaner is at work this moment: the check after locking is what counts then
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


def _is_shared(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH)


def _make_shared(path: Path) -> None:
    aside = _aside(path)
    aside.mkdir()
    try:
        aside.chmod(_SHARED_FOLDER)
        aside.rename(path)  # replaces nothing but an empty folder
    except OSError:
        aside.rmdir()
        if not path.is_dir():
            raise


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(6).hex()}")


def _unusable(path: Path, error: OSError) -> StoreError:
    if error.errno == errno.ELOOP:
        return StoreError("a symbolic link stands where leases are kept", where=str(path), fix="Remove it")
    return StoreError(
        f"leases cannot be kept there: {error.strerror}",
        where=str(path),
        fix=f"Let every user write there, or name another folder in the environment variable {FOLDER_VARIABLE}",
    )
