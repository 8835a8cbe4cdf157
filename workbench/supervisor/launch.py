"""From a job in the store to a trial host in its folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.definition.expressions import as_text
from workbench.definition.expressions import variables as expression_variables
from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.store.records import JobRecord
from workbench.supervisor.containers import NOT_INSIDE, container_of, path_inside
from workbench.trial.devices import nvml_folder
from workbench.trial.host import command_line
from workbench.trial.report import FOLDER_VARIABLE, WAKE_VARIABLE
from workbench.trial.spec import TrialSpec
from workbench.trial.tokens import new_token

__all__ = ["output_path", "specify", "start_host"]


def specify(
    trial: JobRecord,
    job: JobRecord,
    workspace: WorkspaceFolder,
    leased: Mapping[str, str],
    gpus: tuple[str, ...] = (),
    devices: str | None = None,
    port: int | None = None,
) -> TrialSpec:
    """Resolve everything a trial host must know.

    Args:
        trial: the row of the trial; the same as ``job`` for a plain job.
        job: the row that has the launch facts: the sweep's, or the job's own.
        workspace: where it runs.
        leased: variables that tell the trial what was leased for it.
        gpus: UUIDs of the GPUs among that.
        devices: the file that stands in for the driver, if one does.
        port: at which MLflow is served on this machine, for a trial that cannot open its database.
    """
    token = new_token(trial.folder) if port else None
    launch = job.launch
    folder = workspace.trial(trial.folder)
    return TrialSpec(
        name=trial.name,
        folder=trial.folder,
        command=launch["shell"],
        words=launch.get("words"),
        surroundings=str(workspace.surroundings / launch["surroundings"]),
        wake=str(workspace.wake),
        experiment_name=trial.experiment_name,
        display_name=trial.display_name,
        created=trial.created,
        parent=trial.parent,
        parent_folder=job.folder if trial.parent else None,
        number=trial.number,
        snapshot=str(workspace.snapshots / launch["snapshot"]) if launch["snapshot"] else None,
        variables=_variables(trial, job, workspace, folder) | _served(port, token) | dict(leased),
        gpus=list(gpus),
        devices=devices,
        nvml=nvml_folder() if gpus else None,
        outputs=dict(launch["outputs"]),
        copies=_copies(launch["data"]),
        timeout=launch["timeout"],
        grace=launch["grace"],
        params=dict(trial.params),
        inputs=dict(launch["literals"]),
        metric_patterns=launch.get("metric_patterns") or {},
        notebook=launch.get("notebook"),
        environment=launch.get("runs_in"),
        container=container_of(
            launch,
            workspace,
            folder,
            {name: output_path(name, trial, launch, folder) for name in launch["outputs"]},
            port,
        ),
        token=token,
        tags=dict(trial.tags),
    )


def _copies(data: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"inputs/{name}": facts["path"] for name, facts in data.items() if facts["mode"] == "download"}


def start_host(folder: TrialFolder, lease: Sequence[int] = ()) -> int:
    """Start a host for the trial whose specification is in ``folder``; return the host's pid.

    Args:
        folder: where it runs.
        lease: descriptors that hold the trial's lease; the host has copies of them when this returns.

    Raises:
        OSError: no process started.
    """
    command = command_line(folder, lease)
    log = str(folder.host_log)
    return os.posix_spawn(
        command[0],
        command,
        {"LANG": "C.UTF-8", FOLDER_VARIABLE: str(folder.root)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            # Onto itself: that makes a descriptor inheritable there, and not here.
            *((os.POSIX_SPAWN_DUP2, descriptor, descriptor) for descriptor in lease),
        ],
        setsid=True,
        # A request to stop must find a host that answers, even before its first line has run.
        setsigmask=[signal.SIGTERM, signal.SIGINT],
    )


def _variables(trial: JobRecord, job: JobRecord, workspace: WorkspaceFolder, folder: TrialFolder) -> dict[str, str]:
    launch = job.launch
    variables = {
        **_interpreter(launch["python"], launch["search_path"], launch.get("runs_in")),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **launch["variables"],
        "AZUREML_RUN_ID": trial.name,
        "AZUREML_ARM_PROJECT_NAME": trial.experiment_name,
        "AZUREML_ARM_WORKSPACE_NAME": launch["workspace_name"],
        "AZUREML_NODE_COUNT": "1",
        "AZUREML_CR_NODE_RANK": "0",
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(folder.work),
        "MLFLOW_RUN_ID": trial.name,
        "MLFLOW_EXPERIMENT_NAME": trial.experiment_name,
        "MLFLOW_TRACKING_URI": f"workbench://{workspace.mlflow_database}",
        "MLFLOW_REGISTRY_URI": workspace.mlflow_uri,
        "WORKBENCH_WORKSPACE": str(workspace.root),
        FOLDER_VARIABLE: str(folder.root),
        WAKE_VARIABLE: str(workspace.wake),
    }
    in_container = (launch.get("runs_in") or {}).get("kind") == "image"
    data = {
        name: path_inside(name, facts, folder) if in_container else _path_here(name, facts, folder)
        for name, facts in launch["data"].items()
    }
    if in_container:
        variables = {name: value for name, value in variables.items() if name not in NOT_INSIDE}
    swept = {f"AZUREML_PARAMETER_{name}": as_text(value) for name, value in trial.params.items()}
    return (
        variables
        | swept
        | expression_variables(
            literals=launch["literals"],
            data=data,
            outputs={name: str(output_path(name, trial, launch, folder)) for name in launch["outputs"]},
            search_space=trial.params,
        )
    )


def _served(port: int | None, token: str | None) -> dict[str, str]:
    """Return the variables that lead to MLflow over HTTP."""
    if not (port and token):
        return {}
    address = f"http://127.0.0.1:{port}"
    return {"MLFLOW_TRACKING_URI": address, "MLFLOW_REGISTRY_URI": address, "MLFLOW_TRACKING_TOKEN": token}


def _path_here(name: str, facts: Mapping[str, str], folder: TrialFolder) -> str:
    return str(folder.root / "inputs" / name) if facts["mode"] == "download" else facts["path"]


def output_path(name: str, trial: JobRecord, launch: Mapping[str, Any], folder: TrialFolder) -> Path:
    """Return where a named output goes: its own folder, or the path that the job gives, one for each trial."""
    path = launch["output_paths"].get(name)
    if path is None:
        return folder.named_outputs / name
    if "${{name}}" in path:
        return Path(path.replace("${{name}}", trial.name))
    return Path(path) / trial.name if trial.parent else Path(path)


def _interpreter(python: str, search_path: str, runs_in: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return the variables that make ``python`` and its scripts the first that a command finds."""
    if runs_in and runs_in["kind"] == "image":
        return {"PYTHONUNBUFFERED": "1"}
    scripts = Path(python).parent
    found = {"PATH": f"{scripts}{os.pathsep}{search_path}", "PYTHONUNBUFFERED": "1"}
    if runs_in or (scripts.parent / "pyvenv.cfg").exists():  # one that has yet to be built is one too
        found["VIRTUAL_ENV"] = str(scripts.parent)
    if runs_in:
        # Nothing of the Python that submits; and where Jupyter finds the environment's own kernel first.
        found |= {"PYTHONPATH": "", "PYTHONHOME": "", "JUPYTER_PATH": str(scripts.parent / "share" / "workbench")}
    return found
