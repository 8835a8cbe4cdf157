"""What a program imports, found by looking at its text: what a fork server should have ready for it.

Standard library only.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["imports_of"]

_PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what is below them is Python
_NO_PYTHON = re.compile(r"^(\s*)([%!?].*|[^#\n]*\?\s*|\w+\s*=\s*[%!].*)$", re.MULTILINE)


def imports_of(script: Path, root: Path) -> list[str]:
    """Return the modules that ``script`` imports, directly or through files beside it, in order; none of its own.

    Args:
        script: a Python file or a notebook; one that is missing or is no Python imports nothing.
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
        texts = list(_cells(path)) if path.suffix == ".ipynb" else [path.read_bytes()]
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return
    for text in texts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def _cells(path: Path) -> Iterator[str]:
    """Yield what is Python in the code cells of a notebook: without magics and commands of the shell."""
    for cell in json.loads(path.read_bytes())["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"]).lstrip()
        if source.startswith("%%"):
            magic, _, source = source.partition("\n")
            if magic.split()[0] not in _PYTHON_MAGICS:
                continue
        yield _NO_PYTHON.sub(r"\1pass", source)


def _own(module: str, root: Path) -> list[Path]:
    base = root.joinpath(*module.split("."))
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
