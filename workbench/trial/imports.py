"""What a program imports, found by looking at its text: what a fork server should have ready for it.

What is imported once the program has changed environment variables or the search path is none of that: a module may
read variables while it is imported, and be another one. Standard library only.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

__all__ = ["imports_of", "imports_of_module"]

_PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what is below them is Python
_WRITING_MAGICS = ("%%writefile", "%%file")
_CHANGING = re.compile(
    r"^(\s*)(%(env|set_env)\s+\S+[ =].*|%(cd|pushd|run|dotenv|pip|conda|uv|writefile)\b.*|(%sx\s|!).*\binstall\b.*)$",
    re.MULTILINE,
)
_NO_PYTHON = re.compile(r"^(\s*)([%!?].*|[^#\n]*\?\s*|\w+\s*=\s*[%!].*)$", re.MULTILINE)
_CHANGE = "load_dotenv()"  # stands for what only a kernel understands
_CHANGING_CALLS = frozenset({"putenv", "unsetenv", "load_dotenv", "addsitedir", "chdir", "fchdir"})
_READING = frozenset({"copy", "count", "get", "index", "items", "keys", "values"})
_OF_SYS = frozenset({"path", "modules", "meta_path", "path_hooks"})


def imports_of(script: Path, roots: Sequence[Path]) -> list[str]:
    """Return the modules that ``script`` imports, directly or through its own files, in order; none of its own.

    Args:
        script: a Python file or a notebook; one that is missing or is no Python imports nothing.
        roots: the folders from which its own modules are imported.
    """
    return _Look(roots).found_in([script])


def imports_of_module(name: str, roots: Sequence[Path]) -> list[str]:
    """Return what :func:`imports_of` does, for a program that is run as a module.

    Args:
        name: the module, or the package whose ``__main__`` it is.
        roots: the folders from which its own modules are imported.
    """
    files = _own(name, roots)
    if files:
        return _Look(roots).found_in([*files, *_own(f"{name}.__main__", roots)[-1:]])
    parent = name.rpartition(".")[0]
    return [parent] if parent else []


class _Look:
    """One look through a program, in the order in which it runs, as far as that can be seen.

    Functions may be called at any time: what they change counts from where they are written, and what they import
    counts only in a program that changes nothing.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._seen: set[Path] = set()
        self._found: dict[str, None] = {}
        self._later: dict[str, None] = {}
        self._has_changed = False

    def found_in(self, files: Sequence[Path]) -> list[str]:
        for file in files:
            self._look_into(file)
        return [*self._found, *({} if self._has_changed else self._later)]

    def _look_into(self, path: Path) -> None:
        if path in self._seen or not path.is_file():
            return
        self._seen.add(path)
        for tree in _trees(path):
            for node, is_later in _in_order(tree, is_later=False):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    self._follow(node, path, is_later=is_later)
                elif _changes(node):
                    self._has_changed = True

    def _follow(self, node: ast.Import | ast.ImportFrom, path: Path, *, is_later: bool) -> None:
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            for module in names:
                self._import(module, [module], self._roots, is_later=is_later)
            return
        module = node.module or ""
        tried = [module, *(f"{module}.{name}".lstrip(".") for name in names)]
        roots = [*path.parents][node.level - 1 :][:1] if node.level else self._roots
        self._import("" if node.level else module, tried, roots, is_later=is_later)

    def _import(self, module: str, tried: Sequence[str], roots: Sequence[Path], *, is_later: bool) -> None:
        own = [file for name in tried for file in _own(name, roots)]
        for file in own:
            self._look_into(file)
        if own or not module:
            return
        if is_later:
            self._later[module] = None
        elif not self._has_changed:
            self._found[module] = None


def _trees(path: Path) -> Iterator[ast.Module]:
    try:
        texts = list(_cells(path)) if path.suffix == ".ipynb" else [path.read_bytes()]
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return
    for text in texts:
        try:
            yield ast.parse(text)
        except (SyntaxError, ValueError):
            continue


def _in_order(node: ast.AST, *, is_later: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Yield all nodes below one as they are written, and whether each is in a function."""
    for child in ast.iter_child_nodes(node):
        yield child, is_later
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _in_order(child, is_later=is_later or is_function)


def _changes(node: ast.AST) -> bool:
    """Return whether environment variables, or what is found by an import, may be others afterwards."""
    if isinstance(node, ast.Assign | ast.Delete):
        return any(_is_changeable(part) for target in node.targets for part in ast.walk(target))
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return any(_is_changeable(part) for part in ast.walk(node.target))
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and _is_changeable(node.func.value):
        return node.func.attr not in _READING
    return _last_name(node.func) in _CHANGING_CALLS


def _is_changeable(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in _OF_SYS:
        return _last_name(node.value) == "sys"
    return _last_name(node) in ("environ", "environb")


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _cells(path: Path) -> Iterator[str]:
    """Yield what is Python in the code cells of a notebook: without magics and commands of the shell."""
    for cell in json.loads(path.read_bytes())["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"]).lstrip()
        if source.startswith("%%"):
            magic, _, source = source.partition("\n")
            if magic.split()[0] in _WRITING_MAGICS:
                yield _CHANGE
            if magic.split()[0] not in _PYTHON_MAGICS:
                continue
        yield _NO_PYTHON.sub(r"\1pass", _CHANGING.sub(rf"\1{_CHANGE}", source))


def _own(module: str, roots: Sequence[Path]) -> list[Path]:
    """Return the files that importing a module runs, packages first, if it is found in one of the folders."""
    for root in roots:
        bases = list(accumulate(module.split("."), Path.joinpath, initial=root))[1:]
        files = [path for base in bases for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()]
        if files:
            return files
    return []
