"""What a trial in a container is given: mounts, limits, network, and the paths that it sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.environments.venvs import REPORTING
from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.trial.container import REPORTING as REPORTING_INSIDE

__all__ = ["NOT_INSIDE", "container_of", "path_inside"]

_INPUTS = "/mnt/workbench/inputs"
_MIB = 1 << 20
_NOTEBOOKS = REPORTING.with_name("bare_notebook.py")
NOT_INSIDE = ("WORKBENCH_PYTHON",)
"""Variables that mean something on this machine only."""


def path_inside(name: str, facts: Mapping[str, str], folder: TrialFolder) -> str:
    """Return where a data input is inside the container."""
    if facts["mode"] == "download":
        return str(folder.root / "inputs" / name)  # the trial's folder has the same path inside
    path = Path(facts["path"])
    if facts["mode"] == "direct" and "://" in facts["path"]:
        return facts["path"]
    return f"{_INPUTS}/{name}" if path.is_dir() else f"{_INPUTS}/{name}/{path.name}"


def container_of(
    launch: Mapping[str, Any],
    workspace: WorkspaceFolder,
    folder: TrialFolder,
    outputs: Mapping[str, Path],
    port: int | None,
) -> dict[str, Any] | None:
    """Return what the engine is asked for, as in ``TrialSpec``; None for a trial that runs in no container.

    Args:
        launch: the launch facts of its job.
        workspace: where it runs.
        folder: its folder.
        outputs: where each of its named outputs goes.
        port: at which MLflow is served on this machine.
    """
    if (launch.get("runs_in") or {}).get("kind") != "image":
        return None
    options = launch.get("container") or {}
    resources = launch.get("resources") or {}
    mounts = [
        (str(folder.root), str(folder.root), "rw"),
        (str(workspace.models), str(workspace.models), "rw"),
        (str(workspace.wake), str(workspace.wake), "rw"),
        (str(REPORTING), f"{REPORTING_INSIDE}/workbench.py", "ro"),
        (str(_NOTEBOOKS), f"{REPORTING_INSIDE}/workbench_notebook.py", "ro"),
    ]
    for name, facts in launch["data"].items():
        inside = path_inside(name, facts, folder)
        if facts["mode"] != "download" and "://" not in inside:
            mounts.append((facts["path"], inside, "rw" if facts["mode"] == "rw_mount" else "ro"))
    for name, path in outputs.items():
        place = path if launch["outputs"][name] else path.parent
        if not place.is_relative_to(folder.root):
            mounts.append((str(place), str(place), "rw"))
    return {
        "mounts": mounts,
        "shm_size": options.get("shm_size"),
        "docker_args": options.get("docker_args"),
        "memory": int(resources["memory"]) * _MIB if resources.get("memory") else None,
        "nano_cpus": int(resources["cpus"] * 1e9) if resources.get("cpus") else None,
        "port": port,
    }
