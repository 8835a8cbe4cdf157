"""How names, numbers and times are written where there is little room."""

from __future__ import annotations

import math

__all__ = ["duration_text", "number_text", "shortened"]


def shortened(text: str, most: int) -> str:
    """Return a text with its middle left out where there is no room for it: names often differ at their ends.

    Args:
        text: any.
        most: characters.
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def number_text(value: float) -> str:
    """Return a number with five digits, and without an exponent where it is neither tiny nor very large."""
    text = f"{value:.5g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e9 else text


def duration_text(seconds: float) -> str:
    """Return a time as the live view writes it.

    Args:
        seconds: how long it took.
    """
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    minutes = whole // 60
    return f"{minutes}:{whole % 60:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"
