"""Names and texts in the form that MLflow accepts."""

from __future__ import annotations

import hashlib
import posixpath
import re
from functools import lru_cache

__all__ = ["PARAM_LIMIT", "TAG_LIMIT", "acceptable_key", "folder_name", "shortened"]

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
_KEY_LIMIT = 250


@lru_cache(maxsize=4096)
def acceptable_key(key: str) -> str:
    """Return ``key``, with what MLflow refuses in the name of a metric, param or tag replaced by ``_``.

    Metrics may come from printed text, and what MLflow refuses must not be lost with everything behind it.
    """
    plain = re.sub(r"[^/\w.\- :]", "_", key)
    if posixpath.normpath(plain) != plain or plain.startswith(("/", "..")) or plain == ".":
        plain = re.sub(r"[/.]", "_", plain)
    return plain[:_KEY_LIMIT] or "_"


def folder_name(name: str) -> str:
    """Return ``name`` as the name of one folder; different names never share one."""
    plain = re.sub(r"[^\w\-]", "-", name, flags=re.ASCII).lstrip("_")[:80]
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def shortened(text: str, limit: int) -> str:
    """Return ``text``, cut to ``limit`` characters with a sign that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
