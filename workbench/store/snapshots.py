"""Content-addressed copies: the ``code`` of a job, and the environment variables of whoever submitted it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pathspec

from workbench.errors import StoreError, ValidationException
from workbench.store.files import WorkspaceFolder, write_json

__all__ = ["fingerprint", "keep_surroundings", "take_snapshot"]

_ALWAYS_IGNORED = (".git/", "__pycache__/", ".ipynb_checkpoints/", ".workbench/", ".amlignore")
_IGNORE_FILES = (".amlignore", ".gitignore")  # Azure's order: the first one that exists counts
_RESERVED = ("outputs", "logs")
_MOST_BYTES = 2 << 30
_READ_ONLY = 0o444
_EXECUTABLE = 0o111


def take_snapshot(code: Path, workspace: WorkspaceFolder) -> str:
    """Copy ``code`` into the workspace once per content and return the SHA-256 over its files.

    Args:
        code: a folder, of which ``.amlignore`` (else ``.gitignore``) leaves things out, or one file.
        workspace: where the copy is kept; its own folders are never part of a snapshot.

    Raises:
        ValidationException: there is nothing at ``code``, or far too much.
        StoreError: the workspace cannot be written.
    """
    files = _listing(code, workspace)
    try:
        digest = _digest(files)
        kept = workspace.snapshots / digest
        if not kept.is_dir():
            _copy(files, kept)
    except PermissionError as error:
        if os.access(workspace.snapshots, os.W_OK):
            raise ValidationException(
                f"{error.filename} cannot be read", "code", "Make it readable, or name it in a .amlignore file"
            ) from error
        raise _not_kept(error, workspace.snapshots) from error
    except OSError as error:
        raise _not_kept(error, workspace.snapshots) from error
    return digest


def fingerprint(data: Path) -> str:
    """Return a SHA-256 over the names, sizes and times of the files at ``data``: cheap, and changes when they do."""
    digest = hashlib.sha256()
    for relative, path in sorted(_walk(data, lambda _: False)) if data.is_dir() else [(data.name, data)]:
        facts = path.stat()
        digest.update(os.fsencode(f"{relative}\0{facts.st_size}\0{facts.st_mtime_ns}\n"))
    return digest.hexdigest()


def keep_surroundings(variables: Mapping[str, str], workspace: WorkspaceFolder) -> str:
    """Keep a submitter's environment variables, readable by their owner only, and return the hash of their content.

    Raises:
        StoreError: the workspace cannot be written.
    """
    digest = hashlib.sha256(json.dumps(dict(variables), sort_keys=True).encode()).hexdigest()
    path = workspace.surroundings / digest
    if not path.exists():
        try:
            write_json(path, dict(variables))
        except OSError as error:
            raise _not_kept(error, workspace.surroundings) from error
    return digest


def _not_kept(error: OSError, where: Path) -> StoreError:
    return StoreError(
        f"what the job needs cannot be kept in the workspace: {error.strerror or error}",
        str(where),
        "See that its disk has room and that you may write there; nothing was submitted",
    )


def _listing(code: Path, workspace: WorkspaceFolder) -> list[tuple[str, Path]]:
    if code.is_file():
        return [(code.name, code)]
    if not code.is_dir():
        raise ValidationException(
            f"there is no folder or file {str(code)!r}", "code", "Paths are relative to the current folder"
        )
    files = sorted(_walk(code, _ignored(code, workspace)))
    for relative, _ in files:
        if relative in _RESERVED:
            raise ValidationException(
                f"{str(code)!r} holds a file named {relative!r}, which is where a trial's results go",
                "code",
                "Rename it, or name it in a .amlignore file",
            )
    size = sum(path.stat().st_size for _, path in files)
    if size > _MOST_BYTES:
        raise ValidationException(
            f"{str(code)!r} holds {len(files):,} files of {size / (1 << 30):.1f} GiB together",
            "code",
            "Name what is no code in a .amlignore file there; data belongs in inputs",
        )
    return files


def _ignored(code: Path, workspace: WorkspaceFolder) -> Callable[[str], bool]:
    patterns = list(_ALWAYS_IGNORED)
    for name in _IGNORE_FILES:
        if (code / name).is_file():
            patterns += (code / name).read_text(errors="replace").splitlines()
            break
    spec = pathspec.GitIgnoreSpec.from_lines(patterns)
    own = {
        f"{path.relative_to(code.resolve())}/"
        for path in (workspace.hidden, workspace.runs)
        if path.is_relative_to(code.resolve())
    }
    return lambda path: path in own or spec.match_file(path)


def _walk(root: Path, ignored: Callable[[str], bool]) -> Iterator[tuple[str, Path]]:
    """Yield (path relative to root, path) of the files; links are followed, but never in a circle."""
    seen = {root.resolve()}

    def below(folder: Path) -> Iterator[tuple[str, Path]]:
        for entry in os.scandir(folder):
            path = Path(entry.path)
            relative = path.relative_to(root).as_posix()
            if entry.is_dir():
                real = path.resolve()
                if not ignored(relative + "/") and real not in seen:
                    seen.add(real)
                    yield from below(path)
            elif entry.is_file() and not ignored(relative):
                yield relative, path

    return below(root)


def _digest(files: list[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for relative, path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(os.fsencode(f"{relative}\0{path.stat().st_mode & _EXECUTABLE:o}\0{content}\n"))
    return digest.hexdigest()


def _copy(files: list[tuple[str, Path]], kept: Path) -> None:
    aside = Path(tempfile.mkdtemp(dir=kept.parent, prefix=".snapshot-"))
    try:
        for relative, path in files:
            target = aside / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            target.chmod(_READ_ONLY | (path.stat().st_mode & _EXECUTABLE))
        aside.rename(kept)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        if not kept.is_dir():  # else another process was faster, with the same content
            raise
