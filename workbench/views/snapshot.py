"""The last known state of a job as HTML without scripts: for GitHub, nbconvert, and where the workspace is gone."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from workbench.store.records import JobRecord
from workbench.views.facts import Axis, JobFacts
from workbench.views.figures import progress_of, steps_of
from workbench.views.words import duration_text, number_text, shortened

__all__ = ["job_snapshot"]

_MOST_ROWS = 20
_MOST_AXES = 8  # parameters that a picture of this width has room for
_MOST_CURVES = 6  # metrics of a job that are drawn, in colours and dashes that can be told apart
_MOST_POINTS = 200  # of a line: more cannot be seen at this width
_MOST_OF_A_REASON = 90  # characters
_NOTHING = "\N{EN DASH}"
_WIDTH, _HEIGHT = 720, 220
_ICONS = {"Completed": "✓", "Failed": "✗", "Canceled": "⊘", "Running": "▶"}
_INK, _BEST, _OTHER = "#767676", "#e8710a", "#3f7fbf"
_STROKES = (
    (_OTHER, ""),
    (_BEST, "6 3"),
    ("#2e8b57", "2 3"),
    ("#8e5bb5", "9 3 2 3"),
    ("#b5495b", "1 4"),
    (_INK, "12 4"),
)
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
        parts += [picture, _picture(_progress(facts), "the best so far"), _table(facts, ranked)]
    else:
        parts += [_picture(_curves(facts), "metrics over their steps"), _values(facts)]
        if len(facts.metrics()) > _MOST_CURVES:
            parts.append(f"<p><small>the first {_MOST_CURVES} of {len(facts.metrics())} metrics drawn</small></p>")
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


_Places = Sequence[tuple[float, float]]


def _progress(facts: JobFacts) -> str:
    """Draw each trial's value as a dot, and the best so far as a line of steps."""
    dots, best = progress_of(facts)
    line = [best[0]] if best else []
    for x, y in best[1:]:
        line += [(x, line[-1][1]), (x, y)]
    return _chart([(f"best {facts.metric} so far", line, _BEST, "")], "trial", dots) if len(best) > 1 else ""


def _curves(facts: JobFacts) -> str:
    """Draw the metrics of a job over their steps, each on its own scale: they share no unit."""
    lines = []
    for name, (color, dash) in zip(facts.metrics(), _STROKES, strict=False):
        points = [(x, y) for x, y in steps_of(facts.curves_of(name).get(facts.name, [])) if math.isfinite(y)]
        if len(points) > 1:
            lines.append((name, points, color, dash))
    return _chart(lines, "step")


def _chart(lines: Sequence[tuple[str, _Places, str, str]], across: str, dots: _Places = ()) -> str:
    """Draw lines over one axis; each is as high as the picture, and its ends are told beside its name.

    Args:
        lines: name, points, colour and dash of each.
        across: what the axis is of.
        dots: marks on the scale of the first line.
    """
    if not lines:
        return ""
    left, right, top, bottom = 16.0, _WIDTH - 16.0, 14.0 + 15 * len(lines), _HEIGHT - 22.0
    xs = [x for places in (dots, *(points for _, points, _, _ in lines)) for x, _ in places]
    parts = [f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="{_INK}"/>']
    for index, (name, points, color, dash) in enumerate(lines):
        marks = dots if index == 0 else ()
        ys = [y for _, y in (*points, *marks)]
        columns, rows = _scale(xs, left, right), _scale(ys, bottom, top)
        parts += [
            f'<circle cx="{columns(x):.1f}" cy="{rows(y):.1f}" r="2.5" fill="{_OTHER}" opacity="0.6"/>'
            for x, y in _thinned(marks)
        ]
        path = " ".join(f"{columns(x):.1f},{rows(y):.1f}" for x, y in _thinned(points))
        stroke = f'stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" fill="none" {stroke}/>')
        parts.append(f'<line x1="{left}" y1="{10 + 15 * index}" x2="{left + 30}" y2="{10 + 15 * index}" {stroke}/>')
        text = f"{shortened(name, 60)}, {number_text(min(ys))} to {number_text(max(ys))}"
        parts.append(_label(left + 38, 14 + 15 * index, text, anchor="start"))
    parts += [
        _label(left, bottom + 14, number_text(min(xs)), anchor="start"),
        _label((left + right) / 2, bottom + 14, across),
        _label(right, bottom + 14, number_text(max(xs)), anchor="end"),
    ]
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _scale(values: Sequence[float], begin: float, end: float) -> Callable[[float], float]:
    """Return what puts values between two places of the picture."""
    low = min(values)
    span = max(values) - low or 1.0
    return lambda value: begin + (value - low) / span * (end - begin)


def _thinned(places: _Places) -> _Places:
    """Return at most so many of the places as can be seen, the ends among them."""
    if len(places) <= _MOST_POINTS:
        return places
    return [places[round(index * (len(places) - 1) / (_MOST_POINTS - 1))] for index in range(_MOST_POINTS)]


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


def _label(x: float, y: float, text: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="bold"' if bold else ""
    style = f'font-family="sans-serif" font-size="11" fill="{_INK}" text-anchor="{anchor}"{weight}'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'
