"""Facts as plotly figures: plain dictionaries that every front end of plotly draws.

They carry no colours of text and background: whoever draws them puts in those of its theme. Beside each figure stands
what a view needs to find its way back from a mark to a trial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from workbench.client.calling import Caller
from workbench.errors import ValidationException
from workbench.store.records import JobRecord
from workbench.views.facts import Axis, Curve, JobFacts, finite
from workbench.views.importance import Observed, measure, observe
from workbench.views.words import shortened

__all__ = [
    "FIGURES",
    "Figure",
    "Reader",
    "curves",
    "draw",
    "importance",
    "parallel_coordinates",
    "progress",
    "progress_of",
    "scatter",
    "steps_of",
]

MOST_CURVES = 60
"""Curves that are drawn at once; more are a carpet."""
MOST_AXES = 60
"""Axes that plotly's parallel coordinates have room for."""
USUAL_AXES = 12
"""Parameters that are drawn before anybody chooses: more can hardly be told apart in a notebook."""

_BEST, _OTHER, _STOPPED = "#e8710a", "#3f7fbf", "#9aa0a6"
_EARLY = "stopped early"  # by a policy, and not by the user or an error
_SCALE = "Viridis"
_CROWDED = 8  # axes whose names fit beside each other
_MOST_BARS = 12  # parameters whose names fit one below the other
_MOST_LABELS = 16  # of categories, along one axis
_ROOM = 36  # characters along a vertical axis
_FORMAT = ".6~g"  # of ticks: 8e-6, where plotly would write 8µ


