"""Virtual environments, made by uv."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench.environments.cache import Cache
from workbench.environments.output import Output
from workbench.environments.recipes import VenvRecipe
from workbench.environments.versions import allows
from workbench.errors import NotFoundError
from workbench.store.files import write_json

__all__ = ["REPORTING", "build_venv", "interpreter", "python_of"]

REPORTING = Path(__file__).resolve().parents[1] / "trial" / "bare.py"
"""The one file through which a program without the workbench reports."""

_NOTED = ("ipykernel", "mlflow", "mlflow-skinny", "sqlalchemy")
_RANGE = ("<", ">", "=", "!", "~")
_TELL = "import json,platform as p,sys;print(json.dumps([p.python_implementation().lower()+' '+p.python_version()]))"
_DISTRIBUTIONS = (
    "import json;from importlib.metadata import distributions;"
    "print(json.dumps({str(d.metadata['Name']).lower(): d.version for d in distributions()}))"
)


def python_of(place: Path) -> Path:
    """Return the interpreter of the virtual environment at ``place``."""
    return place / "bin" / "python"


def interpreter(wanted: str | None, where: str = "python") -> tuple[str, str]:
    """Return the path of the interpreter that an environment is made from, and what it is.

    Args:
        wanted: a version such as ``3.12``, a path, or None for the one that runs this; that one is also taken where it
            is in a range of versions, such as ``>=3.9``.
        where: the field, for messages.

    Raises:
        NotFoundError: there is none; the message says how to get it.
    """
    if wanted is None or (wanted.startswith(_RANGE) and _is_this_one(wanted)):
        base = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
        return str(base), f"{platform.python_implementation().lower()} {platform.python_version()}"
    found = Path(wanted).expanduser().absolute() if os.sep in wanted else _found_by_uv(wanted, where)
    try:
        told = subprocess.run([str(found), "-I", "-c", _TELL], capture_output=True, text=True, check=True, timeout=60)
        return str(found.resolve()), json.loads(told.stdout)[0]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NotFoundError(f"{str(found)!r} is no Python that runs here: {error}", where, "Check the path") from error


def _is_this_one(versions: str) -> bool:
    try:
        return allows(versions, sys.version_info[:3])
    except ValueError:
        return False  # let uv read it


def build_venv(recipe: VenvRecipe, store: Cache, output: Output) -> Mapping[str, Any]:
    """Make the virtual environment of ``recipe`` and return its facts.

    Raises:
        FailedBuildError: uv could not make it; the message has the step and uv's last lines.
        OSError: the cache cannot be written.
    """
    place = store.place(recipe.key)
    shutil.rmtree(place, ignore_errors=True)  # what a build that was killed has left
    try:
        output.run(
            [_uv(), "venv", "--no-config", "--quiet", "--python", recipe.python, str(place)],
            f"making a virtual environment of {recipe.version}",
        )
        if recipe.requirements:
            _install(recipe, place, output)
        packages = _packages(place)
        if "ipykernel" in packages:
            _add_kernel(place)
        if "workbench" not in packages:
            _add_reporting(place)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return {
        "python": str(python_of(place)),
        "version": recipe.version,
        "requirements": list(recipe.requirements),
        "packages": {name: packages[name] for name in _NOTED if name in packages},
        "count": len(packages),
    }


def _install(recipe: VenvRecipe, place: Path, output: Output) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="requirements-") as file:
        file.write("\n".join(recipe.requirements) + "\n")
        file.flush()
        output.run(
            [_uv(), "pip", "install", "--python", str(python_of(place)), "--requirement", file.name],
            "installing the packages",
        )


def _packages(place: Path) -> dict[str, str]:
    command = [str(python_of(place)), "-I", "-c", _DISTRIBUTIONS]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


def _add_kernel(place: Path) -> None:
    """Describe the kernel by its full path: the one that ipykernel brings means whatever ``python`` starts it."""
    folder = place / "share" / "workbench" / "kernels" / "python3"
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(python_of(place)), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write_json(
        folder / "kernel.json",
        {"argv": command, "display_name": "Python 3", "language": "python", "metadata": {"debugger": False}},
    )


def _add_reporting(place: Path) -> None:
    """Give the environment ``workbench.log`` and ``workbench.output``, which need nothing else of the workbench."""
    folders = list((place / "lib").glob("python*/site-packages"))
    for folder in folders:
        shutil.copyfile(REPORTING, folder / "workbench.py")


def _found_by_uv(version: str, where: str) -> Path:
    command = [_uv(), "python", "find", "--no-config", "--no-project", "--system", version]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode != 0 or not told.stdout.strip():
        raise NotFoundError(
            f"no Python {version} on this machine",
            where,
            f"Install it with: uv python install {shlex.quote(version)}. This one is {platform.python_version()}",
        )
    return Path(told.stdout.strip())


@cache
def _uv() -> str:
    from uv import find_uv_bin  # noqa: PLC0415

    return find_uv_bin()
