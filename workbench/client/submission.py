"""From a definition to the row in the store: checked, resolved and independent of whoever submitted it."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from workbench.client.circumstances import circumstances
from workbench.client.context import Context
from workbench.client.edits import PRIORITIES
from workbench.client.environments import Settled, settle
from workbench.client.notebooks import SHELL, WORDS, NotebookSource, notebook_source, trial_notebook
from workbench.client.references import resolve_asset, split_reference
from workbench.definition.checks import check
from workbench.definition.distributions import Distribution
from workbench.definition.expressions import as_text, to_shell, with_given
from workbench.definition.inputs import Input, Output, data_of
from workbench.definition.naming import generate_name
from workbench.definition.paths import where_paths_begin
from workbench.definition.records import AnyJob, to_record
from workbench.definition.status import JobStatus
from workbench.definition.sweep import Sweep
from workbench.definition.words import Word, to_words
from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.handover import WITH_VARIABLE
from workbench.notebooks.inside import FOLDER_OF_NOTEBOOK
from workbench.search.space import size
from workbench.store.records import JobRecord
from workbench.store.settings import read_settings
from workbench.store.snapshots import fingerprint, keep_surroundings, take_snapshot
from workbench.supervisor.placement import Placer, request_of
from workbench.tracking.git import git_facts
from workbench.tracking.registry import LATEST
from workbench.trial.devices import devices_from
from workbench.trial.docker_args import parse_docker_args
from workbench.trial.leases import folder as lease_folder

__all__ = ["check_here", "differences", "local_code", "prepare"]

_SESSION_ONLY = (
    "JPY_",
    "JUPYTERHUB_API_TOKEN",  # a server's keys
    "JUPYTER_TOKEN",
    "PYDEVD_",
    "WORKBENCH_",
    "AZUREML_",
    "AZURE_ML_",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_",
)
# What a job that came back from the workspace carries of its own life; a new job made from it must not.
_RUNTIME = ("workbench.", "best_", "score", "ContentSnapshotId")
_EDITABLE = ("search_space", "limits")  # of a sweep that runs; what they were is kept beside them
_AS_SUBMITTED = "as_submitted"
_LONGEST_EXPERIMENT = 500  # characters, MLflow's limit
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_REMOTE = re.compile(r"(https?|wasbs?|abfss?|adl|s3|gs)://|azureml://")


def prepare(job: AnyJob, context: Context) -> tuple[JobRecord, str]:
    """Return the row for ``job``, everything it names made safe in the workspace, and the diff of its code.

    Args:
        job: what the user described; left as it is.
        context: the workspace it is submitted to.

    Raises:
        ValidationException: something in it is wrong; nothing was submitted.
        NotFoundError: it names data, a model or code that does not exist.
    """
    _check_texts(job)
    for warning in check(job):
        warnings.warn(warning, UserWarning, stacklevel=4)
    name = job.name or generate_name()
    _check_free(name, context)
    return _prepared(job, name, context)


def _prepared(job: AnyJob, name: str, context: Context) -> tuple[JobRecord, str]:
    part = job.trial if isinstance(job, Sweep) else job
    code = local_code(part.code, context.folder)
    if source := notebook_source(job, code):
        code = source.code
        for warning in source.warnings:
            warnings.warn(warning, UserWarning, stacklevel=4)
    git, diff = git_facts(code if code is None or code.is_dir() else code.parent) if code else ({}, "")
    snapshot = take_snapshot(code, context.workspace) if code else None
    if source and snapshot and not (context.workspace.snapshots / snapshot / source.path).is_file():
        raise ValidationException(
            f"{source.path!r} is left out of the code", "notebook", "Let the .amlignore or .gitignore there keep it"
        )
    launch = _launch(job, part, context, source) | {"snapshot": snapshot}
    definition = to_record(job.with_fields(name=name))
    if isinstance(job, Sweep):
        launch[_AS_SUBMITTED] = {key: definition.get(key) for key in _EDITABLE}
    properties = git | {key: value for key, value in _texts(job.properties).items() if not key.startswith(_RUNTIME)}
    if snapshot:
        properties["ContentSnapshotId"] = snapshot
    if isinstance(job, Sweep):
        properties |= _sweep_properties(job)
    now = time.time()
    record = JobRecord(
        name=name,
        type="sweep" if isinstance(job, Sweep) else "command",
        status=JobStatus.NOT_STARTED,
        display_name=job.display_name or name,
        experiment_name=job.experiment_name,
        description=job.description,
        folder=name,
        definition=definition,
        launch=launch,
        tags=_texts(job.tags),
        properties=properties,
        created=now,
        position=now,
        priority=_priority(job),
    )
    return record, diff


def differences(job: AnyJob, record: JobRecord, context: Context) -> list[str]:
    """Return in what a job differs from one that was submitted, edits of that one aside; nothing if it is the same.

    Args:
        job: what would be submitted under the other's name.
        record: the other one's row.
        context: its workspace.

    Raises:
        ValidationException: the job could not be submitted at all.
        NotFoundError: it names data or code that do not exist.
    """
    wanted = _leaves(json.loads(json.dumps(to_record(job.with_fields(name=record.name)))))
    there = _leaves({**record.definition, **record.launch.get(_AS_SUBMITTED, {})})
    found = [path for path in {**wanted, **there} if wanted.get(path) != there.get(path)]
    if found:
        return list(dict.fromkeys(_said(path, wanted.get(path), there.get(path)) for path in found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were told when it was submitted
        again, _ = _prepared(job, record.name, context)
    contents = {"snapshot": "the files of its code", "data": "the content of its data"}
    return [text for key, text in contents.items() if again.launch.get(key) != record.launch.get(key)]


def _leaves(fields: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return the fields by their paths; parameters, and what else has a type, are whole."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        is_inner = isinstance(value, Mapping) and (name == "trial" or "type" not in value)
        found |= _leaves(value, f"{path}{name}.") if is_inner else {path + name: value}
    return {name: value for name, value in found.items() if value is not None}


def _said(path: str, one: Any, other: Any) -> str:
    """Return a path as users of a cell know it."""
    path = path.removeprefix("trial.")
    if path == f"environment_variables.{WITH_VARIABLE}":
        differing = set(str(one or "").split(",")) ^ set(str(other or "").split(","))
        return f"--with {','.join(sorted({entry.partition('@')[0] for entry in differing if entry}))}"
    if path == f"environment_variables.{FOLDER_OF_NOTEBOOK}":
        return "the folder of the notebook"
    return "what it runs" if path == "notebook" else path.removeprefix("inputs.").removeprefix("search_space.")


def check_here(job: AnyJob, context: Context) -> None:
    """Check what this machine and this workspace have to say about a job: names, data, environment, resources.

    Raises:
        ValidationException: something in it is wrong.
        NotFoundError: it names data that do not exist.
    """
    _check_texts(job)
    if job.name and job.status is None:
        _check_free(job.name, context)
    part = job.trial if isinstance(job, Sweep) else job
    for name, value in data_of(job.inputs).items():
        _place(name, value, context)
    settle(part.environment, context)
    _resources(job, part, context)


def _check_texts(job: AnyJob) -> None:
    """Refuse what no process, file or database could be told.

    Raises:
        ValidationException: the message names the field.
    """
    part = job.trial if isinstance(job, Sweep) else job
    if len(job.experiment_name) > _LONGEST_EXPERIMENT:
        raise ValidationException(
            f"it has {len(job.experiment_name)} characters", "experiment_name", f"Use at most {_LONGEST_EXPERIMENT}"
        )
    for name in part.environment_variables:
        if not name or "=" in name or "\0" in name:
            raise ValidationException(
                f"{name!r} cannot name an environment variable", "environment_variables", "Use letters, digits and '_'"
            )
    text = json.dumps(to_record(job), ensure_ascii=False)
    if "\\u0000" in text:
        raise ValidationException("a text holds a null character", "job", "Remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValidationException(
            f"a text holds {error.object[error.start : error.end]!r}, which is no character",
            "job",
            "Rename or retype it",
        ) from None


def _check_free(name: str, context: Context) -> None:
    """Refuse a name whose row, folder or trials are there already."""
    stem, _, number = name.rpartition("_")
    taken = context.store.job(name) or context.store.has_trial_names(name) or context.workspace.job(name).exists()
    if number.isdigit() and (parent := context.store.job(stem)) and parent.type == "sweep":
        taken = True
    if taken:
        raise ValidationException(
            f"a job named {name!r} exists already", "name", "Choose another name, or leave it out"
        )


def _texts(texts: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value or "" for name, value in texts.items()}


def _launch(job: AnyJob, part: Any, context: Context, notebook: NotebookSource | None) -> dict[str, Any]:
    inputs = _inputs(job, context)
    literals = {name: as_text(value) for name, value in inputs.items() if not isinstance(value, dict)}
    data = {name: value for name, value in inputs.items() if isinstance(value, dict)}
    outputs = {name: output.type != "uri_file" for name, output in job.outputs.items()}
    sweep = job if isinstance(job, Sweep) else None
    surroundings = _surroundings()
    known = {"inputs": inputs, "outputs": outputs, "search_space": sweep.search_space if sweep else ()}
    given = {(kind, name) for kind, names in known.items() for name in names}
    command = "" if notebook else with_given(part.command or "", given)
    environment = settle(part.environment, context)
    return {
        "kind": "notebook" if notebook else "command",
        "notebook": trial_notebook(notebook, inputs) if notebook else None,
        "shell": SHELL
        if notebook
        else to_shell(
            command,
            literals=literals,
            data=data,
            outputs=outputs,
            search_space=sweep.search_space if sweep else (),
        ),
        "words": _words(command, data, part, notebook, environment),
        "preload": part.preload,
        "metric_patterns": dict(part.metric_patterns),
        "literals": literals,
        "data": data,
        "outputs": outputs,
        "output_paths": _output_paths(job.outputs),
        "variables": _fair_threads(sweep, surroundings)
        | ({"WORKBENCH_PYTHON": sys.executable} if notebook else {})
        | _texts(part.environment_variables),
        "timeout": sweep.limits.trial_timeout if sweep else (job.limits.timeout if job.limits else None),
        "grace": read_settings(context.workspace).grace,
        "resources": _resources(job, part, context),
        "container": _container(job, part),
        "retries": dict(job.retries),
        "python": environment.python or sys.executable,
        "search_path": surroundings.get("PATH", os.defpath),
        "folder": str(context.folder or Path.cwd()),
        "facts": circumstances(context.workspace),
        "surroundings": keep_surroundings(surroundings, context.workspace),
        "environment": environment.name,
        "runs_in": environment.facts,
        "workspace_name": context.name,
        "seed": _seed(sweep),
        "concurrency": _concurrency(sweep),
    }


def _words(
    command: str, data: Mapping[str, Any], part: Any, notebook: NotebookSource | None, environment: Settled
) -> list[Word] | None:
    """Return the words of a command that needs no shell; None where something else decides which Python it is."""
    is_here = environment.facts is None
    if notebook:
        return WORDS if is_here and "WORKBENCH_PYTHON" not in part.environment_variables else None
    if not is_here and environment.python is None:
        return None  # a container's
    return to_words(command, data=data) if command and "PATH" not in part.environment_variables else None


def _inputs(job: AnyJob, context: Context) -> dict[str, Any]:
    """Return each input that has a value: a literal as it is, data as a mapping with an absolute path."""
    found: dict[str, Any] = {}
    for name, value in job.inputs.items():
        if isinstance(value, Distribution):
            continue
        if not isinstance(value, Input):
            found[name] = value
        elif value.is_literal:
            if value.default is not None:
                found[name] = value.default
        else:
            found[name] = _data(name, value, context)
    return found


def _data(name: str, value: Input, context: Context) -> dict[str, Any]:
    local = _place(name, value, context)
    if local is None:
        return {"path": value.path, "type": value.type, "mode": "direct"}
    return {
        "path": str(local.absolute()),
        "type": value.type,
        "mode": value.mode or "ro_mount",
        "fingerprint": fingerprint(local),
    }


def _place(name: str, value: Input, context: Context) -> Path | None:
    """Return where the data of an input lie on this machine; None for an address that the script gets as it is."""
    where = f"inputs.{name}.path"
    if not value.path:
        raise ValidationException("it has no path", where, "Give a file or folder: Input(path='./data')")
    path = value.path
    if _REMOTE.match(path) and value.mode == "direct":
        return None
    if _REMOTE.match(path):
        raise ValidationException(
            f"{path!r} is not on this machine", where, "Download it and give the local path, or pass mode='direct'"
        )
    local = Path(unquote(urlparse(path).path)) if path.startswith("file:") else Path(path).expanduser()
    if not local.exists() and re.match(r"(azureml:)?[\w.-]+[:@][\w.-]+$", path):
        local = _registered(path, value.type, context)
    _check_kind(local, value.type, where, context)
    return local


def _registered(reference: str, kind: str, context: Context) -> Path:
    """Return where a registered data asset or model lies."""
    if not kind.endswith("_model"):
        return Path(resolve_asset("data", reference, context)["path"])
    name, label, version = split_reference(reference)
    return context.registry.folder(name, version or label or LATEST)


def _check_kind(path: Path, kind: str, where: str, context: Context) -> None:
    if not path.exists():
        raise NotFoundError(f"there is nothing at {str(path)!r}", where, where_paths_begin(path, context.folder))
    if kind == "uri_folder" and not path.is_dir():
        raise ValidationException(f"{str(path)!r} is a file", where, "Use type='uri_file' for a single file")
    if kind == "uri_file" and path.is_dir():
        raise ValidationException(f"{str(path)!r} is a folder", where, "Use type='uri_folder'")


def _output_paths(outputs: Mapping[str, Output]) -> dict[str, str]:
    """Return the local paths that outputs name; a cloud's path means the default place here."""
    return {
        name: str(Path(output.path).expanduser().absolute())
        for name, output in outputs.items()
        if output.path and not _REMOTE.match(output.path)
    }


