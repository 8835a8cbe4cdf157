"""Stand-ins for parts of a machine that a test does not have."""

from __future__ import annotations

__all__: list[str] = []
