"""The ways to say where a model lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import ValidationException

__all__ = ["ARTIFACTS", "JobPath", "LocalPath", "LoggedModelPath", "ModelPath", "RegisteredPath", "parse_model_path"]

ARTIFACTS = ("artifacts", "default")
"""Names of the output that is the artifact root."""

_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/(?:paths/?(?P<path>.*))?)?")
_RUN = re.compile(r"runs:/+(?P<job>[^/]+)(?:/(?P<path>.*))?")
_LOGGED = re.compile(r"models:/+(?P<id>m-[0-9a-f]{32})(?:/(?P<path>.*))?")
_REGISTERED = re.compile(r"(?:models:/+(?P<name>[^/@]+)|azureml:(?!/)(?P<asset>[^:@/]+))[/:@](?P<version>[^/:@]+)")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+):")
_FORMS = (
    "Use azureml://jobs/<job>/outputs/artifacts/paths/<path>, runs:/<job>/<path>, models:/<name>/<version>, "
    "azureml:<name>:<version>, or a local file or folder"
)


@dataclass(frozen=True)
class JobPath:
    """What a job wrote: ``path`` in its output ``output``."""

    job: str
    output: str
    path: str


@dataclass(frozen=True)
class LoggedModelPath:
    """A model that MLflow logged, by its id."""

    model_id: str
    path: str


@dataclass(frozen=True)
class RegisteredPath:
    """A version of a registered model, by number or by label."""

    name: str
    version: str


@dataclass(frozen=True)
class LocalPath:
    """A file or folder of this machine."""

    path: str


ModelPath = JobPath | LoggedModelPath | RegisteredPath | LocalPath


def parse_model_path(text: str) -> ModelPath:
    """Return what ``text`` means.

    Args:
        text: one of Azure's and MLflow's forms, or a local path.

    Raises:
        ValidationException: it is none of them, or leads out of the job's folder.
    """
    text = text.strip()
    if match := _JOB.fullmatch(text):
        return JobPath(match["job"], match["output"], _inside(match["path"], text))
    if match := _RUN.fullmatch(text):
        return JobPath(match["job"], ARTIFACTS[0], _inside(match["path"], text))
    if match := _LOGGED.fullmatch(text):
        return LoggedModelPath(match["id"], _inside(match["path"], text))
    if match := _REGISTERED.fullmatch(text):
        return RegisteredPath(match["name"] or match["asset"], match["version"])
    if text.startswith("file://"):
        return LocalPath(text.removeprefix("file://"))
    if not text or _SCHEME.match(text):
        raise ValidationException(f"{text!r} is no place that a model can be taken from", "path", _FORMS)
    return LocalPath(text)


def _inside(path: str | None, text: str) -> str:
    parts = [part for part in (path or "").split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValidationException(f"{text!r} leads out of the job's folder", "path", "Leave out the '..'")
    return "/".join(parts)
