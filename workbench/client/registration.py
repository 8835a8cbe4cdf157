"""From a trial to a registered model: what there is to register, whether it works, and doing it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.definition.assets import Model
from workbench.errors import NotFoundError, ValidationException
from workbench.store.records import JobRecord, Point
from workbench.tracking.models import RegisteredModel

__all__ = ["candidate", "check_model", "load_code", "register", "versions_of"]

_PATIENCE = 300.0  # seconds that a model may take to load and predict
_METRIC, _SCORE = "workbench.metric", "workbench.score"  # the tags in which the registry keeps the primary metric
_SWEEP = "workbench.sweep"
_HOW_TO_LOG = 'mlflow.sklearn.log_model(model, name="model", input_example=X[:5])'


def candidate(client: MLClient, record: JobRecord) -> dict[str, Any]:
    """Return what a form to register a trial's model shows, as JSON.

    Args:
        client: of the workspace.
        record: the trial, or a job that is none's.
    """
    registry = client.models.registry()
    models = registry.models_of(record)
    versions = [version for newest in registry.list() for version in registry.list(newest.name)]
    metric, last = _values(client, record)
    return {
        "trial": record.name,
        "number": record.number,
        "status": str(record.status),
        "metric": metric,
        "metrics": last,
        "params": dict(record.params),
        "models": [
            {
                "path": model.path,
                "flavors": list(model.flavors),
                "signature": model.signature,
                "bytes": model.size,
                "hasExample": model.has_example,
            }
            for model in models
        ],
        "howToLog": None if models else _HOW_TO_LOG,
        "names": list(dict.fromkeys(version.name for version in versions)),
        "suggested": _suggested(client, record, versions),
        "aliases": [
            {
                "name": version.name,
                "alias": alias,
                "version": version.version,
                "metric": version.tags.get(_METRIC),
                "goal": _goal(client, version),
                "score": version.tags.get(_SCORE),
            }
            for version in versions
            for alias in version.aliases
        ],
        "registered": [
            {"name": version.name, "version": version.version}
            for version in versions
            if version.job_name == record.name
        ],
    }


def check_model(client: MLClient, record: JobRecord, path: str) -> dict[str, Any]:
    """Load a trial's model and predict on its example, in a process of its own; return ``ok`` and ``told``.

    Args:
        client: of the workspace.
        record: the trial.
        path: of the model, as ``candidate`` gives it.

    Raises:
        NotFoundError: the trial has no such model.
    """
    found = next((model for model in client.models.registry().models_of(record) if model.path == path), None)
    if found is None:
        raise NotFoundError(f"{record.name} has no model {path!r}", "model")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "workbench.tracking.check_model", str(found.folder)],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"ok": False, "told": f"it did not load and predict within {_PATIENCE:g} s"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return {"ok": False, "told": f"the check ended with {done.returncode}: {done.stderr.strip()[-500:]}"}
    return answer


def register(
    client: MLClient,
    record: JobRecord,
    path: str,
    name: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    alias: str | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """Register a trial's model; return its version and the line that loads it.

    Args:
        client: of the workspace.
        record: the trial.
        path: of the model, as ``candidate`` gives it.
        name: of the registered model.
        description: for readers.
        tags: texts by name.
        alias: a name that shall lead to this version.
        again: register it even though this trial is registered under the name.

    Raises:
        NotFoundError: the trial has no such model.
        ValidationException: the name is empty, or this trial is registered under it already.
    """
    if not name.strip():
        raise ValidationException("a registered model needs a name", "name")
    if not again:
        for version in _versions(client, name.strip()):
            if version.job_name == record.name:
                raise ValidationException(
                    f"{record.name} is version {version.version} of {name.strip()!r} already",
                    "name",
                    "Use that version, another name, or register it again on purpose",
                )
    made = client.models.create_or_update(
        Model(
            path=f"azureml://jobs/{record.name}/outputs/artifacts/paths/{path}/",
            name=name.strip(),
            type="mlflow_model",
            description=description or None,
            tags=dict(tags or {}),
        ),
        alias=alias or None,
    )
    address = f"models:/{made.name}/{made.version}"
    return {
        "name": made.name,
        "version": made.version,
        "address": address,
        "load": load_code(client, address),
        "alias": alias or None,
    }


def load_code(client: MLClient, address: str) -> str:
    """Return the lines that load a registered model wherever MLflow is, with nothing set before.

    Args:
        client: of the workspace.
        address: ``models:/<name>/<version>``.
    """
    uri = _quoted(client.context.workspace.mlflow_uri)
    return f"import mlflow\n\nmlflow.set_tracking_uri({uri})\nmodel = mlflow.pyfunc.load_model({_quoted(address)})"


def versions_of(client: MLClient, name: str) -> Sequence[RegisteredModel]:
    """Return the versions of a registered model, the newest first.

    Raises:
        NotFoundError: there is none of that name.
    """
    return client.models.registry().list(name)


def _versions(client: MLClient, name: str) -> Sequence[RegisteredModel]:
    try:
        return versions_of(client, name)
    except NotFoundError:
        return []


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _values(client: MLClient, record: JobRecord) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return the primary metric of a trial; of a job that has none, the last value of each metric."""
    config = _primary(client, record.parent)
    if config is None:
        last = {point.key: point for point in client.context.store.points(record.name)}
        return None, [_value(name, point.value, point) for name, point in sorted(last.items())]
    name, goal = config
    points = client.context.store.points(record.name, name)
    best = next((point for point in points if point.value == record.score), None)
    return {**_value(name, record.score, best), "goal": goal}, []


def _value(name: str, value: float | None, point: Point | None) -> dict[str, Any]:
    there = value is not None and math.isfinite(value)
    return {"name": name, "value": value if there else None, "step": None if point is None else point.step}


def _primary(client: MLClient, sweep: str | None) -> tuple[str, str] | None:
    """Return the primary metric of a sweep and its goal; None where there is no such sweep any more."""
    record = client.context.store.job(sweep) if sweep else None
    config = record and record.properties.get("primary_metric_config")
    if not config:
        return None
    found = json.loads(config)
    return str(found["name"]), str(found["goal"]).lower()


def _goal(client: MLClient, version: RegisteredModel) -> str | None:
    """Return whether more or less of its metric is better; None where its sweep is gone, or was none."""
    found = _primary(client, version.tags.get(_SWEEP))
    return found[1] if found and found[0] == version.tags.get(_METRIC) else None


def _suggested(client: MLClient, record: JobRecord, versions: Sequence[RegisteredModel]) -> str:
    """Return the name under which this job, its sweep or its experiment was registered last, else the experiment's.

    Any other name is that of another model.
    """
    newest = sorted(versions, key=lambda version: version.created, reverse=True)
    for version in newest:
        if version.job_name == record.name or (record.parent and version.tags.get(_SWEEP) == record.parent):
            return version.name
    for version in newest:
        job = client.context.store.job(version.job_name) if version.job_name else None
        if job is not None and job.experiment_name == record.experiment_name:
            return version.name
    return record.experiment_name
