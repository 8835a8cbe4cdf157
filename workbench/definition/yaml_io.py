"""Azure's YAML files in and out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, Any, TypeVar

from workbench.definition.assets import Data, Model
from workbench.definition.checking import Checked, show
from workbench.definition.environment import Environment
from workbench.definition.records import AnyJob, job_from_record
from workbench.definition.sweep import Sweep
from workbench.definition.yaml_text import from_text, to_text
from workbench.errors import ValidationException

__all__ = ["dump", "load_data", "load_environment", "load_job", "load_model", "to_yaml"]

Source = str | PathLike[str] | IO[str]
Overrides = Sequence[Mapping[str, Any]]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|azureml:|runs:|file:")
_ASSET = re.compile(r"[A-Za-z0-9_.-]+[:@][A-Za-z0-9_.-]+")
_Made = TypeVar("_Made")


def load_job(
    source: Source, *, params_override: Overrides | None = None, relative_origin: str | PathLike[str] | None = None
) -> AnyJob:
    """Read a command job, a notebook job or a sweep from YAML.

    Args:
        source: a file's path, or an open file.
        params_override: dotted keys with the values to set, such as ``[{"limits.timeout": 60}]``.
        relative_origin: the file or folder that relative paths are meant from; the YAML's if left out.

    Raises:
        ValidationException: the file is not there, not YAML, or not a job; the message gives the file and
            the field, or line and column.
    """
    return _load(source, params_override, relative_origin, _job)


def load_environment(
    source: Source, *, params_override: Overrides | None = None, relative_origin: str | PathLike[str] | None = None
) -> Environment:
    """Read an environment from YAML; arguments and errors as for ``load_job``."""

    def made(fields: dict[str, Any], base: Path) -> Environment:
        _settle_environment(fields, base)
        environment = Environment(**fields)
        _need(fields, "name")
        return environment

    return _load(source, params_override, relative_origin, made)


def load_model(
    source: Source, *, params_override: Overrides | None = None, relative_origin: str | PathLike[str] | None = None
) -> Model:
    """Read a model from YAML; arguments and errors as for ``load_job``."""

    def made(fields: dict[str, Any], base: Path) -> Model:
        _need(fields, "name")
        _settle_path(fields, "path", base)
        return Model(**fields)

    return _load(source, params_override, relative_origin, made)


def load_data(
    source: Source, *, params_override: Overrides | None = None, relative_origin: str | PathLike[str] | None = None
) -> Data:
    """Read a data asset from YAML; arguments and errors as for ``load_job``."""

    def made(fields: dict[str, Any], base: Path) -> Data:
        _need(fields, "name", "path")
        _settle_path(fields, "path", base)
        return Data(**fields)

    return _load(source, params_override, relative_origin, made)


def to_yaml(entity: Checked) -> str:
    """Return a job, environment, model or data asset as YAML that ``load_…`` reads back."""
    return to_text(entity.to_dict())


def dump(entity: Checked, path: str | PathLike[str]) -> None:
    """Write ``to_yaml(entity)`` to a file."""
    Path(path).write_text(to_yaml(entity), encoding="utf-8")


def _load(
    source: Source,
    overrides: Overrides | None,
    origin: str | PathLike[str] | None,
    make: Callable[[dict[str, Any], Path], _Made],
) -> _Made:
    text, label, base = _read(source)
    if origin is not None:
        base = Path(origin)
        base = base if base.is_dir() else base.parent
    fields = from_text(text, label)
    try:
        if not isinstance(fields, Mapping):
            raise ValidationException(f"must be a mapping; got {show(fields)}", fix="Write 'key: value' lines")
        changed = {str(name): value for name, value in fields.items() if name != "$schema"}
        _override(changed, overrides or [])
        return make(changed, base.absolute())
    except ValidationException as error:
        if error.where and error.where.startswith(label):
            raise
        raise type(error)(error.what, f"{label}: {error.where}" if error.where else label, error.fix) from None


def _read(source: Source) -> tuple[str, str, Path]:
    if isinstance(source, str | PathLike):
        path = Path(source)
        try:
            return path.read_text(encoding="utf-8"), str(path), path.parent
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise ValidationException(
                f"cannot be read: {reason}", str(path), f"The current folder is {Path.cwd()}"
            ) from None
    label = getattr(source, "name", None)
    named = label if isinstance(label, str) else None
    return source.read(), named or "YAML", Path(named).parent if named else Path.cwd()


def _override(fields: dict[str, Any], overrides: Overrides) -> None:
    for entry in overrides:
        for dotted, value in entry.items():
            *steps, last = str(dotted).split(".")
            target: Any = fields
            for step in steps:
                target = target[int(step)] if isinstance(target, list) else target.setdefault(step, {})
                if not isinstance(target, dict | list):
                    raise ValidationException(
                        f"'{step}' holds a plain value", f"params_override.{dotted}", "Override that key as a whole"
                    )
            if isinstance(target, list):
                target[int(last)] = value
            else:
                target[last] = value


def _job(fields: dict[str, Any], base: Path) -> AnyJob:
    if "trial" in fields and "type" not in fields:
        raise ValidationException("is needed for a job with a trial", "type", "Add type: sweep")
    kind = str(fields.get("type", "")).lower()
    sweep = kind == "sweep"
    _need(fields, *(("trial", "objective") if sweep else ("notebook",) if kind == "notebook" else ("command",)))
    part = fields["trial"] if sweep else fields
    if sweep and not isinstance(part, Mapping):
        raise ValidationException(
            f"must be a mapping; got {show(part)}", "trial", "Write command:, environment: and code: under trial:"
        )
    _settle_path(part, "code", base)
    _settle_notebook(part, base)
    _settle_job_environment(part, base)
    for kind in ("inputs", "outputs"):
        for entry in _mappings(fields.get(kind)):
            _settle_path(entry, "path", base)
    job = job_from_record(fields)
    if isinstance(job, Sweep) and part.get("notebook") is None:
        _need(part, "command", prefix="trial.")
    return job


def _need(fields: Mapping[str, Any], *names: str, prefix: str = "") -> None:
    for name in names:
        if fields.get(name) is None:
            raise ValidationException("is needed and was not given", f"{prefix}{name}", f"Add {name}: …")


def _mappings(entries: Any) -> Iterable[dict[str, Any]]:
    return [entry for entry in entries.values() if isinstance(entry, dict)] if isinstance(entries, Mapping) else []


def _settle_path(fields: Any, name: str, base: Path) -> None:
    text = fields.get(name)
    if isinstance(text, str) and text and not _URL.match(text):
        if _ASSET.fullmatch(text) and name == "path" and not (base / text).exists():
            return
        fields[name] = str((base / text).resolve())


def _settle_notebook(fields: Any, base: Path) -> None:
    """Make a notebook's path independent of the current folder; one that is inside ``code`` is already."""
    text, code = fields.get("notebook"), fields.get("code")
    if isinstance(text, str) and not (isinstance(code, str) and (Path(code) / text).is_file()):
        _settle_path(fields, "notebook", base)


def _settle_job_environment(fields: Any, base: Path) -> None:
    environment = fields.get("environment")
    if isinstance(environment, str) and environment.startswith("file:"):
        fields["environment"] = load_environment(base / environment.removeprefix("file:"))
    elif isinstance(environment, dict):
        _settle_environment(environment, base)


def _settle_environment(fields: dict[str, Any], base: Path) -> None:
    if isinstance(fields.get("conda_file"), str):
        fields["conda_file"] = fields["conda_file"].removeprefix("file:")
        _settle_path(fields, "conda_file", base)
    if isinstance(fields.get("requirements"), str):
        _settle_path(fields, "requirements", base)
    if isinstance(fields.get("build"), dict):
        _settle_path(fields["build"], "path", base)
