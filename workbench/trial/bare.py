"""How a trial reports, in one file that needs nothing else: images and other Pythons get it as ``workbench``.

Standard library only, and nothing newer than Python 3.8: images are often older than this program.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FOLDER_VARIABLE", "MOST_BYTES", "MOST_ROWS", "WAKE_VARIABLE", "log", "output", "poke", "report"]

FOLDER_VARIABLE = "WORKBENCH_TRIAL_FOLDER"
WAKE_VARIABLE = "WORKBENCH_WAKE"

MOST_BYTES = 1 << 20
"""The largest value of :func:`output`, as JSON."""

MOST_ROWS = 10_000
"""The longest table; of a longer one the first rows are kept."""


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
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        report(folder, points, os.environ.get(WAKE_VARIABLE))
    else:
        print(f"step {step}: " + ", ".join(f"{key}={value:g}" for key, value, *_ in points))  # noqa: T201


def output(name: str, value: Any) -> None:
    """Store a small result of the running trial; it appears with the trial, and in the table of its sweep.

    Outside a trial the value is printed, so that the same code can be tried in a notebook.

    Args:
        name: a second value under the same name takes the place of the first.
        value: anything that JSON can say, a numpy scalar or array, or a table (pandas or polars).

    Raises:
        TypeError: JSON cannot say it.
        ValueError: it is larger than ``MOST_BYTES``; write a file into ``./outputs`` instead.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        print(f"{name} = {value}")  # noqa: T201
        return
    record = {"name": str(name), "time": time.time(), **_described(value)}
    line = json.dumps(record, default=_plain) + "\n"
    if len(line) > MOST_BYTES:
        raise ValueError(
            f"output {name!r} is {len(line):,} bytes long, and {MOST_BYTES:,} are the limit; "
            "write it to a file in ./outputs instead"
        )
    _append(os.path.join(folder, "outputs.jsonl"), line)  # noqa: PTH118 - this file is imported on hot paths
    wake = os.environ.get(WAKE_VARIABLE)
    if wake:
        poke(wake)


def report(folder: str | os.PathLike[str], points: Iterable[tuple[str, float, int, int]], wake: str | None) -> None:
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
    _append(os.path.join(folder, "metrics.jsonl"), text)  # noqa: PTH118
    if wake:
        poke(wake)


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


def _append(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _described(value: Any) -> dict[str, Any]:
    rows = _rows(value)
    if rows is None:
        return {"value": value}
    if rows[1] > MOST_ROWS:
        print(f"workbench.output: of {rows[1]:,} rows the first {MOST_ROWS:,} are kept")  # noqa: T201
    return {"rows": rows[0], "of": rows[1]}


def _rows(value: Any) -> tuple[list[Any], int] | None:
    """Return the first rows of a table and how many it has; None for anything else."""
    if not hasattr(value, "columns"):
        return None
    if hasattr(value, "to_dicts"):  # polars
        return value.head(MOST_ROWS).to_dicts(), len(value)
    if hasattr(value, "to_json") and hasattr(value, "index"):  # pandas
        named = any(name is not None for name in value.index.names)
        table = value.head(MOST_ROWS)
        text = (table.reset_index() if named else table).to_json(orient="records", date_format="iso")
        return json.loads(text), len(value)
    return None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy, torch on the CPU, pandas.Series
        return value.tolist()
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be an output: give numbers, texts, lists, mappings or a table")


def _give_way() -> None:
    """Let a workbench that is installed here be what ``import workbench`` finds: this one only stands in for it."""
    import importlib.machinery  # noqa: PLC0415 - only where this stands in for it
    import importlib.util  # noqa: PLC0415

    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    others = [path for path in sys.path if os.path.abspath(path) != here]  # noqa: PTH100
    found = importlib.machinery.PathFinder.find_spec(__name__, others)
    if found is None or found.loader is None or not found.origin or not found.submodule_search_locations:
        return
    sys.modules[__name__] = module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)


if __name__ == "workbench":
    _give_way()


def __getattr__(name: str) -> NoReturn:
    if __name__ == "workbench" and not name.startswith("__"):
        # Mounted into an image, or laid into an environment, in the place of the real thing.
        raise AttributeError(
            f"workbench.{name} needs the whole workbench; in this environment it has log and output. "
            "To use more of it here, add workbench to the environment"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
