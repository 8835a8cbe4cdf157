"""Answers and messages as JSON that every reader takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["as_json"]

_PART = 200  # entries of a list that are written at once


def as_json(value: Any) -> str:
    """Return JSON that every reader takes: what is no number there is null.

    Writing one text keeps all other threads waiting, so that long lists are written in parts.
    """
    try:
        if not isinstance(value, dict):
            return json.dumps(value, allow_nan=False)
        return "{" + ", ".join(f"{json.dumps(name)}: {_long(one)}" for name, one in value.items()) + "}"
    except ValueError:
        return as_json(_without_nan(value))


def _long(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, allow_nan=False)
    parts = (value[begin : begin + _PART] for begin in range(0, len(value), _PART))
    return "[" + ", ".join(json.dumps(part, allow_nan=False)[1:-1] for part in parts) + "]"


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list | tuple) else value
