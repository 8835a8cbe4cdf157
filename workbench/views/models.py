"""The registered models as JSON: versions, the names that lead to them, and the trials that they come from."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from workbench.client.ml_client import MLClient
from workbench.client.registration import load_code, versions_of
from workbench.errors import NotFoundError
from workbench.views.facts import finite

__all__ = ["ModelAnswer", "ModelMetric", "Version", "model_as_json", "models_as_json"]


class ModelMetric(TypedDict):
    """The primary metric when the model was registered."""

    name: str | None
    value: float | None


class Version(TypedDict):
    """One version of a registered model.

    ``job`` is the job or trial that made it, ``sweep`` the sweep of that trial; both null where it came from elsewhere.
    ``trial`` is the number in the sweep.
    """

    version: str
    aliases: list[str]
    created: float
    description: str | None
    tags: dict[str, str]
    runId: str | None
    job: str | None
    trial: int | None
    sweep: str | None
    params: str | None
    metric: ModelMetric | None
    loadCode: str


class ModelAnswer(TypedDict):
    """A registered model, its newest version first."""

    name: str
    versions: list[Version]


def models_as_json(client: MLClient) -> list[ModelAnswer]:
    """Return all registered models."""
    if not client.context.workspace.mlflow_database.is_file():
        return []  # nothing was ever registered: to look is no reason to make a database
    return [_model(client, newest.name) for newest in client.models.registry().list()]


def model_as_json(client: MLClient, name: str) -> ModelAnswer:
    """Return one registered model.

    Raises:
        NotFoundError: there is none of that name.
    """
    if not client.context.workspace.mlflow_database.is_file():
        raise NotFoundError(f"there is no model {name!r} in this workspace", "models", "None is registered yet")
    return _model(client, name)


def _model(client: MLClient, name: str) -> ModelAnswer:
    return {
        "name": name,
        "versions": [
            {
                "version": one.version,
                "aliases": list(one.aliases),
                "created": one.created,
                "description": one.description,
                "tags": {key: value for key, value in one.tags.items() if not key.startswith("workbench.")},
                "runId": one.job_name,
                "job": one.tags.get("workbench.job", one.job_name),
                "trial": _number(one.tags),
                "sweep": one.tags.get("workbench.sweep"),
                "params": one.tags.get("workbench.params"),
                "metric": _metric(one.tags),
                "loadCode": load_code(client, f"models:/{name}/{one.version}"),
            }
            for one in versions_of(client, name)
        ],
    }


def _number(tags: Mapping[str, str]) -> int | None:
    job, sweep = tags.get("workbench.job"), tags.get("workbench.sweep")
    if job is None or sweep is None:
        return None
    number = job.removeprefix(f"{sweep}_")
    return int(number) if number.isdigit() else None


def _metric(tags: Mapping[str, str]) -> ModelMetric | None:
    name, score = tags.get("workbench.metric"), tags.get("workbench.score")
    if name is None and score is None:
        return None
    try:
        value = None if score is None else finite(float(score))
    except ValueError:  # tags are everybody's
        value = None
    return {"name": name, "value": value}
