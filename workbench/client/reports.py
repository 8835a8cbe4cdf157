"""Jobs and models as plain data, for the command line and whoever reads its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.definition.assets import Model
from workbench.errors import ValidationException
from workbench.store.records import JobRecord

__all__ = [
    "compare_report",
    "job_report",
    "list_report",
    "log_text",
    "metric_names",
    "model_report",
    "model_to_register",
]

_RECENT = 30  # jobs whose metrics are looked up


def list_report(client: MLClient, *, archived: bool = False, most: int | None = None) -> list[dict[str, Any]]:
    """Return a row for each top-level job, newest first."""
    records = client.context.store.jobs(archived=None if archived else False)[:most]
    return [
        {
            "name": record.name,
            "type": record.type,
            "status": str(record.status),
            "score": _finite(record.score),
            "duration_s": _rounded(record.duration),
            "created": _clock(record.created),
            "experiment": record.experiment_name,
            "display_name": record.display_name if record.display_name != record.name else None,
        }
        for record in records
    ]


def job_report(client: MLClient, name: str) -> dict[str, Any]:
    """Return a job with everything about it, and its trials.

    Raises:
        NotFoundError: there is none of that name.
    """
    record = client.jobs.record(name)
    children = client.context.store.children(record.name) if record.type == "sweep" else []
    return {
        "name": record.name,
        "type": record.type,
        "status": str(record.status),
        "display_name": record.display_name,
        "experiment_name": record.experiment_name,
        "description": record.description,
        "folder": str(client.context.workspace.trial(record.folder).root),
        "params": dict(record.params),
        "score": _finite(record.score),
        "reason": record.reason,
        "created": _clock(record.created),
        "duration_s": _rounded(record.duration),
        "attempt": record.attempt,
        "properties": dict(record.properties),
        "error": record.error,
        "children": [_child_report(child) for child in children],
    }


def compare_report(client: MLClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what jobs or trials have in common and what not: a mapping for each, of a sweep its best trial's.

    Raises:
        NotFoundError: there is no such job.
    """
    found = {}
    for name in names:
        record = client.jobs.record(name)
        parent = record.parent or name
        if record.type == "sweep" and (best := record.properties.get("best_child_run_id")):
            record = client.jobs.record(best)
        metrics = {f"metrics.{point.key}": point.value for point in client.context.store.points(record.name)}
        job = client.jobs.record(parent)
        found[record.name] = {
            "status": str(record.status),
            "score": _finite(record.score),
            "duration_s": _rounded(record.duration),
            **{f"params.{key}": value for key, value in {**job.launch.get("literals", {}), **record.params}.items()},
            **metrics,
            "experiment": record.experiment_name,
            "snapshot": str(job.launch.get("snapshot") or "")[:12],
            "created": _clock(record.created),
            "reason": record.reason,
        }
    return found


def metric_names(client: MLClient) -> list[str]:
    """Return the names of the metrics that recent jobs have logged, those of the newest job first."""
    store = client.context.store
    keys = (key for job in store.jobs()[:_RECENT] for key in store.metric_keys(job.name))
    return list(dict.fromkeys(keys))


def log_text(client: MLClient, name: str) -> Iterator[str]:
    """Yield the text that a job has printed, or a sweep's history, in parts.

    Raises:
        NotFoundError: there is no such job.
    """
    record = client.jobs.record(name)
    if record.type == "sweep":
        for event in client.context.store.events(record.name):
            trial = "" if event.job == name else f"{event.job.removeprefix(f'{name}_')}: "
            yield f"{_clock(event.time)} {event.kind:8} {trial}{event.text}\n"
        return
    log = client.context.workspace.trial(record.folder).log
    if log.exists():
        with log.open(errors="replace") as file:
            while part := file.read(1 << 16):
                yield part


def model_to_register(
    client: MLClient, job: str, *, name: str, path: str | None, description: str | None = None
) -> Model:
    """Return the model that ``register`` means: the one at ``path``, or the only one the job has logged.

    Raises:
        NotFoundError: there is no such job.
        ValidationException: there is no model, or there are several; the message names them.
    """
    record = client.jobs.record(job)
    if record.type == "sweep":
        best = record.properties.get("best_child_run_id")
        if best is None:
            raise ValidationException(f"{job} has no best trial", "register", "No trial has logged the primary metric")
        record = client.jobs.record(best)
    if path is not None:
        kind = "mlflow_model" if path.strip("/") in client.models.logged_by(record.name) else "custom_model"
        path = f"azureml://jobs/{record.name}/outputs/artifacts/paths/{path}"
        return Model(name=name, path=path, type=kind, description=description)
    logged = client.models.logged_by(record.name)
    if len(logged) != 1:
        has = f"it has {', '.join(logged)}" if logged else "it has none: log one with mlflow.<flavor>.log_model"
        raise ValidationException(f"{record.name} has not one model but {len(logged)}", "--path", f"Name it; {has}")
    return Model(name=name, path=f"runs:/{record.name}/{logged[0]}", type="mlflow_model", description=description)


def model_report(model: Model) -> dict[str, Any]:
    """Return one version of a registered model as plain data."""
    return {
        "name": model.name,
        "version": model.version,
        "type": model.type,
        "path": model.path,
        "description": model.description,
        "job": model.job_name,
        "tags": dict(model.tags),
    }


def _child_report(child: JobRecord) -> dict[str, Any]:
    return {
        "name": child.name,
        "status": str(child.status),
        "params": dict(child.params),
        "score": _finite(child.score),
        "reason": child.reason,
        "duration_s": _rounded(child.duration),
    }


def _finite(value: float | None) -> float | None:
    """Return what JSON can carry."""
    return value if value is not None and math.isfinite(value) else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
