"""Commands that change a sweep while it runs, or go on with one that has ended."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.shared import client_of, parsed
from workbench.errors import ValidationException

__all__ = ["enqueue", "limits", "more", "narrow", "pause", "resume", "retry"]

Sweep = Annotated[str, typer.Argument(help="Name of a sweep.", metavar="NAME")]


def pause(context: typer.Context, name: Sweep) -> None:
    """Start no more trials of a sweep; those that run go on."""
    with client_of(context) as client:
        client.sweeps.pause(name)
        typer.echo(f"{name} is paused; go on with: workbench resume {name}")


def resume(context: typer.Context, name: Sweep) -> None:
    """Let a paused sweep start trials again."""
    with client_of(context) as client:
        client.sweeps.resume(name)
        typer.echo(f"{name} goes on")


def more(
    context: typer.Context, name: Sweep, trials: Annotated[int, typer.Argument(help="How many more.", min=1)]
) -> None:
    """Add trials to a sweep, also to one that has ended."""
    with client_of(context) as client:
        client.sweeps.extend(name, trials)
        typer.echo(f"{name} goes on with {trials} more trials")


def limits(
    context: typer.Context,
    name: Sweep,
    total: Annotated[int | None, typer.Option("--total", help="Most trials in all.")] = None,
    concurrent: Annotated[int | None, typer.Option("--concurrent", help="Most trials at once.")] = None,
) -> None:
    """Raise or lower the limits of a sweep that runs."""
    with client_of(context) as client:
        client.sweeps.set_limits(name, max_total_trials=total, max_concurrent_trials=concurrent)
        typer.echo(f"{name} has new limits")


def narrow(
    context: typer.Context,
    name: Sweep,
    parameter: Annotated[str, typer.Argument(help="A swept parameter.")],
    distribution: Annotated[str, typer.Argument(help="As in YAML: {type: uniform, min_value: 0.1, max_value: 0.2}.")],
) -> None:
    """Replace a parameter's distribution for the trials yet to come."""
    with client_of(context) as client:
        from workbench.definition.distributions import distribution_from_dict  # noqa: PLC0415

        fields = parsed([f"{parameter}={distribution}"])[parameter]
        if not isinstance(fields, dict):
            raise ValidationException(
                f"{distribution!r} is no distribution",
                parameter,
                "Write {type: uniform, min_value: 0.1, max_value: 0.2}",
            )
        client.sweeps.narrow(name, **{parameter: distribution_from_dict(fields, parameter)})
        typer.echo(f"{name}: {parameter} is drawn from the new distribution from now on")


def enqueue(
    context: typer.Context,
    name: Sweep,
    params: Annotated[list[str], typer.Argument(help="A value for each swept parameter: lr=0.1 layers=2.")],
) -> None:
    """Add a trial with parameters of your own; it is the next to start."""
    with client_of(context) as client:
        client.sweeps.enqueue(name, **parsed(params))
        typer.echo(f"{name} tries that next")


def retry(context: typer.Context, name: Sweep) -> None:
    """Run all failed trials of a sweep again."""
    with client_of(context) as client:
        client.sweeps.retry_failed(name)
        typer.echo(f"{name} tries its failed trials again")
