"""The registered models."""

from __future__ import annotations

from pydantic import with_config
from typing_extensions import TypedDict

from workbench.server.answers.finding import CLOSED
from workbench.server.operations import Call, Operation
from workbench.views.models import ModelAnswer, model_as_json, models_as_json

__all__ = ["OPERATIONS", "AliasBody", "Models"]


class Models(TypedDict):
    """All registered models."""

    models: list[ModelAnswer]


@with_config(CLOSED)
class AliasBody(TypedDict):
    """The version that the alias shall lead to."""

    version: str | int


def _models(call: Call) -> Models:
    """The registered models with their versions, aliases and where they come from."""
    found = call.desk.find(call.place)
    return {"models": [] if found is None else models_as_json(found.client)}


def _model(call: Call) -> ModelAnswer:
    """One registered model."""
    return model_as_json(call.client, call.name)


def _set_alias(call: Call) -> ModelAnswer:
    """Let an alias lead to a version, and to no other any more."""
    call.client.models.registry().set_alias(call.name, call.names["alias"], str(call.body["version"]))
    return model_as_json(call.client, call.name)


def _delete_alias(call: Call) -> ModelAnswer:
    """Remove an alias."""
    call.client.models.registry().delete_alias(call.name, call.names["alias"])
    return model_as_json(call.client, call.name)


OPERATIONS = (
    Operation("GET", "models", _models, Models, kind="work"),
    Operation("GET", "models/{name}", _model, ModelAnswer, kind="work"),
    Operation("PUT", "models/{name}/aliases/{alias}", _set_alias, ModelAnswer, body=AliasBody, kind="work"),
    Operation("DELETE", "models/{name}/aliases/{alias}", _delete_alias, ModelAnswer, kind="work"),
)
