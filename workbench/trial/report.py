"""Metric points on their way out of a trial: one line of ``metrics.jsonl`` each.

Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path

from workbench.trial.bare import FOLDER_VARIABLE, WAKE_VARIABLE, log, poke, report

__all__ = ["FOLDER_VARIABLE", "WAKE_VARIABLE", "Line", "log", "poke", "read_points", "report"]

_INT64 = 1 << 63

Line = tuple[str, float, int, int]
"""Key, value, step, time in milliseconds since the epoch."""


def read_points(path: Path, offset: int = 0) -> tuple[list[Line], int]:
    """Return the points written after byte ``offset``, and the offset to ask with next.

    A last line without its end is left for the next time; a line that is no point is passed over.

    Raises:
        OSError: the file exists and cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    whole = data.rfind(b"\n") + 1
    points = [point for line in data[:whole].splitlines() if (point := _parse(line)) is not None]
    return points, offset + whole


def _parse(line: bytes) -> Line | None:
    try:
        point = json.loads(line)
        key, value, step, at = str(point["k"]), float(point["v"]), int(point.get("s", 0)), int(point["t"])
        key.encode()  # a lone surrogate is no text that anything further on could keep
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return (key, value, step, at) if max(abs(step), abs(at)) < _INT64 else None
