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


def _requirements(value: Any) -> str | list[str] | None:
    value = plain(value)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    if isinstance(value, list | tuple) and all(isinstance(line, str) for line in value):
        return list(value)
    raise ValidationException(
        f"must be a file or a list of packages; got {show(value)}",
        fix="Write ['scikit-learn==1.7'] or 'requirements.txt'",
    )


class Environment(Checked):
    """What a job runs in: a container image, a folder to build one from, or Python packages.

    Packages need no container: ``requirements``, ``python`` or a ``conda_file`` that names packages of pip only become
    a virtual environment of this machine.

    Args:
        name: needed to register it; ignored inside a job.
        version: text or number; the next whole number if left out.
        description: for readers.
        image: the container image; excludes ``build``.
        build: the folder to build an image from.
        conda_file: a path or the content; with ``image`` it is installed inside the image.
        requirements: the packages of a virtual environment, as a requirements file or as its lines; not in Azure.
        python: the interpreter of that: a version such as ``3.12`` or a path; by default the one that submits; not in
            Azure.
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
    requirements: Annotated[str | list[str] | None, PlainValidator(_requirements)] = None
    python: Text | None = None
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
        in_image = self.image is not None or self.build is not None
        if self.build is not None and self.conda_file is not None:
            raise ValidationException(
                "conda_file needs an image, not a folder to build one from",
                "conda_file",
                "Install it in the Dockerfile",
            )
        for name in ("requirements", "python"):
            if getattr(self, name) is not None and in_image:
                raise ValidationException(
                    f"{name} is for environments without a container", name, "Use image=… with conda_file=… instead"
                )
        if self.requirements is not None and self.conda_file is not None:
            raise ValidationException("requirements and conda_file exclude each other", "requirements", "Keep one")
        if not in_image and self.requirements is None and self.python is None and self.conda_file is None:
            raise ValidationException(
                "has neither image nor build, and names no packages",
                "image",
                "Add image=…, build=BuildContext(path=…) or requirements=[…]",
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