@dataclass(frozen=True)
class Figure:
    """A figure.

    Args:
        data, layout: as plotly has them.
        trials: numbers of the trials that its marks or lines stand for, in their order.
        axes: of parallel coordinates: what each dimension is, in their order.
        note: what is not shown, in words; empty when all is.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    trials: Sequence[int] = ()
    axes: Sequence[Axis] = ()
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        axes = [{"name": axis.name, "scale": axis.scale} for axis in self.axes]
        return {"data": self.data, "layout": self.layout, "trials": list(self.trials), "axes": axes, "note": self.note}


def parallel_coordinates(facts: JobFacts, *, top: int | None = None, params: Sequence[str] | None = None) -> Figure:
    """Draw one line for each trial with a value of the primary metric, through its parameters to that value.

    Args:
        facts: of a sweep.
        top: only so many of the best trials.
        params: the parameters in the order of their axes; the first :data:`USUAL_AXES` by default.

    Raises:
        ValidationException: a parameter is not in the search space.
    """
    known = {axis.name: axis for axis in facts.axes}
    for name in params or ():
        if name not in known:
            raise ValidationException(f"no parameter {name!r}", "params", f"The sweep has: {', '.join(known)}")
    chosen = [known[name] for name in (list(known)[:USUAL_AXES] if params is None else params)][: MOST_AXES - 2]
    scored = _scored(facts)
    shown = sorted(_ranked(facts, scored)[:top], key=_number)
    scores = [finite(trial.score) for trial in shown]
    room = 22 if len(chosen) <= 3 else 14
    dimensions = [_trial_dimension(shown), *(_dimension(axis, shown, room) for axis in chosen)]
    metric = Axis(facts.metric or "", "linear")
    dimensions.append({"label": shortened(metric.name, room), "values": scores, "tickformat": _FORMAT})
    angle = -12 if len(dimensions) <= _CROWDED else -30
    line = {
        "color": scores,
        "colorscale": _SCALE,
        "reversescale": facts.goal == "minimize",
        "showscale": len(set(scores)) > 1,
        "colorbar": {
            "thickness": 10,
            "outlinewidth": 0,
            "tickformat": _FORMAT,
            "title": {"text": shortened(metric.name, _ROOM - 8), "side": "right"},
        },
    }
    return Figure(
        [{"type": "parcoords", "dimensions": dimensions, "line": line, "labelangle": angle, "labelside": "top"}],
        {"margin": {"l": 48, "r": 40, "t": 64, "b": 24}},
        [_number(trial) for trial in shown],
        [Axis("trial", "linear"), *chosen, metric],
        "; ".join(_not_drawn(facts, len(shown), top, len(chosen))),
    )


def _not_drawn(facts: JobFacts, shown: int, top: int | None, params: int) -> Iterator[str]:
    """Say what parallel coordinates leave out."""
    hidden = len(facts.trials) - shown
    if hidden and top:
        yield f"{hidden} of {len(facts.trials)} trials not drawn: without a value, or beyond the best {top}"
    elif hidden:
        yield f"{hidden} of {len(facts.trials)} trials have no value{'' if facts.record.status.is_finished else ' yet'}"
    if params < len(facts.axes):
        yield f"{params} of {len(facts.axes)} parameters drawn"


def curves(
    facts: JobFacts, *, metric: str | None = None, over: str = "step", selected: Sequence[int] = (), log: bool = False
) -> Figure:
    """Draw a metric over its steps or over time, one line for each trial: the best, those that run, then the others.

    Args:
        facts: of a job or sweep.
        metric: which; the primary one by default.
        over: ``step``, or ``time`` for seconds since the trial's first value.
        selected: numbers of trials that are drawn whatever their rank.
        log: whether the metric's axis is logarithmic.
    """
    if not facts.is_sweep:
        return _curves_of_job(facts, metric, over, log=log)
    name = metric or facts.metric or ""
    lines = facts.curves_of(name)
    with_values = [trial for trial in facts.trials.values() if _has_value(lines.get(trial.name, []))]
    order = _ranked(facts, with_values)
    order.sort(key=lambda trial: (_number(trial) not in selected, trial.name != facts.best, trial.status.is_finished))
    shown = order[: max(MOST_CURVES, len(selected))]
    data = [_line(trial, lines[trial.name], facts, over, selected) for trial in reversed(shown)]
    note = f"{len(shown)} of {len(with_values)} trials drawn" if len(shown) < len(with_values) else ""
    layout = _axes_layout(_over(over), name, log_y=log)
    if over == "step":
        layout["xaxis"] |= _whole_numbers(x for line in data for x in line["x"])
    return Figure([*data, *_legend(shown)], layout, [_number(t) for t in reversed(shown)], note=note)


def _legend(trials: Sequence[JobRecord]) -> Iterator[dict[str, Any]]:
    """Yield a line without points for each way in which lines of trials are broken: the legend says what it means."""
    cut_short = [trial for trial in trials if trial.status.is_finished and str(trial.status) != "Completed"]
    early = any(trial.is_stopped_early for trial in cut_short)
    for name, dash, there in (
        (_EARLY, "dash", early),
        ("canceled or failed", "dot", any(not trial.is_stopped_early for trial in cut_short)),
    ):
        if there:
            yield {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [None],
                "y": [None],
                "line": {"color": _STOPPED, "width": 1.5, "dash": dash},
                "showlegend": True,
                "hoverinfo": "skip",
            }


def progress(facts: JobFacts, *, selected: Sequence[int] = ()) -> Figure:
    """Draw each trial's value in the order the trials came, and the best so far.

    Args:
        facts: of a sweep.
        selected: numbers of trials that stand out.
    """
    scored = sorted(_scored(facts), key=_number)
    layout = _axes_layout("trial", facts.metric or "")
    if not scored:
        return Figure([], layout)
    best = [finite(so_far) for so_far in _best_so_far(facts, scored)]
    numbers = [_number(trial) for trial in scored]
    data = [
        *_marks(scored, [float(number) for number in numbers], selected),
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": numbers,
            "y": best,
            "line": {"shape": "hv", "color": _BEST, "width": 2},
            "hoverinfo": "skip",
        },
    ]
    layout["xaxis"] |= _whole_numbers(numbers)
    return Figure(data, layout, numbers)


def _best_so_far(facts: JobFacts, scored: Sequence[JobRecord]) -> Iterator[float | None]:
    better: Callable[[float, float], float] = max if facts.goal == "maximize" else min
    so_far: float | None = None
    for trial in scored:
        if trial.score is not None and str(trial.status) == "Completed":
            so_far = trial.score if so_far is None else better(so_far, trial.score)
        yield so_far


def progress_of(facts: JobFacts) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return each trial's number and value, and the best so far, for a picture without plotly."""
    scored = sorted(_scored(facts), key=_number)
    values = [(float(_number(trial)), trial.score) for trial in scored if trial.score is not None]
    best = zip((x for x, _ in values), _best_so_far(facts, scored), strict=True)
    return values, [(x, so_far) for x, so_far in best if so_far is not None]


