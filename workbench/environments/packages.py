"""What a requirements file or a conda file asks for, in one normal form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.definition.paths import where_paths_begin
from workbench.definition.yaml_text import from_text
from workbench.environments.versions import of_conda
from workbench.errors import NotFoundError, ValidationException

__all__ = ["CondaFile", "conda_content", "read_conda_file", "read_requirements", "read_text"]

_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<path>\S.*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONDA_PYTHON = re.compile(r"(?:[^\s:]+::)?python(?P<asked>(?![\w.-]).*)")
_COMES_ALONG = frozenset({"pip", "setuptools", "wheel"})  # what every environment has anyway
_DEEPEST = 5  # files that include files


@dataclass(frozen=True, kw_only=True)
class CondaFile:
    """A conda file, taken apart.

    Args:
        python: the versions that it wants, such as ``3.10`` or ``>=3.8,<3.12``, or None.
        pip: packages for pip, as requirement lines.
        conda: packages that only conda can install.
        channels: where from.
    """

    python: str | None = None
    pip: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


def read_requirements(value: str | Sequence[str], where: str = "requirements") -> tuple[str, ...]:
    """Return the lines of a requirements file, or those given, without comments, sorted, each once.

    Files that it includes with ``-r`` are read too, so that the lines alone say what is installed.

    Args:
        value: path of the file, or its lines.
        where: the field, for messages.

    Raises:
        NotFoundError: there is no such file.
        ValidationException: a line names a file of this machine, which cannot be told from another by its name.
    """
    lines = _lines_of(Path(value).expanduser(), where) if isinstance(value, str) else value
    base = Path(value).expanduser().parent if isinstance(value, str) else Path.cwd()
    return tuple(sorted(set(_settled(lines, base, where, 0))))


def conda_content(value: str | Mapping[str, Any], where: str = "conda_file") -> dict[str, Any]:
    """Return what a conda file says, or what is given, with the files that its lines for pip include taken in.

    Args:
        value: path of the file, in whose folder those that it includes are looked for, or its content.
        where: the field, for messages.

    Raises:
        NotFoundError: there is no such file.
        ValidationException: it is no conda file.
    """
    content = from_text(read_text(Path(value).expanduser(), where), value) if isinstance(value, str) else value
    if not isinstance(content, Mapping) or not isinstance(content.get("dependencies", []), list):
        raise ValidationException("it is no conda file", where, "Write channels: […] and dependencies: […]")
    base = Path(value).expanduser().parent if isinstance(value, str) else Path.cwd()
    settled = [
        {"pip": list(_settled(_pip_lines(entry, where), base, where, 0))} if isinstance(entry, Mapping) else entry
        for entry in content.get("dependencies", [])
    ]
    return {**content, "dependencies": settled} if settled else dict(content)


def read_conda_file(value: str | Mapping[str, Any], where: str = "conda_file") -> CondaFile:
    """Return what a conda file, or the content of one, asks for.

    Raises:
        NotFoundError: there is no such file.
        ValidationException: it is no conda file.
    """
    content = conda_content(value, where)
    python, pip, conda = None, list[str](), list[str]()
    for entry in content.get("dependencies", []):
        if isinstance(entry, Mapping):
            pip += entry["pip"]
        elif (found := _CONDA_PYTHON.fullmatch(str(entry).strip())) and (asked := of_conda(found["asked"])) is not None:
            python = asked or None
        elif _name_of(str(entry)) not in _COMES_ALONG:
            conda.append(str(entry).strip())
    channels = tuple(str(channel) for channel in content.get("channels") or ())
    return CondaFile(python=python, pip=tuple(sorted(set(pip))), conda=tuple(sorted(set(conda))), channels=channels)


def read_text(path: Path, where: str) -> str:
    """Return what a file says.

    Raises:
        NotFoundError: there is none.
        ValidationException: it is no text.
    """
    path = path.expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise NotFoundError(f"there is no file {str(path)!r}", where, where_paths_begin(path)) from None
    except UnicodeDecodeError as error:
        raise ValidationException(f"it is no text: {error}", f"{where}: {path}", "Save it as UTF-8") from error


def _pip_lines(entry: Mapping[str, Any], where: str) -> Iterable[str]:
    if set(entry) != {"pip"} or not isinstance(entry["pip"], list):
        raise ValidationException(
            f"{dict(entry)!r} cannot be a dependency", where, "Write - pip: with a list of packages below it"
        )
    return map(str, entry["pip"])


def _settled(lines: Iterable[str], base: Path, where: str, depth: int) -> Iterator[str]:
    for line in _joined(lines):
        if included := _INCLUDE.fullmatch(line):
            if depth >= _DEEPEST:
                raise ValidationException("its files include each other", where, "Write all packages into one file")
            path = base / included["path"]
            yield from _settled(_lines_of(path, where), path.parent, where, depth + 1)
        elif line.startswith(("-e", "--editable", "-c", "--constraint", ".", "/", "~")):
            raise ValidationException(
                f"{line!r} names files, which may change under the same name",
                where,
                "Name packages and versions; code of your own belongs in the job's code folder",
            )
        else:
            yield line


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Yield whole lines: those that end in a backslash go on in the next."""
    begun = ""
    for raw in lines:
        line = begun + _COMMENT.sub("", raw).strip()
        if line.endswith("\\"):
            begun = line[:-1].rstrip() + " "
            continue
        begun = ""
        if line:
            yield line
    if begun.strip():
        yield begun.strip()


def _lines_of(path: Path, where: str) -> list[str]:
    return read_text(path, where).splitlines()


def _name_of(requirement: str) -> str:
    matched = _NAME.match(requirement.strip())
    return matched[0].lower() if matched else ""
