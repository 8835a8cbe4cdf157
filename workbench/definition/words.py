"""Commands that are one plain Python program: they can be started without a shell."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeAlias

from workbench.definition.expressions import modernized, variable

__all__ = ["Word", "to_words"]

Word: TypeAlias = list[str | dict[str, str]]
"""Parts of one word: text as it is, or ``{"variable": name}`` for an environment variable's value."""

_REFERENCE = r"\$\{\{\s*(inputs|outputs|search_space)\.([A-Za-z_]\w*)\s*\}\}"
_TOKEN = re.compile(
    rf"(?P<space>(?:[ \t]|\\\n)+)|(?P<reference>{_REFERENCE})|(?P<plain>[\w@%+=:,./-]+)"
    r"|'(?P<single>[^'$\n]*)'|\"(?P<double>[^\"$`\\!\n]*)\"",
    re.ASCII,
)
_PYTHONS = ("python", "python3")


def to_words(command: str, *, data: Collection[str] = ()) -> list[Word] | None:
    """Return the words of a command that is ``python script.py …`` or ``python -m module …`` and nothing more.

    Args:
        command: the command with its expressions.
        data: names of the inputs that are paths.

    Returns:
        None for everything that a shell might understand in another way.
    """
    text = modernized(command).strip()
    words: list[Word] = []
    fresh = True
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return None
        place = token.end()
        if token["space"]:
            fresh = True
            continue
        if fresh:
            words.append([])
        fresh = False
        words[-1].append(_part(token, data))
    return words if _is_python(words) else None


def _part(token: re.Match[str], data: Collection[str]) -> str | dict[str, str]:
    if token["reference"]:
        kind, name = token[3], token[4]
        return {"variable": variable(kind, name, data=name in data)}
    return next(text for text in (token["plain"], token["single"], token["double"]) if text is not None)


def _is_python(words: list[Word]) -> bool:
    if len(words) < 2 or words[0] not in [[python] for python in _PYTHONS]:
        return False
    second = words[1][0]
    if words[1] == ["-m"]:
        return len(words) > 2
    return isinstance(second, str) and len(words[1]) == 1 and not second.startswith("-")
