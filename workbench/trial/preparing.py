"""What a trial's host does while the trial is Preparing: see that its environment is there.

Standard library only: the trial host imports this on its hot path.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from workbench.environments.cache import Cache
from workbench.store.files import TrialFolder, read_json
from workbench.trial.spec import TrialSpec

__all__ = ["builder", "lacks_its_image", "preparation_of", "unfit", "why_it_failed"]


def builder(spec: TrialSpec, folder: TrialFolder) -> list[str] | None:
    """Return the command that makes a trial's environment; None when it is there."""
    wanted = spec.environment
    if wanted is None or _facts(wanted) is not None:
        return None
    # -P and not -I: the builder finds this package by PYTHONPATH.
    report = str(folder.preparation)
    command = [sys.executable, "-P", "-m", "workbench.environments", wanted["recipe"], wanted["cache"], report]
    return [*command, *filter(None, [wanted.get("engine")])]


def unfit(spec: TrialSpec) -> str | None:
    """Return why a trial cannot run in its environment, which is there; None when it can."""
    wanted = spec.environment
    if wanted is None or wanted["kind"] != "venv" or spec.notebook is None:
        return None
    if "ipykernel" in (_facts(wanted) or {}).get("packages", {}):
        return None
    return (
        "the environment has no ipykernel, and a notebook needs a kernel: add 'ipykernel' to its packages, "
        "or run the notebook with environment='local'"
    )


def lacks_its_image(spec: TrialSpec, folder: TrialFolder) -> bool:
    """Return whether a trial's container could not start because its image was removed; it will then be made again."""
    wanted = spec.environment
    try:
        told = read_json(folder.container)
    except (OSError, ValueError):
        return False
    if wanted is None or not isinstance(told, dict) or not told.get("image_is_missing"):
        return False
    Cache(Path(wanted["cache"]), wanted["kind"]).forget(wanted["key"])
    return True


def why_it_failed(folder: TrialFolder) -> str:
    """Return what the builder says of its failure; empty when it could not say anything."""
    return str(preparation_of(folder).get("error") or "")


def preparation_of(folder: TrialFolder) -> dict[str, Any]:
    """Return what the builder has said: ``text`` while it builds, then ``built`` and ``seconds``, or ``error``."""
    try:
        told = read_json(folder.preparation)
    except (OSError, ValueError):  # the folder is the trial's own: whatever it writes there must not matter
        return {}
    return told if isinstance(told, dict) else {}


def _facts(wanted: dict[str, Any]) -> dict[str, Any] | None:
    return Cache(Path(wanted["cache"]), wanted["kind"]).facts(wanted["key"])
