"""The last known state of a job as HTML without scripts: for GitHub, nbconvert, and where the workspace is gone."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from workbench.store.records import JobRecord
from workbench.views.facts import Axis, JobFacts
from workbench.views.words import duration_text, number_text, shortened

__all__ = ["job_snapshot"]

_MOST_ROWS = 20
_MOST_AXES = 8  # parameters that a picture of this width has room for
_MOST_OF_A_REASON = 90  # characters
_NOTHING = "\N{EN DASH}"
_WIDTH, _HEIGHT = 720, 220
_ICONS = {"Completed": "✓", "Failed": "✗", "Canceled": "⊘", "Running": "▶"}
_INK, _BEST, _OTHER = "#767676", "#e8710a", "#3f7fbf"
_CELL = "padding:2px 10px;text-align:{align};white-space:nowrap"


def job_snapshot(facts: JobFacts) -> str:
    """Return a table of the best trials and pictures of all, or what there is to say of a job that is no sweep."""
    parts = [_head(facts)]
    if facts.record.error:
        parts.append(f"<pre>{html.escape(facts.record.error[-2000:])}</pre>")
    if facts.is_sweep:
        ranked = _ranked(facts)
        picture = _picture(_lines(facts, ranked), "parallel coordinates")
        if picture and len(facts.axes) > _MOST_AXES:
            picture += f"<p><small>the first {_MOST_AXES} of {len(facts.axes)} parameters</small></p>"
        parts += [picture, _table(facts, ranked)]
    else:
        parts.append(_values(facts))
    return f'<div class="workbench-snapshot" data-of="{_stamp(facts)}">{"".join(parts)}</div>'


def _stamp(facts: JobFacts) -> str:
    """Return what the snapshot is of: only the time it was made differs between two with the same stamp."""
    record = facts.record
    ended = sum(trial.status.is_finished for trial in facts.trials.values())
    return html.escape(f"{record.name} {record.status} {ended} {facts.best} {record.score} {record.ended}")


def _head(facts: JobFacts) -> str:
    record = facts.record
    said = [f"<b>{html.escape(record.display_name or record.name)}</b>", _status(str(record.status))]
    if facts.is_sweep:
        ended = sum(trial.status.is_finished for trial in facts.trials.values())
        said.append(f"{ended} of {facts.header()['total'] or '?'} trials")
        best = facts.trials.get(facts.best or "")
        if best is not None:
            said.append(f"best {html.escape(facts.metric or '')} <b>{_text(best.score)}</b> (trial {best.number})")
    if record.duration is not None:
        said.append(duration_text(record.duration))
    if record.reason:
        said.append(html.escape(record.reason))
    when = datetime.now().astimezone().isoformat(" ", "minutes")
    return f"<p>{' · '.join(said)}<br><small>{html.escape(record.name)}, as of {when}</small></p>"


def _ranked(facts: JobFacts) -> list[JobRecord]:
    sign = -1 if facts.goal == "maximize" else 1

    def rank(trial: JobRecord) -> tuple[bool, float, int]:
        score = trial.score
        known = score is not None and math.isfinite(score)
        return not known, sign * score if known and score is not None else 0.0, trial.number or 0

    return sorted(facts.trials.values(), key=rank)


def _table(facts: JobFacts, ranked: Sequence[JobRecord]) -> str:
    names = [axis.name for axis in facts.axes]
    heads = ["trial", "status", *names, facts.metric or "", "time", "reason"]
    left = {"status", "reason"}
    head = "".join(_cell(title, title in left, "th") for title in heads)
    rows = []
    for trial in ranked[:_MOST_ROWS]:
        number = f"★ {trial.number}" if trial.name == facts.best else str(trial.number)
        values = [number, None, *(_text(trial.params.get(name)) for name in names), _text(trial.score)]
        values += [_NOTHING if trial.duration is None else duration_text(trial.duration), _reason(trial.reason)]
        cells = [
            f'<td style="{_CELL.format(align="left")}">{_status(str(trial.status))}</td>'
            if value is None
            else _cell(value, title in left)
            for title, value in zip(heads, values, strict=True)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    more = len(ranked) - _MOST_ROWS
    rest = f"<p><small>and {more} more trials</small></p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{rest}"


def _values(facts: JobFacts) -> str:
    last = {name: facts.curves_of(name).get(facts.name, []) for name in facts.metrics()}
    rows = [(name, _text(curve[-1][1])) for name, curve in last.items() if curve]
    shown = "".join(f"<tr>{_cell(name, True)}{_cell(value, False)}</tr>" for name, value in rows)
    return f"<table><tbody>{shown}</tbody></table>" if rows else ""


def _cell(text: str, to_the_left: bool, tag: str = "td") -> str:
    align = "left" if to_the_left else "right"
    return f'<{tag} style="{_CELL.format(align=align)}">{html.escape(text)}</{tag}>'


def _status(status: str) -> str:
    return f"{_ICONS.get(status, '…')} {html.escape(status)}"


def _text(value: Any) -> str:
    if value is None:
        return _NOTHING
    return number_text(value) if isinstance(value, float) else str(value)


def _reason(reason: str | None) -> str:
    text = reason or ""
    return text if len(text) <= _MOST_OF_A_REASON else f"{text[: _MOST_OF_A_REASON - 1]}…"


def _picture(svg: str, label: str) -> str:
    """Return a picture that survives the cleaning of HTML: its drawing is in its address."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{label}" width="{_WIDTH}" src="data:image/svg+xml;base64,{data}">' if svg else ""


