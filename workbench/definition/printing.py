"""Metrics that a program only prints, and the patterns that find them in its log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.definition.checking import plain, show
from workbench.errors import ValidationException

__all__ = ["as_metric_patterns"]

_FIX = r"Write {'accuracy': r'accuracy: (\S+)'}, with a group around the number"


def as_metric_patterns(value: Any) -> dict[str, str]:
    r"""Return the patterns by the names of their metrics.

    Args:
        value: regular expressions by the metric's name, looked for in each line that the program prints. The group
            ``value``, or else the first, is the number; the group ``step``, if there is one, the step, which is
            otherwise counted from 0: ``{"loss": r"epoch (?P<step>\d+): loss=(?P<value>\S+)"}``.

    Raises:
        ValidationException: it is no such mapping, or a pattern is no regular expression with a group.
    """
    value = plain(value)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValidationException(f"must map metrics to patterns; got {show(value)}", fix=_FIX)
    return {_name(name): _pattern(pattern, str(name)) for name, pattern in value.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValidationException(f"{show(name)} is no name of a metric", fix=_FIX)
    return name


def _pattern(pattern: Any, name: str) -> str:
    if not isinstance(pattern, str):
        raise ValidationException(f"{show(pattern)} is no pattern", name, _FIX)
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValidationException(f"{show(pattern)} is no regular expression: {error}", name, _FIX) from error
    if not compiled.groups or (set(compiled.groupindex) == {"step"} and compiled.groups == 1):
        raise ValidationException(f"{show(pattern)} has no group around the value", name, _FIX)
    if "value" not in compiled.groupindex and compiled.groupindex.get("step") == 1:
        raise ValidationException(f"the first group of {show(pattern)} is the step", name, "Name the other one 'value'")
    return pattern
