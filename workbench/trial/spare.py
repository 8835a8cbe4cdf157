"""A program made ready before it is known which: a forked process that prepares itself, and waits to be told.

Standard library only: it runs inside the fork server of whatever Python a job uses.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from workbench.trial.apart import Modules
from workbench.trial.warm_process import Changes, become_python, remark_environment

__all__ = ["Prepared", "Ready", "Spare", "read_all"]

_MOST_BYTES = 1 << 20


class Prepared(Protocol):
    """What a spare has made ready."""

    def fileno(self) -> int:
        """Return the descriptor that it needs."""

    def discard(self) -> None:
        """Undo it."""


class Spare:
    """A child of this process that can become ``python words…`` once.

    Args:
        prepare: module and function that make ready what the program will look for; returns a ``Prepared`` or None.
        preloaded: modules that are there before the fork.
        changes: what these have done to the environment.
        private: what is this process's own.
    """

    def __init__(
        self, prepare: Sequence[str], preloaded: frozenset[str], changes: Changes, private: socket.socket
    ) -> None:
        self._channel, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._channel.close()
            private.close()
            _wait(theirs, prepare, preloaded, changes)
        theirs.close()

    def become(self, words: Sequence[str], variables: Mapping[str, str], log: str) -> int | None:
        """Let it become the program in this process's working directory; return its pid, None if it is gone.

        Args:
            words: the script or ``-m`` and a module, and the arguments.
            variables: all of its environment.
            log: file for its output.
        """
        message = {
            "words": list(words),
            "variables": dict(variables),
            "log": log,
            "folder": os.getcwd(),  # noqa: PTH109 - pathlib is no business of a host
        }
        with self._channel:
            try:
                self._channel.sendall(json.dumps(message).encode())
            except OSError:
                return None
        return self._pid

    def dismiss(self) -> None:
        """Let it end without having become anything."""
        self._channel.close()


@dataclass(frozen=True)
class Ready:
    """What a forked host finds ready.

    Args:
        preloaded: modules that were there before the fork.
        changes: what these have done to the environment.
        spare: what can become the trial's program.
        modules: what programs find imported in the environment that this process was started in; None where that is
            the Python that submitted.
    """

    preloaded: frozenset[str]
    changes: Changes
    spare: Spare | None = None
    modules: Modules | None = None


def read_all(channel: socket.socket) -> bytes:
    """Return what comes until the other side has closed the channel, or is gone; close it here too."""
    with channel:
        return b"".join(iter(functools.partial(channel.recv, _MOST_BYTES), b""))


def _wait(channel: socket.socket, prepare: Sequence[str], preloaded: frozenset[str], changes: Changes) -> NoReturn:
    try:
        module, function = prepare
        prepared: Prepared | None = getattr(importlib.import_module(module), function)()
        text = read_all(channel)
        if not text:
            if prepared is not None:
                prepared.discard()
            os._exit(0)
        message = json.loads(text)
        os.chdir(message["folder"])
        remark_environment(message["variables"])
        keep = [] if prepared is None else [prepared.fileno()]
        become_python(message["words"], message["variables"], message["log"], preloaded, changes, keep)
    finally:
        os._exit(1)
