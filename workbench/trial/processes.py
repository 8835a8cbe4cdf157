"""Who is who among processes: identity beyond the pid, descendants, and ending a whole tree.

Reads ``/proc`` and needs no cgroup. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "FRESH_SIGNALS",
    "Identity",
    "adopt_orphans",
    "descendants",
    "end_tree",
    "end_with_parent",
    "is_alive",
    "is_marked",
    "marked_processes",
    "sees_our_files",
]

FRESH_SIGNALS = frozenset(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""Signals that a trial does not ignore even if who submits it does, as what ``nohup`` or a shell's ``&`` starts."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TICK = 0.02  # seconds between two looks at a tree that is dying, when nothing tells of a death


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one with the same pid.

    Args:
        pid: its number.
        started: start time in clock ticks since boot, from ``/proc/<pid>/stat``.
        boot: id of the boot of the machine.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return the identity of the process that has ``pid`` now, or None."""
        stat = _stat(pid)
        return None if stat is None else cls(pid, stat.started, _boot_id())

    @classmethod
    def from_record(cls, record: dict[str, Any] | None) -> Identity | None:
        """Return the identity written as ``record``, or None."""
        return None if record is None else cls(record["pid"], record["started"], record["boot"])

    def to_record(self) -> dict[str, Any]:
        """Return this as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Stat:
    parent: int
    state: str
    threads: int
    started: int

    @property
    def is_dead(self) -> bool:
        """Whether nothing of it runs: while other threads go on, or still die, its files and locks are open."""
        return self.state in "ZX" and self.threads <= 1


def is_alive(process: Identity) -> bool:
    """Return whether that very process runs: same pid, same start, same boot, not dead."""
    stat = _stat(process.pid)
    return stat is not None and not stat.is_dead and stat.started == process.started and _boot_id() == process.boot


def adopt_orphans() -> None:
    """Make every orphaned descendant of this process its child, so that none escapes by double-forking."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent dies; its own children it does not concern."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Return the pids of all living descendants of ``root``, parents before children."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and not stat.is_dead:
            children.setdefault(stat.parent, []).append(pid)
    found: list[int] = []
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop(0)
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def marked_processes(variable: str, value: str) -> list[int]:
    """Return the pids of this user's processes that were started with ``variable=value`` in their environment."""
    wanted = f"{variable}={value}".encode()
    # One look can miss a process that forks and ends while it lasts: its child is seen by the second.
    return _with_mark(wanted) or _with_mark(wanted)


def is_marked(pid: int, variable: str, value: str) -> bool:
    """Return whether a process was started with ``variable=value`` in its environment."""
    try:
        return f"{variable}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False  # it ended, or belongs to somebody else


def sees_our_files(pid: int) -> bool:
    """Return whether a process sees the files that this one sees; what runs in a container does not."""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/mnt"), os.stat("/proc/self/ns/mnt"))  # noqa: PTH116
    except OSError:  # it ended, or belongs to somebody else
        return False


def _with_mark(wanted: bytes) -> list[int]:
    found = []
    for pid in _pids():
        try:
            surroundings = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:  # it ended, or belongs to somebody else
            continue
        if wanted in surroundings.split(b"\0") and pid != os.getpid():
            found.append(pid)
    return found


def end_tree(
    find: Callable[[], list[int]], grace: float, pause: Callable[[float], object] = time.sleep
) -> tuple[str | None, list[int]]:
    """End every process that ``find()`` returns, and those they start meanwhile.

    Args:
        find: returns the pids that must go.
        grace: seconds between SIGTERM and SIGKILL.
        pause: waits for at most that many seconds for something to have ended.

    Returns:
        Name of the hardest signal that was needed (None when nothing was there), and the pids that would not go.
    """
    sent: set[int] = set()
    used: str | None = None
    deadline = time.monotonic() + grace
    give_up = deadline + max(5.0, grace)
    while pids := find():
        now = time.monotonic()
        if now > give_up:
            return used, list(pids)
        if now >= deadline:
            used = signal.SIGKILL.name
            _signal(pids, signal.SIGKILL)
        else:
            fresh = [pid for pid in pids if pid not in sent]
            if fresh:
                used = signal.SIGTERM.name
                _signal(fresh, signal.SIGTERM)
                sent.update(fresh)
        pause(_TICK)
    return used, []


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):  # one that may not be ended is reported as left
            os.kill(pid, number)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - twice as fast as Path


def _stat(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - read for every process of the machine
            text = file.read()
    except OSError:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    rest = text[text.rfind(b")") + 2 :].split()
    return _Stat(parent=int(rest[1]), state=rest[0].decode(), threads=int(rest[17]), started=int(rest[19]))


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
