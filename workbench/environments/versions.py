"""Which versions of Python a conda file asks for, in one form: ``3.10``, or what uv and pip read, ``>=3.8,<3.12``.

Standard library only: the process that builds an environment reads this too.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator

__all__ = ["ANY", "allows", "as_expression", "of_conda"]

ANY = ""
"""What a conda file asks for that leaves the version open."""

_CLAUSE = re.compile(r"(?P<how>[<>=!~]=|[<>=])?\s*(?P<version>\d+(?:\.\d+)*)(?:\.?\*)?")
_BUILD = re.compile(r"(?<=[\d*])(?:\s*=\s*|\s+)[^\s=<>!~,]+$")  # a build of conda's, such as =h12debd9_0
_LENGTH = 3  # numbers of a version
_OPERATORS: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def of_conda(asked: str) -> str | None:
    """Return the versions of what stands after ``python`` in a conda file; None where that cannot be read.

    A version means all that begin with it, as in conda's ``=``.
    """
    asked = _BUILD.sub("", asked.strip())
    if asked.lstrip("= ") in ("", "*"):
        return ANY
    found: list[str] = []
    for text in asked.split(","):
        clause = _CLAUSE.fullmatch(text.strip())
        if clause is None:
            return None
        how, version = clause["how"] or "=", clause["version"]
        if how == "~=":
            if "." not in version:
                return None
            found += [f">={version}", f"=={version.rpartition('.')[0]}.*"]
        elif how in ("=", "==", "!="):
            found.append(f"{how if how == '!=' else '=='}{version}.*")
        else:
            found.append(f"{how}{version}")
    return found[0][2:-2] if len(found) == 1 and found[0].startswith("==") else ",".join(found)


def allows(versions: str, version: tuple[int, int, int]) -> bool:
    """Return whether a version is among those of one form, of which :func:`of_conda` tells."""
    return all(_OPERATORS[how](version[: len(wanted)], wanted) for how, wanted in _clauses(versions))


def as_expression(versions: str) -> str:
    """Return :func:`allows` as an expression in which ``v`` is the version: any Python there is can say what it is."""
    return " and ".join(f"v[:{len(wanted)}] {how} {wanted!r}" for how, wanted in _clauses(versions)) or "True"


def _clauses(versions: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for text in filter(None, versions.split(",")):
        clause = _CLAUSE.fullmatch(text)
        if clause is None:
            raise ValueError(f"{text!r} is no version of Python")
        how, wanted = clause["how"] or "==", tuple(map(int, clause["version"].split(".")))
        if how in ("==", "!="):
            yield how, wanted[:_LENGTH]
        else:
            yield how, (*wanted, *[0] * (_LENGTH - len(wanted)))[:_LENGTH]
