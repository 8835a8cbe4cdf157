"""The command line: one app of all commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import images, jobs, models, queue, sweeps

__all__ = ["main"]

_app = typer.Typer(
    help="Run jobs and sweeps on this machine, look at them, and register the best model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_app.callback()
def _workspace(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace; found from here by default.")
    ] = None,
) -> None:
    context.obj = workspace


_PANELS: Mapping[str, tuple[Callable[..., None], ...]] = {
    "Jobs": (jobs.run, jobs.show, jobs.logs, jobs.cancel, jobs.rerun, jobs.compare),
    "A running sweep": (
        sweeps.pause,
        sweeps.resume,
        sweeps.more,
        sweeps.limits,
        sweeps.narrow,
        sweeps.enqueue,
        sweeps.retry,
    ),
    "Models": (models.register, models.models, models.ui),
}
_app.command("list", rich_help_panel="Jobs")(jobs.list_jobs)
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        _app.command(rich_help_panel=_panel)(_command)
_app.command("stop", hidden=True)(jobs.cancel)  # as %wb says it
_app.add_typer(images.app, name="images", rich_help_panel="Environments")
_app.add_typer(queue.app, name="queue", rich_help_panel="Jobs")


def main() -> None:
    """Run the command line; errors are one readable line, and exit codes say what happened."""
    try:
        _app()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
