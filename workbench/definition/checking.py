"""The base of all checked values, and the border where pydantic's errors become the workbench's."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError

from workbench.errors import UnexpectedKeywordError, ValidationException

__all__ = [
    "Checked",
    "Count",
    "Number",
    "Owner",
    "Positive",
    "Text",
    "Texts",
    "Whole",
    "checked_call",
    "nearest",
    "number",
    "one_of",
    "plain",
    "show",
    "to_plain",
    "unexpected",
    "within",
]

_Call = TypeVar("_Call", bound=Callable[..., Any])

_EXPECTED = {
    "bool": ("true or false", "Write True or False"),
    "dict": ("a mapping", "Write name: value pairs, as in {'name': value}"),
    "float": ("a number", "Write a number without quotes"),
    "greater_than": ("a larger number", "Raise it"),
    "int": ("a whole number", "Write a whole number without quotes"),
    "list": ("a list", "Write the values in square brackets"),
    "mapping": ("a mapping", "Write name: value pairs, as in {'name': value}"),
    "model": ("a mapping of its fields", "Write name: value pairs, as in {'name': value}"),
    "string": ("text", "Put it in quotes"),
    "tuple": ("a list", "Write the values in square brackets"),
}


class Owner(str):
    """The name of a class or call, standing where an error's field would; gives way to a field around it."""

    __slots__ = ()


def show(value: object) -> str:
    """Return the value as a message shows it: short, and with its type where the text alone would mislead."""
    text = repr(value)
    if len(text) > 80:
        text = f"{text[:77]}..."
    return text if isinstance(value, str | int | float | None) else f"{text} ({type(value).__name__})"


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a sentence that names the valid words, the likeliest first, to end an error message with."""
    known = list(valid)
    close = difflib.get_close_matches(name.lower(), [word.lower() for word in known], n=1)
    meant = next((word for word in known if close and word.lower() == close[0]), None)
    listed = ", ".join(known) or "none"
    return f"Did you mean '{meant}'? Valid are: {listed}" if meant else f"Valid are: {listed}"


def unexpected(name: str, valid: Iterable[str], where: str | None) -> UnexpectedKeywordError:
    """Return the error for a keyword that ``where`` does not know."""
    return UnexpectedKeywordError(f"unexpected keyword '{name}'", where, nearest(name, valid))


def one_of(value: object, valid: Iterable[str], what: str) -> str:
    """Return the member of ``valid`` that equals ``value`` but for case.

    Raises:
        ValidationException: there is none.
    """
    known = list(valid)
    for word in known:
        if isinstance(value, str) and word.lower() == value.strip().lower():
            return word
    raise ValidationException(f"{show(value)} is not a {what}", fix=nearest(str(value), known))


def plain(value: Any) -> Any:
    """Return a numpy scalar as the Python number it holds, a path as text, and anything else untouched."""
    if hasattr(value, "__fspath__"):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "shape", ()):
        return value.item()
    return value


def _text(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _texts(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {str(key): entry if entry is None else str(plain(entry)) for key, entry in value.items()}


Text = Annotated[str, BeforeValidator(_text)]
"""Text that may be given as a number or a path (versions, folders)."""

Texts = Annotated[dict[str, str | None], BeforeValidator(_texts)]
"""A map of names to texts, as tags are."""


def number(value: Any) -> float:
    """Return ``value`` if it is a finite number (numpy scalars become Python's).

    Raises:
        ValidationException: it is text, a boolean, NaN or infinite.
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationException(
            f"must be a number; got {show(value)}", fix="Write a number without quotes, such as 0.1"
        )
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValidationException(f"must be finite; got {show(value)}", fix="Write an ordinary number")
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise ValidationException(f"must be above 0; got {show(value)}", fix="Give a positive number, or leave it out")
    return value


def _whole(value: Any) -> int:
    given = number(value)
    if given != int(given):
        raise ValidationException(f"must be a whole number; got {show(value)}", fix="Write a whole number")
    return int(given)


Number = Annotated[float, PlainValidator(number)]
"""A finite number that stays an int where it was one."""

Positive = Annotated[Number, AfterValidator(_positive)]
"""A number above 0, such as a duration in seconds."""

Whole = Annotated[int, PlainValidator(_whole)]
"""A whole number; 3.0 is taken for 3."""

Count = Annotated[Whole, AfterValidator(_positive)]
"""A whole number above 0."""


class Checked(BaseModel):
    """A value whose fields are checked when it is made and at each later assignment.

    Raises:
        ValidationException: a field is wrong; the message names it, shows the value and says what to do.
        UnexpectedKeywordError: a field of that name does not exist.
    """

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, arbitrary_types_allowed=True, protected_namespaces=()
    )

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise _translated(error, type(self)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise _translated(error, type(self)) from None
        except ValueError as error:
            if isinstance(error, ValidationException):
                raise
            raise unexpected(name, self.field_names(), Owner(type(self).__name__)) from None

    @classmethod
    def field_names(cls) -> list[str]:
        """Return the names that the constructor accepts, in order."""
        return list(cls.model_fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the value as plain JSON types in the layout of Azure's YAML; unset fields are left out."""
        return {
            name: to_plain(value) for name in type(self).field_names() if not _is_unset(value := getattr(self, name))
        }


def _is_unset(value: object) -> bool:
    return value is None or (isinstance(value, Mapping) and not value)


def to_plain(value: Any) -> Any:
    """Return ``value`` as JSON types, through the ``to_dict`` of checked values."""
    if isinstance(value, Checked):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    return str(value) if isinstance(value, str) else plain(value)


def checked_call(function: _Call) -> _Call:
    """Make a function or constructor refuse unknown keywords with the names that it does know."""
    signature = inspect.signature(function)
    valid = [name for name in signature.parameters if name != "self"]
    label = Owner(function.__qualname__.removesuffix(".__init__").rpartition(".")[2])

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in valid:
                raise unexpected(name, valid, label)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ValidationException(str(error), label, f"Its arguments are: {', '.join(valid)}") from None
        return function(*args, **kwargs)

    return checked  # type: ignore[return-value]  # the signature is that of the wrapped function


def _translated(error: ValidationError, owner: type[Checked]) -> ValidationException:
    first = error.errors(include_url=False)[0]
    steps = [str(step) for step in first["loc"]]
    where = ".".join(steps) or Owner(owner.__name__)
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, ValidationException):
        return type(inner)(inner.what, within(".".join(steps), inner.where) or Owner(owner.__name__), inner.fix)
    if first["type"] in ("extra_forbidden", "no_such_attribute"):
        return unexpected(steps[-1], owner.field_names(), ".".join(steps[:-1]) or Owner(owner.__name__))
    if first["type"] == "missing":
        return ValidationException("is needed and was not given", where, f"Add {steps[-1]}")
    if first["type"] == "frozen_instance":
        return ValidationException("cannot be changed after it was made", where, "Make a new one instead")
    for kind, (expected, fix) in _EXPECTED.items():
        if first["type"].startswith(kind):
            return ValidationException(f"must be {expected}; got {show(first['input'])}", where, fix)
    return ValidationException(f"{first['msg']}; got {show(first['input'])}", where, f"Change {where}")


def within(outer: str | None, inner: str | None) -> str | None:
    """Return the dotted field of an error that was raised inside ``outer``."""
    parts = [part for part in (outer, None if isinstance(inner, Owner) else inner) if part]
    return ".".join(parts) or inner
