"""Metric points on their way out of a trial: one line of ``metrics.jsonl`` each.

Standard library only: bare images and notebooks use it without the rest of the workbench.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["FOLDER_VARIABLE", "WAKE_VARIABLE", "Line", "log", "poke", "read_points", "report"]

FOLDER_VARIABLE = "WORKBENCH_TRIAL_FOLDER"
WAKE_VARIABLE = "WORKBENCH_WAKE"

_INT64 = 1 << 63

Line = tuple[str, float, int, int]
"""Key, value, step, time in milliseconds since the epoch."""


def log(*, step: int = 0, **metrics: float) -> None:
    """Report metric values of the running trial; needs no MLflow.

    Outside a trial the values are printed, so that the same code can be tried in a notebook.

    Args:
        step: MLflow's step number; 0 when the metric has none.
        metrics: name → value.

    Raises:
        ValueError: a value is no number.
    """
    now = time.time_ns() // 1_000_000
    points = [(key, float(value), int(step), now) for key, value in metrics.items()]
    if folder := os.environ.get(FOLDER_VARIABLE):
        report(Path(folder), points, os.environ.get(WAKE_VARIABLE))
    else:
        print(f"step {step}: " + ", ".join(f"{key}={value:g}" for key, value, *_ in points))  # noqa: T201


def report(folder: Path, points: Iterable[Line], wake: str | None) -> None:
    """Append ``points`` to the metrics of the trial in ``folder`` and wake the supervisor.

    One write of whole lines to a descriptor opened for appending: the lines of several processes and threads never mix.

    Args:
        folder: the trial folder.
        points: key, value, step, time in milliseconds.
        wake: path of the supervisor's FIFO.

    Raises:
        OSError: the file cannot be written.
    """
    text = "".join(json.dumps({"k": key, "v": value, "s": step, "t": at}) + "\n" for key, value, step, at in points)
    descriptor = os.open(folder / "metrics.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    if wake:
        poke(wake)


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


def poke(wake: str | os.PathLike[str]) -> bool:
    """Write one byte to the FIFO at ``wake`` without ever waiting; return whether somebody reads it."""
    try:
        descriptor = os.open(wake, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # nobody reads (ENXIO), or there is no workspace any more
        return False
    try:
        os.write(descriptor, b"!")
    except BlockingIOError:
        return True  # full of bytes that say the same
    except BrokenPipeError:
        return False
    finally:
        os.close(descriptor)
    return True


def _parse(line: bytes) -> Line | None:
    try:
        point = json.loads(line)
        key, value, step, at = str(point["k"]), float(point["v"]), int(point.get("s", 0)), int(point["t"])
        key.encode()  # a lone surrogate is no text that anything further on could keep
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return (key, value, step, at) if max(abs(step), abs(at)) < _INT64 else None
