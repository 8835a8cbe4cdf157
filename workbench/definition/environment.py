"""What the job's process runs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from workbench.definition.checking import Checked, Text, Texts, one_of, plain, show
from workbench.errors import ValidationException

__all__ = ["BuildContext", "Environment", "as_environment"]


class BuildContext(Checked):
    """A folder with a Dockerfile.

    Args:
        path: the folder.
        dockerfile_path: the Dockerfile inside it.
    """

    path: Text
    dockerfile_path: Text = "Dockerfile"


def _conda_file(value: Any) -> str | dict[str, Any] | None:
    value = plain(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    raise ValidationException(f"must be a path or a mapping; got {show(value)}", fix="Write 'conda.yml'")


class Environment(Checked):
    """A container image, with or without a conda environment in it, or a folder to build one from.

    Args:
        name: needed to register it; ignored inside a job.
        version: text or number; the next whole number if left out.
        description: for readers.
        image: the container image; exactly one of ``image`` and ``build``.
        build: the folder to build an image from.
        conda_file: a path or the content; needs ``image``.
        tags: texts by name.
        properties: texts by name.
        datastore: kept, without effect here.
        os_type: linux or windows.
        inference_config: kept, without effect here.
    """

    name: str | None = None
    version: Text | None = None
    description: str | None = None
    image: str | None = None
    build: BuildContext | None = None
    conda_file: Annotated[str | dict[str, Any] | None, PlainValidator(_conda_file)] = None
    tags: Texts = Field(default_factory=dict)
    properties: Texts = Field(default_factory=dict)
    datastore: str | None = None
    os_type: (
        Annotated[str, BeforeValidator(lambda value: one_of(value, ("linux", "windows"), "operating system"))] | None
    ) = None
    inference_config: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_conda_file(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and {"channels", "dependencies"} & set(fields):
            raise ValidationException(
                "this is a conda file, not an environment",
                fix="Write an environment with image: … and conda_file: <path of this file>",
            )
        return fields

    @model_validator(mode="after")
    def _one_source(self) -> Environment:
        if self.image is not None and self.build is not None:
            raise ValidationException("image and build exclude each other", "build", "Keep one of them")
        if self.conda_file is not None and self.image is None:
            raise ValidationException(
                "conda_file needs an image",
                "conda_file",
                "Add image='mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04'",
            )
        if self.image is None and self.build is None:
            raise ValidationException(
                "has neither image nor build", "image", "Add image=… or build=BuildContext(path=…)"
            )
        return self


def as_environment(value: Any) -> Environment | str | None:
    """Return an environment given as object, reference or mapping.

    Raises:
        ValidationException: it is none of these.
    """
    if value is None or isinstance(value, str | Environment):
        return value
    if isinstance(value, Mapping):
        return Environment(**value)
    raise ValidationException(
        f"{show(value)} is no environment", fix="Write 'name:version', 'local' or Environment(image=…)"
    )
