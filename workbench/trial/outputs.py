"""Small results of a trial: one line of ``outputs.jsonl`` each.

Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.trial.bare import MOST_BYTES, MOST_ROWS, output

__all__ = ["MOST_BYTES", "MOST_ROWS", "output", "read_outputs"]


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
