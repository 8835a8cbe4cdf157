"""What surrounds a job and may differ the next time: packages, interpreter, driver, data, code."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.store.files import WorkspaceFolder, read_json, write_json
from workbench.store.snapshots import fingerprint
from workbench.tracking.git import git_facts

__all__ = ["circumstances", "drift"]

_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.(dist|egg)-info")
_DRIVER = Path("/proc/driver/nvidia/version")
_COMMIT = "mlflow.source.git.commit"
_MOST_NAMED = 5


def circumstances(workspace: WorkspaceFolder) -> dict[str, Any]:
    """Return what is true of this process's Python and of the machine, the list of packages kept by its hash."""
    packages = _packages()
    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    kept = workspace.packages / digest
    if not kept.exists():
        write_json(kept, packages)
    return {"python_version": platform.python_version(), "packages": digest, "driver": _driver()}


def drift(launch: Mapping[str, Any], properties: Mapping[str, str], workspace: WorkspaceFolder) -> list[str]:
    """Return what is not as it was when a job was submitted, one readable line each.

    Args:
        launch: the launch facts of the job.
        properties: its properties, with the git commit.
        workspace: where lists of packages are kept.
    """
    return [
        *_interpreter_drift(launch),
        *_package_drift(launch, workspace),
        *_driver_drift(launch),
        *_data_drift(launch),
        *_code_drift(launch, properties),
    ]


def _interpreter_drift(launch: Mapping[str, Any]) -> Iterator[str]:
    was, now = launch.get("python"), sys.executable
    if was != now:
        yield f"Python was {was} and is called from {now}; the job uses the former"
    version = (launch.get("facts") or {}).get("python_version")
    if was == now and version and version != platform.python_version():
        yield f"Python was {version} and is {platform.python_version()}"


def _package_drift(launch: Mapping[str, Any], workspace: WorkspaceFolder) -> Iterator[str]:
    digest = (launch.get("facts") or {}).get("packages")
    before: dict[str, str] | None = read_json(workspace.packages / digest) if digest else None
    if before is None:
        return
    now = _packages()
    changes = [
        f"{name} {before.get(name, 'absent')} → {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if changes:
        more = f" and {len(changes) - _MOST_NAMED} more" if len(changes) > _MOST_NAMED else ""
        yield f"packages: {', '.join(changes[:_MOST_NAMED])}{more}"


def _driver_drift(launch: Mapping[str, Any]) -> Iterator[str]:
    facts = launch.get("facts") or {}
    if "driver" in facts and facts["driver"] != _driver():
        yield f"NVIDIA driver: {facts['driver'] or 'none'} → {_driver() or 'none'}"


def _data_drift(launch: Mapping[str, Any]) -> Iterator[str]:
    for name, data in (launch.get("data") or {}).items():
        path = Path(data["path"])
        if data["mode"] == "direct":
            continue
        if not path.exists():
            yield f"input {name}: {path} is gone"
        elif fingerprint(path) != data.get("fingerprint"):
            yield f"input {name}: the files at {path} have changed"


def _code_drift(launch: Mapping[str, Any], properties: Mapping[str, str]) -> Iterator[str]:
    commit = properties.get(_COMMIT)
    folder = Path(launch.get("folder", "."))
    if commit and folder.is_dir():
        now = git_facts(folder)[0].get(_COMMIT)
        if now != commit:
            shown = now[:10] if now else "no commit"
            yield f"git: {folder} was at {commit[:10]} and is at {shown}; the job uses the code as it was"


def _packages() -> dict[str, str]:
    """Return name and version of what is installed, as the folders say: reading all metadata takes too long here."""
    found: dict[str, str] = {}
    for place in dict.fromkeys(sys.path):
        with suppress(OSError):  # no folder, or not ours to read: nothing can be imported from there either
            for entry in Path(place).iterdir():
                if matched := _DISTRIBUTION.fullmatch(entry.name):
                    found.setdefault(matched["name"].lower().replace("_", "-"), matched["version"])
    return found


def _driver() -> str | None:
    try:
        first = _DRIVER.read_text().splitlines()[0]
    except (OSError, IndexError):
        return None
    matched = re.search(r"\d+\.\d+(\.\d+)?", first)
    return matched[0] if matched else first
