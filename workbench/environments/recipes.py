"""What is built, and the key under which the result is kept: equal content, equal key, built once.

Standard library only: the trial host reads recipes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from workbench.store.files import read_json

__all__ = ["ImageRecipe", "Recipe", "VenvRecipe", "read_recipe", "tag_of"]

_FORMAT = 1  # raised when the same recipe would be built in another way


class _Keyed:
    kind: ClassVar[str]

    @property
    def key(self) -> str:
        """The SHA-256 of all that decides what comes out."""
        told = {name: value for name, value in self.to_record().items() if name not in ("context", "name")}
        return hashlib.sha256(json.dumps([_FORMAT, told], sort_keys=True).encode()).hexdigest()

    def to_record(self) -> dict[str, Any]:
        """Return this as JSON types."""
        return {"kind": self.kind, **json.loads(json.dumps(asdict(self)))}  # type: ignore[call-overload]


@dataclass(frozen=True, kw_only=True)
class VenvRecipe(_Keyed):
    """A virtual environment.

    Args:
        python: path of the interpreter that it is made from.
        version: what that interpreter is, as ``cpython 3.13.5``.
        requirements: lines of a requirements file, sorted.
    """

    kind: ClassVar[str] = "venv"
    python: str
    version: str
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImageRecipe(_Keyed):
    """A container image.

    Args:
        image: the image that is used, or that packages are installed into; None when a folder is built.
        name: what people see; no part of the key.
        python: the version that the packages want, or None.
        pip, conda, channels: packages to install, and where conda finds them.
        context: the folder that is built, a snapshot; no part of the key, for its name may be another elsewhere.
        content: the hash of what the folder holds.
        dockerfile: the Dockerfile inside it.
    """

    kind: ClassVar[str] = "image"
    image: str | None = None
    name: str = ""
    python: str | None = None
    pip: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    context: str | None = None
    content: str | None = None
    dockerfile: str = "Dockerfile"

    @property
    def is_built(self) -> bool:
        """Whether there is anything to build: a bare image is used as it is."""
        return self.context is not None or bool(self.pip or self.conda or self.python)

    @property
    def tag(self) -> str:
        """The name of the image that trials run in."""
        return tag_of(self.key) if self.is_built else self.image or ""


def tag_of(key: str) -> str:
    """Return the name of the image that is built of a recipe."""
    return f"workbench/environment:{key[:32]}"


Recipe: TypeAlias = VenvRecipe | ImageRecipe


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        FileNotFoundError: there is none.
    """
    record = read_json(path)
    if record is None:
        raise FileNotFoundError(path)
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    kind = fields.pop("kind")
    return VenvRecipe(**fields) if kind == VenvRecipe.kind else ImageRecipe(**fields)
