"""``docker_args`` of a job: words for ``docker run``, as what the engine's API is asked for."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from workbench.errors import ValidationException

__all__ = ["parse_docker_args"]

_TEXTS = {"ipc": "ipc_mode", "network": "network_mode", "pid": "pid_mode", "hostname": "hostname", "runtime": "runtime",
          "shm-size": "shm_size", "memory": "mem_limit", "memory-swap": "memswap_limit", "user": "user"}  # fmt: skip
_LISTS = {"cap-add": "cap_add", "cap-drop": "cap_drop", "security-opt": "security_opt", "device": "devices",
          "dns": "dns", "group-add": "group_add", "volume": "binds", "env": "environment", "ulimit": "ulimits",
          "add-host": "extra_hosts", "tmpfs": "tmpfs"}  # fmt: skip
_FLAGS = {"privileged": "privileged", "read-only": "read_only"}
_SHORT = {"memory": "-m", "volume": "-v", "env": "-e", "user": "-u", "hostname": "-h"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        known = ", ".join(sorted(f"--{name}" for name in (*_TEXTS, *_LISTS, *_FLAGS, "cpus")))
        raise ValidationException(message, "resources.docker_args", f"Understood here are: {known}")


def parse_docker_args(words: str | Sequence[str] | None) -> dict[str, Any]:
    """Return the arguments of ``docker run`` by the names of the API's host configuration; only those that are given.

    Args:
        words: as text or list.

    Raises:
        ValidationException: an argument that is not understood here; the message lists those that are.
    """
    if not words:
        return {}
    try:
        split = shlex.split(words) if isinstance(words, str) else [part for word in words for part in shlex.split(word)]
    except ValueError as error:
        raise ValidationException(f"{error} in {words!r}", "resources.docker_args", "Close the quotes") from error
    found, rest = _parser().parse_known_args(split)
    if rest:
        _Parser().error(f"{rest[0]!r} is not understood")
    given: dict[str, Any] = {name: value for name, value in vars(found).items() if value not in (None, [], False)}
    if "ulimits" in given:
        given["ulimits"] = [_ulimit(text) for text in given["ulimits"]]
    if "tmpfs" in given:
        given["tmpfs"] = {path: options for path, _, options in (text.partition(":") for text in given["tmpfs"])}
    if "extra_hosts" in given:
        given["extra_hosts"] = dict(text.split(":", 1) for text in given["extra_hosts"] if ":" in text)
    if "cpus" in given:
        given["nano_cpus"] = int(given.pop("cpus") * 1e9)
    return given


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, prog="docker_args")
    for name, target in _TEXTS.items():
        names = [f"--{name}", *([_SHORT[name]] if name in _SHORT else []), *(["--net"] if name == "network" else [])]
        parser.add_argument(*names, dest=target)
    for name, target in _LISTS.items():
        parser.add_argument(f"--{name}", *([_SHORT[name]] if name in _SHORT else []), dest=target, action="append")
    for name, target in _FLAGS.items():
        parser.add_argument(f"--{name}", dest=target, action="store_true")
    parser.add_argument("--cpus", dest="cpus", type=float)
    return parser


def _ulimit(text: str) -> dict[str, Any]:
    name, _, limits = text.partition("=")
    soft, _, hard = limits.partition(":")
    try:
        return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}
    except ValueError:
        raise ValidationException(
            f"{text!r} is no limit", "resources.docker_args", "Write --ulimit memlock=-1:-1"
        ) from None