def _lines(facts: JobFacts, ranked: Sequence[JobRecord]) -> str:
    """Draw parallel coordinates: a line for each trial through its parameters to its value, the best one on top."""
    trials = [trial for trial in ranked if trial.score is not None and math.isfinite(trial.score)][:500]
    if not trials:
        return ""
    axes = facts.axes[:_MOST_AXES]
    columns = [[axis.place(trial.params.get(axis.name)) for trial in trials] for axis in axes]
    columns.append([trial.score for trial in trials])
    titles = [*(axis.name for axis in axes), facts.metric or ""]
    left, right, top, bottom = 60.0, _WIDTH - 60.0, 34.0, _HEIGHT - 22.0
    step = (right - left) / max(1, len(columns) - 1)
    room = int(min(step, 2 * left) / 6.4)  # characters beside each other
    heights = [_heights(column, top, bottom) for column in columns]
    parts = []
    for index in reversed(range(len(trials))):
        points = [(left + step * i, column[index]) for i, column in enumerate(heights)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if y is not None)
        color, width = (_BEST, 2.5) if trials[index].name == facts.best else (_OTHER, 1)
        opacity = 1 if color == _BEST else 0.45
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}" opacity="{opacity}"/>'
        )
    for i, (title, column) in enumerate(zip(titles, columns, strict=True)):
        x = left + step * i
        parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{_INK}"/>')
        parts.append(_label(x, 14, shortened(title, room), bold=True))
        low, high = _ends(axes, i, column)
        parts += [_label(x, top - 6, shortened(high, room)), _label(x, bottom + 14, shortened(low, room))]
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _heights(values: Sequence[float | None], top: float, bottom: float) -> list[float | None]:
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = high - low or 1.0
    return [None if value is None else bottom - (value - low) / span * (bottom - top) for value in values]


def _ends(axes: Sequence[Axis], index: int, column: Sequence[float | None]) -> tuple[str, str]:
    known = [value for value in column if value is not None]
    if not known:
        return "", ""
    low, high = min(known), max(known)
    if index < len(axes):
        axis = axes[index]
        if axis.scale == "category":
            return str(axis.categories[int(low)]), str(axis.categories[int(high)])
        if axis.scale == "log":
            return f"{10**low:.3g}", f"{10**high:.3g}"
    return number_text(low), number_text(high)


def _label(x: float, y: float, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    style = f'font-family="sans-serif" font-size="11" fill="{_INK}" text-anchor="middle"{weight}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'
