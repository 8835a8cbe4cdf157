"""What all commands share: the client, the errors, tables and JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.client.ml_client import MLClient

__all__ = ["Json", "Name", "client_of", "parsed", "print_json", "print_table"]

_WHOLE = ("name", "status", "version", "created")
_PIPE_WIDTH = 1000  # characters

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Name = Annotated[str, typer.Argument(help="Name of a job, a sweep or a trial.")]


@contextmanager
def client_of(context: typer.Context) -> Iterator[MLClient]:
    """Yield the client of the workspace that the command line means; an error becomes one line and exit code 1."""
    from workbench.client.ml_client import MLClient  # noqa: PLC0415 - help and errors of usage must be quick

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: typer.secho(f"warning: {message}", err=True, fg="yellow")
        try:
            yield MLClient(path=context.obj)
        except WorkbenchError as error:
            typer.secho(f"error: {error}", err=True, fg="red")
            raise typer.Exit(1) from None


def print_json(value: Any) -> None:
    """Print ``value`` as JSON."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_table(rows: list[dict[str, Any]], empty: str) -> None:
    """Print rows as a table, or the text ``empty`` when there are none."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns = [column for column in columns if any(row.get(column) not in (None, "", False) for row in rows)]
    for column in columns:
        # A name must stay one word, to be copied; what is long gives way.
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    console = Console()
    # In a pipe a line is a row, however long.
    console.print(table, width=None if console.is_terminal else max(console.width, _PIPE_WIDTH))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def parsed(texts: list[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` texts as a mapping, the values read as YAML.

    Raises:
        typer.BadParameter: a text has no ``=``.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} has no '=': write KEY=VALUE")
        try:
            pairs[key] = YAML(typ="safe").load(value)
        except YAMLError as error:
            raise typer.BadParameter(f"{value!r} is no YAML: {error}") from None
    return pairs
