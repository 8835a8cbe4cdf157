"""Command jobs, sweeps and model registration on your own machine, with Azure ML SDK v2's code."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.client.ml_client import MLClient
    from workbench.definition.command import command
    from workbench.definition.inputs import Input, Output
    from workbench.definition.notebook import notebook
    from workbench.definition.yaml_io import load_data, load_environment, load_job, load_model
    from workbench.trial.outputs import output
    from workbench.trial.report import log
    from workbench.views.builder import builder

__all__ = [
    "Input",
    "MLClient",
    "Output",
    "builder",
    "command",
    "load_data",
    "load_environment",
    "load_ipython_extension",
    "load_job",
    "load_model",
    "log",
    "notebook",
    "output",
]
__version__ = "0.1.0"

# Loaded at first use: importing the workbench costs next to nothing, and a trial that only logs loads little.
_HOMES = {
    "Input": "workbench.definition.inputs",
    "MLClient": "workbench.client.ml_client",
    "Output": "workbench.definition.inputs",
    "builder": "workbench.views.builder",
    "command": "workbench.definition.command",
    "load_data": "workbench.definition.yaml_io",
    "load_environment": "workbench.definition.yaml_io",
    "load_job": "workbench.definition.yaml_io",
    "load_model": "workbench.definition.yaml_io",
    "log": "workbench.trial.report",
    "notebook": "workbench.definition.notebook",
    "output": "workbench.trial.outputs",
}
_SHOWS_JOBS = ("MLClient", "builder")


def load_ipython_extension(shell: Any) -> None:
    """Register the magics ``%%sweep``, ``%%job`` and ``%wb``: what ``%load_ext workbench`` calls."""
    from workbench.magics import load  # noqa: PLC0415 - only where there is IPython

    load(shell)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    if name in _SHOWS_JOBS:
        importlib.import_module("workbench.views.display").install()
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
