"""Metrics of trials that only print: what matches a pattern in the log becomes a point like any other.

Standard library only: the trial host imports this, for trials that have patterns.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench.trial.report import poke

__all__ = ["VALUE", "Printed"]

VALUE = "value"
"""The group that is the metric's value; without one of that name it is the first."""

_STEP = "step"
_CHUNK = 1 << 20
_LONGEST = 2000  # characters of a line that are looked at: patterns may take quadratic time
_LINE_ENDS = re.compile(rb"[\r\n]")  # progress bars write over their line


class Printed:
    """Follows the log of one trial.

    How far it has come is in each point that it writes, so that another one goes on right there.

    Args:
        log: what the trial prints.
        metrics: ``metrics.jsonl`` of the trial.
        patterns: regular expressions by the metric's name; see ``workbench.definition.printing``.
        wake: the supervisor's FIFO.
    """

    def __init__(self, log: Path, metrics: Path, patterns: Mapping[str, str], wake: str) -> None:
        self._log = log
        self._metrics = metrics
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._wake = wake
        self._offset = 0
        self._counts: Counter[str] = Counter()
        for name, end in _points(metrics):
            self._offset = max(self._offset, end)
            self._counts[name] += 1

    def look(self, *, at_end: bool = False) -> None:
        """Report what has been printed since the last look.

        Args:
            at_end: whether nothing comes any more, so that a last line without its end is whole.

        Raises:
            OSError: the log cannot be read, or the disk is full; the next look tries again.
        """
        if not self._log.exists():
            return
        with self._log.open("rb") as file:
            while True:
                file.seek(self._offset)
                data = file.read(_CHUNK)
                whole = _whole(data)
                if not whole and (len(data) == _CHUNK or at_end):
                    whole = len(data)
                if not whole:
                    return
                self._report(data[:whole])

    def _report(self, data: bytes) -> None:
        counts = self._counts.copy()
        now = time.time_ns() // 1_000_000
        points = [
            {"k": name, "v": value, "s": step, "t": now, "o": end}
            for line, end in _lines(data, self._offset)
            for name, value, step in self._found(line, counts)
        ]
        if points:
            text = "".join(json.dumps(point) + "\n" for point in points)
            with self._metrics.open("ab", buffering=0) as file:
                file.write(text.encode())
            poke(self._wake)
        self._offset += len(data)
        self._counts = counts

    def _found(self, line: str, counts: Counter[str]) -> Iterator[tuple[str, float, int]]:
        for name, pattern in self._patterns.items():
            for match in pattern.finditer(line):
                groups = match.groupdict()
                try:
                    value = float(groups.get(VALUE) or match[1])
                    step = int(groups.get(_STEP) or counts[name])
                except (ValueError, TypeError):
                    continue  # it looks like the metric, and is no number
                counts[name] += 1
                yield name, value, step


def _whole(data: bytes) -> int:
    """Return the length of what ends with the end of a line."""
    return max(data.rfind(b"\n"), data.rfind(b"\r")) + 1


def _lines(data: bytes, offset: int) -> Iterator[tuple[str, int]]:
    """Return each line with the offset behind it."""
    start = 0
    for end in (*(found.end() for found in _LINE_ENDS.finditer(data)), len(data)):
        if end > start:
            yield data[start:end][:_LONGEST].decode(errors="replace").rstrip("\r\n"), offset + end
        start = end


def _points(metrics: Path) -> Iterator[tuple[str, int]]:
    """Return name and place in the log of the points that came from there, by this process or one before."""
    if not metrics.exists():
        return
    for line in metrics.read_bytes().splitlines():
        try:
            point = json.loads(line)
        except ValueError:
            continue
        if isinstance(point, dict) and isinstance(point.get("o"), int):
            yield str(point.get("k")), point["o"]
