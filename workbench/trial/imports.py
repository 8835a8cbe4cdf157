"""What a program imports, found by looking at its text: what a fork server should have ready for it.

Standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["imports_of"]


def imports_of(script: Path, root: Path) -> list[str]:
    """Return the modules that ``script`` imports, directly or through files beside it, in order; none of its own.

    Args:
        script: a Python file; one that is missing or is no Python imports nothing.
        root: the folder from which its own modules are imported.
    """
    found: dict[str, None] = {}
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for module in _imported(path):
            own = _own(module, root)
            if own:
                waiting += own
            else:
                found[module] = None
    return list(found)


def _imported(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _own(module: str, root: Path) -> list[Path]:
    base = root.joinpath(*module.split("."))
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
