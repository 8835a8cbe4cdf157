"""Variables of a kernel for trials in other processes: pickled once for each content, and read without a copy.

A file holds the pickle and, behind it, its large buffers (arrays, tables) as they lie in memory. A trial maps the file,
so that twenty trials share one copy of the pages until one of them writes to its own.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import StoreError, ValidationException
from workbench.store.files import WorkspaceFolder

__all__ = ["WITH_VARIABLE", "Handed", "as_text", "hand_over", "load_values"]

WITH_VARIABLE = "WORKBENCH_WITH"
"""What is handed over to a trial: ``name@digest`` for each variable, with commas between."""

_ALIGNED = 64  # bytes: what vector instructions like
_PICKLE_5 = 5  # the first protocol with buffers out of band
_ROOM_LEFT = 64 << 20  # bytes that storing variables leaves on the disk
_CANNOT: tuple[tuple[str, str], ...] = (
    ("generator", "Hand over a list of what it yields"),
    ("coroutine", "Hand over its result"),
    ("lock", "Make it in the cell"),
    ("Connection", "Open the connection in the cell"),
    ("Cursor", "Fetch the rows, and hand over those"),
    ("TextIOWrapper", "Hand over the path, and open the file in the cell"),
    ("BufferedReader", "Hand over the path, and open the file in the cell"),
    ("Thread", "Start it in the cell"),
    ("socket", "Open it in the cell"),
)


@dataclass(frozen=True)
class Handed:
    """One variable that lies in the workspace.

    Args:
        name: what it is called in the trial.
        digest: of its content.
        size: bytes on the disk.
        fresh: whether it was written now; else the same content was there already.
    """

    name: str
    digest: str
    size: int
    fresh: bool


def hand_over(names: Iterable[str], namespace: Mapping[str, Any], workspace: WorkspaceFolder) -> list[Handed]:
    """Store variables for trials.

    Args:
        names: of the variables; ``name@digest`` means one that was stored before.
        namespace: where they are looked up.
        workspace: where they are kept.

    Raises:
        ValidationException: there is no such variable, or it cannot live in another process; the message says which.
        StoreError: the disk has no room for it.
    """
    return [_one(name.strip(), namespace, workspace) for name in names]


def as_text(handed: Sequence[Handed]) -> str:
    """Return what ``WITH_VARIABLE`` says of these."""
    return ",".join(f"{one.name}@{one.digest}" for one in handed)


def load_values(workspace: WorkspaceFolder, handed: str) -> dict[str, Any]:
    """Return the variables that ``WITH_VARIABLE`` names; arrays are writable, and nobody else sees what is written.

    Raises:
        StoreError: one of them is gone.
    """
    pairs = (entry.rpartition("@") for entry in handed.split(",") if entry)
    return {name: _load(workspace.values / digest, name) for name, _, digest in pairs}


def _one(name: str, namespace: Mapping[str, Any], workspace: WorkspaceFolder) -> Handed:
    name, _, digest = name.partition("@")
    if digest:
        path = workspace.values / digest
        if not path.is_file():
            raise StoreError(f"what {name!r} was is gone", str(path), f"Hand over the variable anew: --with {name}")
        path.touch()  # it is wanted again: nobody clears it away before the job is there
        return Handed(name, digest, path.stat().st_size, fresh=False)
    if name not in namespace:
        from workbench.definition.checking import nearest  # noqa: PLC0415 - trials import this module

        mine = [known for known in namespace if not known.startswith("_")]
        raise ValidationException(f"there is no variable {name!r} in this notebook", "--with", nearest(name, mine))
    return _stored(name, _pickled(name, namespace[name]), workspace)


def _pickled(name: str, value: Any) -> list[Any]:
    """Return the parts of the file: lengths, pickle, buffers.

    Raises:
        ValidationException: it cannot be pickled.
    """
    import cloudpickle  # noqa: PLC0415 - not for who hands over nothing

    if isinstance(value, ModuleType):
        raise ValidationException(
            f"{name!r} is a module", "--with", f"Import it in the cell: import {value.__name__} as {name}"
        )
    buffers: list[pickle.PickleBuffer] = []
    try:
        text = cloudpickle.dumps(value, protocol=_PICKLE_5, buffer_callback=buffers.append)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError, NotImplementedError) as error:
        kind = type(value).__name__
        fix = next((fix for word, fix in _CANNOT if word.lower() in f"{kind} {error}".lower()), "Make it in the cell")
        raise ValidationException(
            f"{name!r} ({kind}) cannot go to another process: {str(error).splitlines()[0]}", "--with", fix
        ) from None
    views = [buffer.raw() for buffer in buffers]
    head = pickle.dumps([len(text), *(view.nbytes for view in views)])
    parts: list[Any] = [len(head).to_bytes(8, "little"), head]
    place = 8 + len(head)
    for part in (text, *views):
        gap = -place % _ALIGNED
        parts += [bytes(gap), part]
        place += gap + len(part)
    return parts


def _stored(name: str, parts: list[Any], workspace: WorkspaceFolder) -> Handed:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    text = digest.hexdigest()[:32]
    size = sum(len(part) for part in parts)
    path = workspace.values / text
    if path.exists():
        path.touch()
        return Handed(name, text, size, fresh=False)
    try:
        if size > shutil.disk_usage(workspace.values).free - _ROOM_LEFT:
            raise OSError("no room left on the disk")
        with tempfile.NamedTemporaryFile(dir=workspace.values, delete=False) as aside:
            aside.writelines(parts)
        Path(aside.name).replace(path)
    except OSError as error:
        raise StoreError(
            f"{name!r} of {size / 1e6:.1f} MB cannot be stored: {error.strerror or error}",
            str(workspace.values),
            "Make room there, or hand over less",
        ) from error
    return Handed(name, text, size, fresh=True)


def _load(path: Path, name: str) -> Any:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        raise StoreError(f"the variable {name!r} is gone", str(path), "Submit the cell again") from None
    try:
        mapped = memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
    finally:
        os.close(descriptor)
    length = int.from_bytes(mapped[:8], "little")
    place = 8 + length
    parts = []
    for size in pickle.loads(mapped[8:place]):  # noqa: S301 - the user's own file, in a folder of the user's own
        place += -place % _ALIGNED
        parts.append(mapped[place : place + size])
        place += size
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - as above
