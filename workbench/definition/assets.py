"""Models and data as they are registered."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from workbench.definition.checking import Checked, Text, Texts, one_of
from workbench.errors import ValidationException

__all__ = ["Data", "Model"]


class Model(Checked):
    """A model to register, or one that is registered.

    Args:
        name: generated if left out.
        version: text or number; the next whole number if left out.
        type: custom_model (default), mlflow_model (a folder with an MLmodel file), triton_model.
        path: a local path, ``runs:/<job>/<path>``, or ``azureml://jobs/<job>/outputs/<output>/paths/<path>``.
        description: for readers.
        tags: texts by name.
        properties: texts by name.
        flavors: MLflow's flavors.
        stage: a word such as Production.
        datastore: kept, without effect here.
        default_deployment_template: kept, without effect here.
        allowed_deployment_templates: kept, without effect here.
    """

    name: str | None = None
    version: Text | None = None
    type: Annotated[
        str,
        BeforeValidator(lambda value: one_of(value, ("custom_model", "mlflow_model", "triton_model"), "type of model")),
    ] = "custom_model"
    path: Text | None = None
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    flavors: dict[str, Any] | None = None
    stage: str | None = None
    datastore: str | None = None
    default_deployment_template: Any = None
    allowed_deployment_templates: Any = None

    _facts: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _folder(self) -> Model:
        last = (self.path or "").rstrip("/").rpartition("/")[2]
        if self.type == "mlflow_model" and "." in last.strip("."):
            raise ValidationException(
                f"an mlflow_model is a folder, and '{last}' looks like a file",
                "path",
                "Give the folder that holds the MLmodel file, or use type custom_model",
            )
        return self

    @property
    def job_name(self) -> str | None:
        """The job that made the model; set once it is registered."""
        return self._facts.get("job_name")

    @property
    def creation_context(self) -> Any:
        """Who made it and when; set once it is registered."""
        return self._facts.get("creation_context")

    @property
    def latest_version(self) -> str | None:
        """The newest version; set on what ``models.list()`` returns."""
        return self._facts.get("latest_version")

    def with_facts(self, **facts: Any) -> Model:
        """Return a copy that carries what the registry knows: job_name, creation_context, latest_version."""
        copy = self.model_copy(deep=True)
        copy._facts = {**self._facts, **facts}
        return copy


class Data(Checked):
    """Data to register.

    Args:
        name: needed to register it.
        version: text or number; the next whole number if left out.
        type: uri_folder (default), uri_file, mltable.
        path: a local path or a URL.
        description: for readers.
        tags: texts by name.
        properties: texts by name.
        datastore: kept, without effect here.
        auto_delete_setting: kept, without effect here.
    """

    name: str | None = None
    version: Text | None = None
    type: Annotated[
        str, BeforeValidator(lambda value: one_of(value, ("uri_file", "uri_folder", "mltable"), "type of data"))
    ] = "uri_folder"
    path: Text | None = None
    description: str | None = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    datastore: str | None = None
    auto_delete_setting: dict[str, Any] | None = None