def scatter(facts: JobFacts, *, param: str | None = None, selected: Sequence[int] = ()) -> Figure:
    """Draw the primary metric over one parameter, a mark for each trial.

    Args:
        facts: of a sweep.
        param: which; the first by default.
        selected: numbers of trials that stand out.

    Raises:
        ValidationException: the parameter is not in the search space.
    """
    known = {axis.name: axis for axis in facts.axes}
    axis = known.get(param or next(iter(known), ""))
    if axis is None:
        raise ValidationException(f"no parameter {param!r}", "param", f"The sweep has: {', '.join(known)}")
    scored = [trial for trial in _scored(facts) if _value(axis, trial) is not None]
    layout = _axes_layout(axis.name, facts.metric or "")
    places = [_value(axis, trial) for trial in scored]
    if axis.scale == "log":
        places = [None if place is None else 10**place for place in places]
        layout["xaxis"] |= {"type": "log", **_powers_of_ten(places)}
    elif axis.scale == "category":
        layout["xaxis"] |= _category_ticks(axis, 22) | {"range": [-0.5, len(axis.categories) - 0.5]}
    return Figure(_marks(scored, places, selected), layout, [_number(trial) for trial in scored], [axis])


def importance(facts: JobFacts) -> Figure:
    """Draw how much each parameter matters for the primary metric, by Optuna's PED-ANOVA."""
    observed = observe(facts)
    return _importance(observed, measure(observed))


def _importance(observed: Observed, found: Mapping[str, float]) -> Figure:
    names = sorted(found, key=lambda name: found[name])[-_MOST_BARS:]
    told = [observed.note] if observed.note else []
    if len(names) < len(found):
        told.insert(0, f"the {len(names)} of {len(found)} parameters that matter most")
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [finite(found[name]) for name in names],
        "y": names,
        "text": [f"{found[name]:.2f}" for name in names],
        "textposition": "outside",
        "constraintext": "none",
        "cliponaxis": False,
        "marker": {"color": _OTHER},
        "hoverinfo": "skip",
    }
    layout = _axes_layout("importance", "")
    layout["xaxis"]["range"] = [0, 1.1 * max(found.values(), default=1)]
    layout["yaxis"] = {
        "automargin": True,
        "type": "category",
        "tickvals": names,
        "ticktext": [shortened(name, _ROOM) for name in names],
    }
    return Figure([bars] if names else [], layout, note="; ".join(told))


FIGURES: Mapping[str, Callable[..., Figure]] = {
    "parallel": parallel_coordinates,
    "curves": curves,
    "progress": progress,
    "scatter": scatter,
    "importance": importance,
}
"""The figures by the names that views ask for them with."""

_Read = TypeVar("_Read")


class Reader(Protocol):
    """Lets somebody read the facts of a job, while nobody else uses them."""

    def __call__(self, use: Callable[[JobFacts], _Read], /) -> _Read:
        """Return what ``use`` makes of the facts."""
        ...


def draw(kind: str, options: Mapping[str, Any], read: Reader, call: Caller) -> Figure:
    """Draw one of :data:`FIGURES`, without keeping others from the facts for longer than they are read.

    Args:
        kind: which.
        options: what that figure takes.
        read: gives the facts.
        call: calls what loads Optuna.

    Raises:
        ValidationException: an option is not of this sweep.
    """
    if kind != "importance":
        return read(partial(FIGURES[kind], **options))
    observed = read(partial(observe, **options))
    return _importance(observed, call(measure, observed))


def _scored(facts: JobFacts) -> list[JobRecord]:
    return [trial for trial in facts.trials.values() if trial.score is not None and math.isfinite(trial.score)]


def _ranked(facts: JobFacts, trials: Sequence[JobRecord]) -> list[JobRecord]:
    """Return trials, the best first; those without a value last."""
    sign = -1 if facts.goal == "maximize" else 1

    def rank(trial: JobRecord) -> tuple[bool, float, int]:
        score = trial.score if trial.score is not None and math.isfinite(trial.score) else None
        return score is None, sign * (score or 0.0), _number(trial)

    return sorted(trials, key=rank)


