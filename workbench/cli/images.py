"""Commands on the images that the workbench has made."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.shared import Json, client_of, print_json, print_table

if TYPE_CHECKING:
    from workbench.environments.images import BuiltImage

__all__ = ["app", "prune", "show", "show_too"]

app = typer.Typer(
    help="Show the images that environments were built into; remove unused ones.", invoke_without_command=True
)


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the images that the workbench has made on this machine."""
    if context.invoked_subcommand is None:
        _show(context, as_json=as_json)


@app.command(name="list")
def show_too(context: typer.Context, as_json: Json = False) -> None:
    """Show the images that the workbench has made on this machine."""
    _show(context, as_json=as_json)


@app.command()
def prune(
    context: typer.Context,
    environments: Annotated[
        list[str] | None, typer.Argument(help="Only images of these environments; all without any.", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove the images that the workbench has made and no container uses; others are not touched."""
    with client_of(context) as client:
        unused = [one for one in client.images.list() if not one.used]
        unused = [one for one in unused if not environments or one.environment in environments]
        if unused and not yes:
            print_table([_row(image) for image in unused], "")
            typer.confirm(f"Remove {'this image' if len(unused) == 1 else f'these {len(unused)} images'}?", abort=True)
        for image in client.images.prune(unused):
            typer.echo(f"removed {image.tag} ({image.environment})")
        if not unused:
            typer.echo("There is no image to remove.")


def _show(context: typer.Context, *, as_json: bool) -> None:
    with client_of(context) as client:
        images = list(client.images.list())
    if as_json:
        print_json([asdict(image) for image in images])
    else:
        print_table([_row(image) for image in images], "No images were built yet.")


def _row(image: BuiltImage) -> dict[str, Any]:
    return {
        "name": image.tag,
        "environment": image.environment,
        "created": datetime.fromtimestamp(image.created).astimezone().isoformat(sep=" ", timespec="seconds"),
        "MB": round(image.size / 1e6),
        "used": image.used,
    }
