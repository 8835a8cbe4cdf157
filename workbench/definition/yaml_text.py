"""YAML 1.2 text to plain values and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from workbench.errors import ValidationException

__all__ = ["from_text", "to_text"]


def to_text(value: Any) -> str:
    """Return plain values as YAML, in the order of their keys."""
    # The safe writer sorts keys; the rewriting one keeps their order.
    writer = YAML(typ="rt")
    writer.default_flow_style = False
    writer.width = 100
    stream = io.StringIO()
    writer.dump(_styled(value), stream)
    return stream.getvalue()


def from_text(text: str, source: str | Path) -> Any:
    """Return the plain values that YAML text describes.

    Args:
        text: the YAML.
        source: the file it came from, for messages.

    Raises:
        ValidationException: the text is not YAML; the message gives file, line and column.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(source)
        raise ValidationException(error.problem or "is not YAML", place, "Correct the YAML there") from None
    except YAMLError as error:
        raise ValidationException(f"is not YAML: {error}", str(source), "Correct the YAML") from None


def _styled(value: Any) -> Any:
    if isinstance(value, dict):
        return {_styled(key): _styled(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_styled(entry) for entry in value]
    if not isinstance(value, str) or value.isprintable():
        return value
    # Left to itself the writer turns some control characters into other ones.
    return LiteralScalarString(value) if _fits_a_block(value) else DoubleQuotedScalarString(value)


def _fits_a_block(text: str) -> bool:
    lines = text.split("\n")
    return (
        all(line.isprintable() and line == line.rstrip(" ") for line in lines)
        and not lines[0].startswith(" ")
        and bool(lines[0])
    )
