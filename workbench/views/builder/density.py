"""What a distribution gives, drawn small: values from the sampler's own mapping, as inline SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from workbench.definition.distributions import Choice, Distribution

__all__ = ["caption", "density_svg"]

_DRAWS = 800
_DRAWS_OF_STEPS = 4000  # fewer would show which step happened to be met once more
_BINS = 40
_MOST_BARS = 40
_WIDTH, _HEIGHT = 120, 30  # CSS pixels
_SHOWN = 6  # options named in a caption


def density_svg(distribution: Distribution, logbase: float = math.e) -> str:
    """Return a drawing of how often values come, low ones left; on a log scale for the log distributions.

    Args:
        distribution: a checked one.
        logbase: what the log distributions raise to their exponents.
    """
    heights = _heights(distribution, logbase)
    drawn = _bars(heights) if len(heights) <= _MOST_BARS // 2 else _area(heights)
    return (
        f'<svg class="wb-density" role="img" aria-label="{html.escape(caption(distribution, logbase))}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">'
        f'<g fill="currentColor">{drawn}</g>'
        f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT - 0.5}" y2="{_HEIGHT - 0.5}" stroke="currentColor" opacity=".5"/>'
        "</svg>"
    )


def _bars(heights: Sequence[float]) -> str:
    wide, top = _WIDTH / len(heights), max(heights)
    return "".join(
        f'<rect x="{(place + 0.08) * wide:.2f}" y="{_HEIGHT - 1 - (_HEIGHT - 2) * height / top:.2f}" '
        f'width="{wide * 0.84:.2f}" height="{(_HEIGHT - 2) * height / top:.2f}"/>'
        for place, height in enumerate(heights)
        if height
    )


def _area(heights: Sequence[float]) -> str:
    """Return one shape: bars side by side would show the seams between them."""
    wide, top = _WIDTH / len(heights), max(heights)
    steps = "".join(
        f"V{_HEIGHT - 1 - (_HEIGHT - 2) * height / top:.2f}H{(place + 1) * wide:.2f}"
        for place, height in enumerate(heights)
    )
    return f'<path d="M0,{_HEIGHT - 1}{steps}V{_HEIGHT - 1}Z"/>'


def caption(distribution: Distribution, logbase: float = math.e) -> str:
    """Return which values a distribution gives, in words."""
    if isinstance(distribution, Choice):
        shown = [str(value) for value in distribution.values[:_SHOWN]]
        more = len(distribution.values) - len(shown)
        return f"{' · '.join(shown)}{f' and {more} more' if more else ''}"
    low, high = distribution.bounds(logbase) or (0.0, 0.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = _numbers(distribution, logbase, (0.025, 0.975))
        text = f"95 % in {low:.3g} … {high:.3g}"
    else:
        text = f"{low:.3g} … {high:.3g}"
    size = distribution.size(logbase)
    return text + (", log scale" if distribution.log else "") + (f", {size} values" if size else "")


def _heights(distribution: Distribution, logbase: float) -> Sequence[float]:
    """Return how often values come in each of some bins; for a few values, one bin each."""
    if isinstance(distribution, Choice):
        return [1.0] * min(len(distribution.values), _MOST_BARS)
    draws = _DRAWS_OF_STEPS if distribution.size(logbase) else _DRAWS
    units = [(place + 0.5) / draws for place in range(draws)]
    values = _numbers(distribution, logbase, units)
    kinds = sorted(set(values))
    if len(kinds) <= _MOST_BARS and distribution.size(logbase):
        return [float(values.count(kind)) for kind in kinds]
    if distribution.log and min(values) > 0:
        values = [math.log(value) for value in values]
    if not math.isfinite((distribution.bounds(logbase) or (0, 0))[1]):
        values = values[draws // 100 : -draws // 100]  # the far ends of a bell would squeeze its middle
    low, high = min(values), max(values)
    places = [min(int((value - low) / ((high - low) or 1) * _BINS), _BINS - 1) for value in values]
    if not distribution.size(logbase):
        return [float(places.count(place)) for place in range(_BINS)]
    # Of whole steps some bins hold one more than others, which says nothing about how often each of them comes.
    steps = dict(zip(values, places, strict=True))
    share = list(steps.values())
    return [places.count(place) / max(1, share.count(place)) for place in range(_BINS)]


def _numbers(distribution: Distribution, logbase: float, units: Sequence[float]) -> list[float]:
    drawn = (distribution.from_unit(unit, logbase) for unit in units)
    return [float(value) for value in drawn if isinstance(value, int | float)]
