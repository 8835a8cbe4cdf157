"""What a workspace's owner may set, in ``.workbench/settings.toml``; all of it has a default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from workbench.errors import ValidationException
from workbench.store.files import WorkspaceFolder

__all__ = ["Settings", "read_settings"]


def _default_slots() -> int:
    return max(4, 2 * len(os.sched_getaffinity(0)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a workspace.

    Args:
        grace: seconds between SIGTERM and SIGKILL when a trial is stopped.
        slots: most trials that run at once in this workspace, whatever their jobs ask for.
        devices: a JSON file that says which GPUs there are, in the place of the driver; for trying things out.
        warm: whether trials may start as forks of a process that has imported what they import.
        environments: what an environment's name, image or ``*`` means here: ``local`` for the Python that submits, the
            name of a registered environment, or a table with the fields of one.
    """

    grace: float = 10.0
    slots: int = field(default_factory=_default_slots)
    devices: str | None = None
    warm: bool = True
    environments: Mapping[str, Any] = field(default_factory=dict)


_TYPES: dict[str, tuple[type, ...]] = {
    "grace": (int, float),
    "slots": (int,),
    "devices": (str,),
    "warm": (bool,),
    "environments": (dict,),
}


def read_settings(workspace: WorkspaceFolder) -> Settings:
    """Return the settings of ``workspace``.

    Raises:
        ValidationException: the file is no TOML, or sets something unknown or of another type.
    """
    path = workspace.settings
    try:
        given = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValidationException(f"it is no TOML: {error}", str(path), "Write lines such as: grace = 10") from error
    for name, value in given.items():
        _check(name, value, str(path))
    return Settings(**given)


def _check(name: str, value: Any, where: str) -> None:
    if name not in _TYPES:
        known = ", ".join(one.name for one in fields(Settings))
        raise ValidationException(f"unknown setting {name!r}", where, f"Known are: {known}")
    if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and bool not in _TYPES[name]):
        raise ValidationException(f"{name} cannot be {value!r}", where, f"It is a {_TYPES[name][-1].__name__}")
    if name in ("grace", "slots") and not value >= (0 if name == "grace" else 1):  # type: ignore[operator]
        raise ValidationException(f"{name} cannot be {value!r}", where, "Write a larger number")
