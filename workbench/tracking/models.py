"""What the registry hands out: plain values, which can be read where MLflow is not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ModelFacts", "RegisteredModel"]


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """One version of a registered model.

    Args:
        path: where MLflow says that its files come from.
        aliases: names that lead to this version.
        created: seconds since the epoch.
        job_name: the job that made it.
    """

    name: str
    version: str
    type: str
    path: str
    created: float
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    job_name: str | None = None


@dataclass(frozen=True)
class ModelFacts:
    """An MLflow model of a job.

    Args:
        path: where it is among the job's artifacts, or the name it was logged under.
        folder: where its files are.
        flavors: what can load it.
        signature: its inputs and outputs, in words; None without one.
        size: of all its files, in bytes.
        has_example: whether an example of its input lies beside it.
    """

    path: str
    folder: Path
    flavors: tuple[str, ...]
    signature: str | None
    size: int
    has_example: bool