def _number(trial: JobRecord) -> int:
    return trial.number or 0


def _value(axis: Axis, trial: JobRecord) -> float | None:
    return axis.place(trial.params[axis.name]) if axis.name in trial.params else None


def _has_value(curve: Curve) -> bool:
    return any(math.isfinite(value) for _, value, _ in curve)


def _whole_numbers(places: Iterable[float]) -> dict[str, Any]:
    """Return ticks at whole numbers where an axis is so short that plotly would put some between them."""
    there = list(places)
    return {"dtick": 1} if there and max(there) - min(there) <= _MOST_LABELS else {}


def _powers_of_ten(places: Iterable[float | None]) -> dict[str, Any]:
    """Return ticks at powers of ten where a logarithmic axis is so long that it has several."""
    there = [place for place in places if place is not None]
    if not there or max(there) < 100 * min(there):
        return {}
    powers = range(math.floor(math.log10(min(there))), math.ceil(math.log10(max(there))) + 1)
    return {"tickvals": [10.0**power for power in powers], "ticktext": [f"{10.0**power:g}" for power in powers]}


def _category_ticks(axis: Axis, room: int) -> dict[str, Any]:
    """Return a tick for each category, or for every so many of them."""
    shown = range(0, len(axis.categories), -(-len(axis.categories) // _MOST_LABELS) or 1)
    return {"tickvals": list(shown), "ticktext": [shortened(str(axis.categories[place]), room) for place in shown]}


def _trial_dimension(trials: Sequence[JobRecord]) -> dict[str, Any]:
    numbers = [_number(trial) for trial in trials]
    dimension: dict[str, Any] = {"label": "trial", "values": numbers, "tickformat": "d"}
    first, last = min(numbers, default=0), max(numbers, default=0)
    if last - first < _MOST_LABELS // 2:  # plotly would put ticks between them, and call them by the same numbers
        dimension |= {"tickvals": list(range(first, last + 1))}
    return dimension


def _dimension(axis: Axis, trials: Sequence[JobRecord], room: int) -> dict[str, Any]:
    values = [finite(_value(axis, trial)) for trial in trials]
    dimension: dict[str, Any] = {"label": shortened(axis.name, room), "values": values, "tickformat": _FORMAT}
    if axis.scale == "category":
        dimension |= _category_ticks(axis, room) | {"range": [-0.2, max(len(axis.categories) - 1, 0) + 0.2]}
    elif axis.scale == "log" and (there := [value for value in values if value is not None]):
        ticks = _log_ticks(min(there), max(there))
        dimension |= {"tickvals": ticks, "ticktext": [f"{10**tick:.3g}" for tick in ticks]}
    return dimension


def _log_ticks(low: float, high: float) -> list[float]:
    """Return places for ticks on an axis of decimal logarithms: powers of ten, and both ends."""
    inner = [float(power) for power in range(math.ceil(low), math.floor(high) + 1)]
    room = (high - low) * 0.06
    inner = [tick for tick in inner if tick - low > room and high - tick > room]
    return [low, *inner, high] if high > low else [low]


def _marks(
    trials: Sequence[JobRecord], places: Sequence[float | None], selected: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a trace for completed trials and two for those cut short, told apart by the shape of the mark too."""
    traces = []
    for name, color, symbol in (
        ("completed", _OTHER, "circle"),
        (_EARLY, _STOPPED, "triangle-down-open"),
        ("not completed", _STOPPED, "x-thin-open"),
    ):
        chosen = [(place, trial) for place, trial in zip(places, trials, strict=True) if _ending(trial) == name]
        if chosen:
            standing_out = [index for index, (_, trial) in enumerate(chosen) if _number(trial) in selected]
            traces.append(
                {
                    "type": "scatter" if len(chosen) < 2000 else "scattergl",
                    "mode": "markers",
                    "name": name,
                    "x": [finite(place) for place, _ in chosen],
                    "y": [finite(trial.score) for _, trial in chosen],
                    "customdata": [_number(trial) for _, trial in chosen],
                    "marker": {"color": color, "symbol": symbol, "size": 8, "line": {"width": 1.5, "color": color}},
                    "hovertemplate": "trial %{customdata}<br>%{x}<br><b>%{y}</b><extra></extra>",
                    **(_standing_out(standing_out) if selected else {}),
                }
            )
    return traces


def _standing_out(marks: Sequence[int]) -> dict[str, Any]:
    """Return what makes some marks of a trace larger, and the others paler."""
    larger, paler = {"size": 14, "opacity": 1}, {"opacity": 0.25}
    return {"selectedpoints": list(marks), "selected": {"marker": larger}, "unselected": {"marker": paler}}


def _ending(trial: JobRecord) -> str:
    """Return in words how a trial has ended; one that has not is not completed either."""
    if str(trial.status) == "Completed":
        return "completed"
    return _EARLY if trial.is_stopped_early else "not completed"


def _line(trial: JobRecord, curve: Curve, facts: JobFacts, over: str, selected: Sequence[int]) -> dict[str, Any]:
    is_best, is_selected = trial.name == facts.best, _number(trial) in selected
    stopped = trial.status.is_finished and str(trial.status) != "Completed"
    style = {
        "color": _BEST if is_best else _STOPPED if stopped else _OTHER,
        "width": 3 if is_best or is_selected else 1.5,
        "dash": ("dash" if trial.is_stopped_early else "dot") if stopped else "solid",
    }
    x, y = _coordinates(curve, over)
    said = " (best)" if is_best else f" ({_EARLY if trial.is_stopped_early else trial.status})" if stopped else ""
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) < 3 else "lines",
        "name": f"trial {_number(trial)}{said}",
        "x": x,
        "y": y,
        "customdata": [_number(trial)] * len(x),
        "line": style,
        "marker": {"color": style["color"], "size": 5},
        "opacity": 1.0 if is_best or is_selected or not selected else 0.25,
        "showlegend": is_best or is_selected,
        "hovertemplate": f"trial {_number(trial)}{said}<br>%{{x}}<br><b>%{{y}}</b><extra></extra>",
    }


def _curves_of_job(facts: JobFacts, metric: str | None, over: str, *, log: bool) -> Figure:
    data: list[dict[str, Any]] = []
    for name in [metric] if metric else facts.metrics():
        x, y = _coordinates(facts.curves_of(name).get(facts.name, []), over)
        data.append(
            {"type": "scatter", "mode": "lines+markers" if len(x) < 3 else "lines", "name": name, "x": x, "y": y}
        )
    layout = _axes_layout(_over(over), data[0]["name"] if len(data) == 1 else "", log_y=log)
    layout["showlegend"] = len(data) > 1
    if over == "step":
        layout["xaxis"] |= _whole_numbers(x for line in data for x in line["x"])
    return Figure(data, layout)


def _coordinates(curve: Curve, over: str) -> tuple[list[float], list[float | None]]:
    if over == "time":
        begin = curve[0][2] if curve else 0
        return [(at - begin) / 1000 for _, _, at in curve], [finite(value) for _, value, _ in curve]
    points = steps_of(curve)
    return [step for step, _ in points], [finite(value) for _, value in points]


def steps_of(curve: Curve) -> list[tuple[float, float]]:
    """Return the steps and values of a curve; of one that was logged without steps the order in which they came."""
    steps = [step for step, _, _ in curve]
    if len(set(steps)) < len(steps):
        steps = list(range(len(curve)))
    return [(float(step), value) for step, (_, value, _) in zip(steps, curve, strict=True)]


def _over(over: str) -> str:
    return "seconds since its first value" if over == "time" else "step"


def _axes_layout(x: str, y: str, *, log_y: bool = False) -> dict[str, Any]:
    usual = {"zeroline": False, "automargin": True, "exponentformat": "e", "minexponent": 5}
    return {
        "margin": {"l": 56, "r": 16, "t": 12, "b": 44},
        "xaxis": {"title": {"text": x}, **usual},
        "yaxis": {
            "title": {"text": shortened(y, _ROOM), "standoff": 8},
            "type": "log" if log_y else "linear",
            **usual,
        },
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    }