def local_code(code: str | None, folder: Path | None = None) -> Path | None:
    """Return the absolute path of a job's ``code``.

    Args:
        code: as the job has it.
        folder: what its relative paths were meant from; the current folder if None.

    Raises:
        ValidationException: it is somewhere else than on this machine, or nowhere.
    """
    if code is None:
        return None
    if _REMOTE.match(code):
        raise ValidationException(f"{code!r} is not on this machine", "code", "Clone it and give the local folder")
    path = Path(code).expanduser()
    if not path.exists():
        raise ValidationException(f"there is no folder or file {str(path)!r}", "code", where_paths_begin(path, folder))
    return path.absolute()


def _surroundings() -> dict[str, str]:
    """Return this process's variables without those of a Jupyter server, a notebook's kernel or a trial alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SESSION_ONLY)}
    if "inline" in kept.get("MPLBACKEND", ""):
        del kept["MPLBACKEND"]  # a kernel's own: a script has nobody to send its plots to
    return kept


def _fair_threads(sweep: Sweep | None, surroundings: Mapping[str, str]) -> dict[str, str]:
    """Return variables that keep the numeric libraries of trials side by side from taking every core each."""
    concurrency = _concurrency(sweep)
    if sweep is None or concurrency is None or surroundings.keys() & set(_THREAD_VARIABLES):
        return {}
    side_by_side = min(concurrency, sweep.limits.max_total_trials or concurrency)
    threads = max(1, len(os.sched_getaffinity(0)) // side_by_side)
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


def _seed(sweep: Sweep | None) -> int | None:
    if sweep is None:
        return None
    given: int | None = getattr(sweep.sampling_algorithm, "seed", None)
    return secrets.randbelow(2**31) if given is None else given


def _concurrency(sweep: Sweep | None) -> int | None:
    """Return how many trials run at once: as asked, or one for each core (Azure's default would be all of them)."""
    return (sweep.limits.max_concurrent_trials or len(os.sched_getaffinity(0))) if sweep else None


_TIERS = {"spot": -2, "basic": -1, "standard": 0, "premium": 1}


def _priority(job: AnyJob) -> int:
    """Return the place of a job among others: its priority counts, then its tier."""
    queue = job.queue_settings
    if queue is None:
        return 0
    return PRIORITIES.get(queue.priority or "", 0) + _TIERS.get((queue.job_tier or "").lower(), 0)


def _resources(job: AnyJob, part: Any, context: Context) -> dict[str, float]:
    """Return what each run needs: GPUs, cores, and MiB of memory.

    Raises:
        ValidationException: this machine can never run it.
    """
    wanted = job.resources or part.resources
    if wanted is None:
        return {}
    if (wanted.instance_count or 1) > 1:
        raise ValidationException(
            f"{wanted.instance_count} machines are asked for, and this is one",
            "resources.instance_count",
            "Leave it out",
        )
    memory = wanted.memory_bytes
    found = {
        name: value
        for name, value in (
            ("gpus", wanted.gpus),
            ("cpus", wanted.cpus),
            ("memory", None if memory is None else math.ceil(memory / (1 << 20))),
        )
        if value
    }
    placer = Placer(devices_from(read_settings(context.workspace).devices), lease_folder(), lambda _: None)
    if why := placer.impossible(request_of({"resources": found})):
        raise ValidationException(why, "resources", "Ask for less, or run it on another machine")
    return found


def _container(job: AnyJob, part: Any) -> dict[str, Any]:
    """Return what a job wants of its containers, besides resources.

    Raises:
        ValidationException: arguments for docker that are not understood here.
    """
    wanted = job.resources or part.resources
    if wanted is None:
        return {}
    parse_docker_args(wanted.docker_args)
    return {"shm_size": wanted.shm_size, "docker_args": wanted.docker_args}


def _sweep_properties(sweep: Sweep) -> dict[str, str]:
    if sweep.objective is None:
        raise ValidationException("a sweep needs an objective", "objective", "Set goal and primary_metric")
    space = size(sweep.search_space, getattr(sweep.sampling_algorithm, "base", math.e))
    return {
        "primary_metric_config": json.dumps({"name": sweep.objective.primary_metric, "goal": sweep.objective.goal}),
        "space_size": "infinite_space_size" if space is None else str(space),
        "runTemplate": "HyperDrive",
        "azureml.runsource": "hyperdrive",
    }
