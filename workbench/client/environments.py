"""What a job's environment means on this machine: settled, checked and kept where the job is submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.client.context import Context
from workbench.client.references import resolve_asset
from workbench.definition.environment import Environment
from workbench.environments.cache import Cache, cache_folder
from workbench.environments.packages import CondaFile, read_conda_file, read_requirements
from workbench.environments.recipes import ImageRecipe, Recipe, VenvRecipe
from workbench.environments.venvs import interpreter, python_of
from workbench.errors import NotFoundError, ValidationException
from workbench.store.files import write_json
from workbench.store.settings import read_settings
from workbench.store.snapshots import take_snapshot

__all__ = ["LOCAL", "Settled", "recipe_of", "settle"]

LOCAL = "local"
_DEEPEST = 5  # names that mean names


@dataclass(frozen=True)
class Settled:
    """An environment that this machine can make.

    Args:
        name: under which the job records it.
        python: the interpreter of a virtual environment; None elsewhere.
        facts: what trials must know of it; None for the Python that submits.
    """

    name: str
    python: str | None = None
    facts: dict[str, Any] | None = None


def settle(environment: Environment | str | None, context: Context) -> Settled:
    """Return what ``environment`` means in a workspace, its recipe kept there.

    Raises:
        ValidationException: it has no meaning here, or cannot be made; the message says what would help.
        NotFoundError: a file, an interpreter or a version that it names is not there.
    """
    if environment is None or environment == LOCAL:
        return Settled(LOCAL)
    names = _names_of(environment)
    found = _meaning(environment, context, 0)
    if isinstance(found, str):
        return Settled(names[0])
    recipe = recipe_of(found, context)
    kept = context.workspace.recipes / f"{recipe.key}.json"
    if not kept.exists():
        write_json(kept, recipe.to_record())
    cache = Cache(cache_folder(), recipe.kind)
    facts: dict[str, Any] = {
        "kind": recipe.kind,
        "key": recipe.key,
        "recipe": str(kept),
        "cache": str(cache_folder()),
    }
    if isinstance(recipe, VenvRecipe):
        python = str(python_of(cache.place(recipe.key)))
        return Settled(names[0], python, facts)
    from workbench.environments.engine import address  # noqa: PLC0415 - only containers need an engine

    return Settled(names[0], None, {**facts, "image": recipe.tag, "engine": address()})


def recipe_of(environment: Environment, context: Context) -> Recipe:
    """Return how to make an environment, independent of files that may change.

    Raises:
        ValidationException: it cannot be made here.
        NotFoundError: a file or an interpreter that it names is not there.
    """
    if environment.build is not None:
        context_folder = Path(environment.build.path).expanduser().absolute()
        dockerfile = environment.build.dockerfile_path
        if not (context_folder / dockerfile).is_file():
            raise NotFoundError(
                f"there is no {dockerfile} in {str(context_folder)!r}",
                "environment.build",
                "Check path and dockerfile_path",
            )
        digest = take_snapshot(context_folder, context.workspace)
        kept = context.workspace.snapshots / digest
        if not (kept / dockerfile).is_file():
            raise ValidationException(
                f"{dockerfile} is left out of the folder",
                "environment.build",
                "Let its .gitignore or .amlignore keep it",
            )
        return ImageRecipe(
            name=environment.name or context_folder.name, context=str(kept), content=digest, dockerfile=dockerfile
        )
    conda = CondaFile() if environment.conda_file is None else read_conda_file(environment.conda_file)
    if environment.image is not None:
        return ImageRecipe(
            image=environment.image,
            name=environment.name or environment.image,
            python=conda.python,
            pip=conda.pip,
            conda=conda.conda,
            channels=conda.channels,
        )
    if conda.conda:
        raise ValidationException(
            f"only conda can install {', '.join(conda.conda)}",
            "environment.conda_file",
            "Name an image, in which conda is used: Environment(image=…, conda_file=…); or move them below pip:",
        )
    lines = conda.pip if environment.requirements is None else read_requirements(environment.requirements)
    python, version = interpreter(environment.python or conda.python, "environment.python")
    return VenvRecipe(python=python, version=version, requirements=lines)


def _meaning(environment: Environment | str, context: Context, depth: int) -> Environment | str:
    """Follow names through the settings and the registered environments, until there is an environment or ``local``."""
    names = _names_of(environment)
    mapped = read_settings(context.workspace).environments
    given = next((mapped[name] for name in (*names, "*") if name in mapped), None)
    if given == LOCAL:
        return LOCAL
    if isinstance(given, Mapping) and depth <= _DEEPEST:
        return Environment(**given)
    if isinstance(given, str) and depth <= _DEEPEST and given not in names:
        return _meaning(given, context, depth + 1)
    if isinstance(environment, Environment):
        return environment
    if {one.name for one in context.store.assets("environment")} & set(names):
        return Environment(**resolve_asset("environment", environment, context))
    raise ValidationException(
        f"no environment {names[0]!r} is registered here, and the settings do not say what it means",
        "environment",
        "Write environment='local' for the Python that submits, register it with "
        f"ml_client.environments.create_or_update(…), or add to {context.workspace.settings}:\n"
        f'[environments]\n"{names[-1]}" = "local"  # or "*" for every name, or {{ image = "…" }}\n',
    )


def _names_of(environment: Environment | str) -> list[str]:
    """Return what an environment can be mapped by, the fullest name first."""
    if isinstance(environment, Environment):
        return [environment.image or environment.name or _described(environment)]
    full = environment.removeprefix("azureml:")
    return list(dict.fromkeys([full, re.split("[:@]", full)[0] if "://" not in full else full]))


def _described(environment: Environment) -> str:
    if environment.build is not None:
        return f"an image built from {environment.build.path}"
    return "a virtual environment"
