"""Small results of a trial: one line of ``outputs.jsonl`` each.

Standard library only: bare images and notebooks use it without the rest of the workbench.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.trial.report import FOLDER_VARIABLE, WAKE_VARIABLE, poke

__all__ = ["MOST_BYTES", "MOST_ROWS", "output", "read_outputs"]

MOST_BYTES = 1 << 20
"""The largest value, as JSON."""

MOST_ROWS = 10_000
"""The longest table; of a longer one the first rows are kept."""


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
    descriptor = os.open(Path(folder) / "outputs.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    if wake := os.environ.get(WAKE_VARIABLE):
        poke(wake)


def read_outputs(path: Path) -> dict[str, Any]:
    """Return the values written to ``path`` by name: JSON types, a table as a list with one mapping for each row."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    found: dict[str, Any] = {}
    for line in lines:
        try:
            record = json.loads(line)
            found[str(record["name"])] = record["rows"] if "rows" in record else record["value"]
        except (ValueError, KeyError, TypeError):
            continue  # half a line of a trial that was killed, or somebody else's
    return found


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
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "__fspath__"):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be an output: give numbers, texts, lists, mappings or a table")
