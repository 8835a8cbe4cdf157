"""What goes into a job and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import BeforeValidator, model_validator

from workbench.definition.checking import Checked, Text, nearest, one_of, plain, show, within
from workbench.definition.distributions import DISTRIBUTIONS, Distribution, distribution_from_dict
from workbench.errors import ValidationException

__all__ = [
    "DATA_TYPES",
    "LITERAL_TYPES",
    "Input",
    "InputValue",
    "Inputs",
    "Output",
    "Outputs",
    "Scalar",
    "data_of",
    "literals_of",
]

Scalar: TypeAlias = str | int | float | bool | None

DATA_TYPES = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
LITERAL_TYPES = ("string", "number", "integer", "boolean")
_INPUT_MODES = ("download", "ro_mount", "mount", "direct")
_TABLE_MODES = (*_INPUT_MODES, "eval_mount", "eval_download")
_OUTPUT_MODES = ("rw_mount", "mount", "upload", "direct")


class Input(Checked):
    """Data for a job, or a typed literal with a default.

    Args:
        type: uri_file, uri_folder (default), mltable, mlflow_model, custom_model, triton_model; or
            string, number, integer, boolean.
        path: where the data is: a local path, a URL, or ``azureml:name:version``; data types only.
        mode: how the script gets it: ro_mount (default), download, direct; for mltable also eval_*.
        path_on_compute: kept, without effect here.
        default: the value of a literal; the job uses it unless a call gives another.
        optional: True if a literal may be left out; a default implies it.
        min: the smallest number allowed.
        max: the largest number allowed.
        enum: the values allowed.
        description: for readers.
        datastore: kept, without effect here.
    """

    type: Annotated[
        str, BeforeValidator(lambda value: one_of(value, (*DATA_TYPES, *LITERAL_TYPES), "type of input"))
    ] = "uri_folder"
    path: Text | None = None
    mode: str | None = None
    path_on_compute: Text | None = None
    default: Any = None
    optional: bool | None = None
    min: Any = None
    max: Any = None
    enum: list[Any] | None = None
    description: str | None = None
    datastore: str | None = None

    @property
    def is_literal(self) -> bool:
        """True for a string, number, integer or boolean; False for data."""
        return self.type in LITERAL_TYPES

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, fields: Any) -> Any:
        return {name: plain(value) for name, value in fields.items()} if isinstance(fields, Mapping) else fields

    @model_validator(mode="after")
    def _consistent(self) -> Input:
        if self.is_literal:
            self._check_literal()
        else:
            self._check_data()
        return self

    def _check_data(self) -> None:
        for name in ("default", "min", "max", "enum"):
            if getattr(self, name) is not None:
                raise ValidationException(
                    f"a {self.type} takes no {name}",
                    name,
                    "Give it a path, or choose type string, number, integer or boolean",
                )
        if self.mode is not None:
            valid = _TABLE_MODES if self.type == "mltable" else _INPUT_MODES
            _set_quietly(self, "mode", _located(self.mode, valid, f"mode of a {self.type} input", "mode"))

    def _check_literal(self) -> None:
        for name in ("path", "mode"):
            if getattr(self, name) is not None:
                raise ValidationException(
                    f"a {self.type} takes no {name}", name, "Use type uri_file or uri_folder for data"
                )
        if self.default is not None:
            _set_quietly(self, "default", self.checked(self.default, "default"))
            _set_quietly(self, "optional", True)

    def checked(self, value: Any, where: str | None = None) -> Scalar:
        """Return ``value`` as the declared literal type.

        Raises:
            ValidationException: it is of another type, out of ``min`` … ``max``, or not in ``enum``.
        """
        literal = _as_type(plain(value), self.type, where)
        if isinstance(literal, int | float) and not isinstance(literal, bool):
            low = -math.inf if self.min is None else self.min
            high = math.inf if self.max is None else self.max
            if not low <= literal <= high:
                raise ValidationException(f"{literal} is not within {low} … {high}", where, "Give a number in between")
        if self.enum is not None and literal not in self.enum:
            raise ValidationException(f"{show(literal)} is not allowed", where, f"Give one of {self.enum}")
        return literal


class Output(Checked):
    """A place that the job writes to.

    Args:
        type: uri_folder (default), uri_file, mltable, mlflow_model, custom_model, triton_model.
        path: where to write; by default a folder of the job's own.
        mode: rw_mount (default), mount, upload, direct.
        name: registers the result under this name when the job ends.
        version: the version to register; needs ``name``.
        description: for readers.
    """

    type: Annotated[str, BeforeValidator(lambda value: one_of(value, DATA_TYPES, "type of output"))] = "uri_folder"
    path: Text | None = None
    mode: Annotated[str, BeforeValidator(lambda value: one_of(value, _OUTPUT_MODES, "mode of an output"))] | None = None
    name: str | None = None
    version: Text | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Output:
        if self.version is not None and self.name is None:
            raise ValidationException("a version needs a name", "version", "Add name, or leave version out")
        return self


InputValue: TypeAlias = Input | Distribution | Scalar

_Entry = TypeVar("_Entry")


class _Named(dict[str, _Entry], Generic[_Entry]):
    """A dict whose entries are attributes too, and are checked when they are set."""

    def __init__(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        for name, value in dict(entries).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(str(name), self._entry(value, str(name)))

    def __getattr__(self, name: str) -> _Entry:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no '{name}' here. {nearest(name, self)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def _entry(self, value: Any, name: str) -> _Entry:
        raise NotImplementedError


class Inputs(_Named[InputValue]):
    """The inputs of a job by name: literals, data, or distributions."""

    def _entry(self, value: Any, name: str) -> InputValue:
        value = plain(value)
        if isinstance(value, Mapping):
            return _from_mapping(value, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValidationException(f"must be finite; got {value}", name, "Write it as text: 'inf'")
        if value is None or isinstance(value, str | int | float | Input | Distribution):
            return value
        raise ValidationException(
            f"{show(value)} cannot be an input",
            name,
            "Use a number, text, boolean, Input(path=…) or a distribution such as Choice([…])",
        )


class Outputs(_Named[Output]):
    """The outputs of a job by name."""

    def _entry(self, value: Any, name: str) -> Output:
        if isinstance(value, Output):
            return value
        if value is None:
            return Output()
        if isinstance(value, Mapping):
            return _made(Output, value, name)
        if isinstance(value, str):
            return Output(path=value)
        raise ValidationException(f"{show(value)} cannot be an output", name, "Use Output() or Output(path=…)")


def literals_of(inputs: Mapping[str, InputValue]) -> dict[str, Scalar]:
    """Return the literal inputs that have a value, defaults included; data and distributions are left out."""
    values = {
        name: value.default if isinstance(value, Input) and value.is_literal else value
        for name, value in inputs.items()
    }
    return {name: value for name, value in values.items() if isinstance(value, str | int | float)}


def data_of(inputs: Mapping[str, InputValue]) -> dict[str, Input]:
    """Return the data inputs that have a path."""
    return {
        name: value
        for name, value in inputs.items()
        if isinstance(value, Input) and not value.is_literal and value.path
    }


def _from_mapping(fields: Mapping[str, Any], name: str) -> InputValue:
    if set(fields) == {"value"}:
        return Inputs({name: fields["value"]})[name]
    if str(fields.get("type", "")).lower() in DISTRIBUTIONS:
        return distribution_from_dict(fields, name)
    return _made(Input, fields, name)


_Made = TypeVar("_Made", bound=Checked)


def _made(cls: type[_Made], fields: Mapping[str, Any], name: str) -> _Made:
    try:
        return cls(**fields)
    except ValidationException as error:
        raise type(error)(error.what, within(name, error.where), error.fix) from None


def _as_type(value: Any, kind: str, where: str | None) -> Scalar:
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind in ("number", "integer") and not isinstance(value, bool):
        converted = _as_number(value)
        if converted is not None and math.isfinite(converted) and (kind == "number" or converted == int(converted)):
            return int(converted) if kind == "integer" else converted
    raise ValidationException(f"{show(value)} is no {kind}", where, f"Give a value of type {kind}")


def _as_number(value: Any) -> float | int | None:
    if isinstance(value, int | float):
        return value
    try:
        return int(value)
    except (TypeError, ValueError):
        pass
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _located(value: str, valid: Iterable[str], what: str, where: str) -> str:
    try:
        return one_of(value, valid, what)
    except ValidationException as error:
        raise ValidationException(error.what, where, error.fix) from None


def _set_quietly(target: Checked, name: str, value: Any) -> None:
    # Assignment proper would check the whole value again from inside its own check.
    target.__dict__[name] = value
