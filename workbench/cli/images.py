"""Commands on the images that the workbench has made."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from workbench.cli.shared import Json, client_of, print_json, print_table

if TYPE_CHECKING:
    from workbench.environments.images import BuiltImage

__all__ = ["app", "prune", "show"]

app = typer.Typer(
    help="Show the images that environments were built into; remove unused ones.", invoke_without_command=True
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the images that the workbench has made on this machine."""
    if context.invoked_subcommand is not None:
        return
    with client_of(context) as client:
        images = list(client.images.list())
    if as_json:
        print_json([asdict(image) for image in images])
    else:
        print_table([_row(image) for image in images], "No images were built yet.")


@app.command()
def prune(context: typer.Context) -> None:
    """Remove the images that the workbench has made and no container uses; others are not touched."""
    with client_of(context) as client:
        for image in client.images.prune():
            typer.echo(f"removed {image.tag} ({image.environment})")


def _row(image: BuiltImage) -> dict[str, Any]:
    return {
        "name": image.tag,
        "environment": image.environment,
        "created": datetime.fromtimestamp(image.created).astimezone().isoformat(sep=" ", timespec="seconds"),
        "MB": round(image.size / 1e6),
        "used": image.used,
    }
