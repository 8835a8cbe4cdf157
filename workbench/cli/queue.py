"""Commands on the queue: what runs, what waits and why, and who goes first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from workbench.cli.shared import Json, Name, client_of, print_json, print_table

__all__ = ["app", "hold", "move", "release", "show"]

app = typer.Typer(help="Show the queue with its reasons; hold, release and reorder.", invoke_without_command=True)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show all unfinished jobs in the order in which room is given away, and why those that wait do."""
    if context.invoked_subcommand is not None:
        return
    with client_of(context) as client:
        rows = [{**asdict(entry), "status": str(entry.status)} for entry in client.queue.list()]
        if as_json:
            print_json(rows)
        else:
            print_table(rows, "Nothing runs and nothing waits.")


@app.command()
def hold(context: typer.Context, name: Name) -> None:
    """Start nothing of a job until it is released."""
    with client_of(context) as client:
        client.queue.hold(name)
        typer.echo(f"{name} is held; let it go with: workbench queue release {name}")


@app.command()
def release(context: typer.Context, name: Name) -> None:
    """Let a held job start."""
    with client_of(context) as client:
        client.queue.release(name)
        typer.echo(f"{name} is released")


@app.command()
def move(
    context: typer.Context,
    name: Name,
    before: Annotated[str | None, typer.Option("--before", help="Right before this job.")] = None,
    priority: Annotated[str | None, typer.Option("--priority", help="low, medium or high.")] = None,
) -> None:
    """Put a job elsewhere in the queue."""
    if (before is None) == (priority is None):
        raise typer.BadParameter("give either --before NAME or --priority low|medium|high")
    with client_of(context) as client:
        if before is not None:
            client.queue.move(name, before=before)
        else:
            client.queue.set_priority(name, str(priority))
        typer.echo(f"{name} has moved; see: workbench queue")
