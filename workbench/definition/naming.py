"""Names of jobs and experiments."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from workbench.definition.checking import show
from workbench.errors import ValidationException

__all__ = ["check_key", "check_name", "default_experiment_name", "experiment_of", "generate_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUFFIX = "bcdfghjklmnpqrstvwxyz0123456789"

_ADJECTIVES = (
    "amber",
    "azure",
    "bold",
    "brave",
    "bright",
    "brisk",
    "calm",
    "clever",
    "cool",
    "cosy",
    "crisp",
    "eager",
    "fair",
    "fancy",
    "fast",
    "gentle",
    "glad",
    "good",
    "happy",
    "honest",
    "icy",
    "jolly",
    "keen",
    "kind",
    "lively",
    "loyal",
    "lucky",
    "mellow",
    "merry",
    "neat",
    "nice",
    "plucky",
    "polite",
    "proud",
    "quiet",
    "rosy",
    "sharp",
    "shiny",
    "sincere",
    "smart",
    "snug",
    "stoic",
    "sunny",
    "sweet",
    "swift",
    "tidy",
    "warm",
    "wise",
    "witty",
    "young",
    "zesty",
)
_NOUNS = (
    "ant",
    "apple",
    "arch",
    "bean",
    "bear",
    "bell",
    "bird",
    "boat",
    "book",
    "bread",
    "brook",
    "cake",
    "camel",
    "cat",
    "cloud",
    "crane",
    "deer",
    "dove",
    "drum",
    "duck",
    "feast",
    "fig",
    "fish",
    "fox",
    "frog",
    "goat",
    "hat",
    "hill",
    "horse",
    "kite",
    "lake",
    "leaf",
    "lemon",
    "lion",
    "moon",
    "moose",
    "nest",
    "oak",
    "orange",
    "owl",
    "pea",
    "pear",
    "pen",
    "plum",
    "rain",
    "river",
    "root",
    "rose",
    "seal",
    "ship",
    "snail",
    "star",
    "stone",
    "sun",
    "tiger",
    "tree",
    "wolf",
)


def generate_name() -> str:
    """Return a new name such as ``brave_owl_k3x9b2tq7m``: at most 27 characters, so that trials fit in 32."""
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(10))
    return f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_NOUNS)}_{suffix}"


def check_name(name: str) -> str:
    """Return ``name`` if a job may bear it; it becomes a folder and a run id.

    Raises:
        ValidationException: other characters than letters, digits, ``_`` and ``-``, or too long.
    """
    if not _NAME.fullmatch(name):
        raise ValidationException(
            f"{show(name)} cannot name a job",
            fix="Use up to 255 letters, digits, '_' and '-', beginning with a letter or digit",
        )
    return name


def check_key(name: str, where: str) -> None:
    """Check the name of an input, output or parameter, which becomes part of a variable's name.

    Raises:
        ValidationException: it is not a letter or ``_`` followed by letters, digits and ``_``.
    """
    if not _KEY.fullmatch(name):
        raise ValidationException(
            f"{show(name)} cannot be a name here",
            f"{where}.{name}",
            f"Use letters, digits and '_' only: {_suggested(name)}",
        )


def default_experiment_name() -> str:
    """Return the stem of the current folder without spaces, else ``Default``."""
    return experiment_of(Path.cwd())


def experiment_of(folder: Path) -> str:
    """Return the stem of a folder without spaces, else ``Default``."""
    return folder.stem.replace(" ", "") or "Default"


def _suggested(name: str) -> str:
    cleaned = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return cleaned if cleaned and not cleaned[0].isdigit() else f"p_{cleaned}"
