"""Commands on models: register, models, ui."""

from __future__ import annotations

from textwrap import indent
from typing import Annotated

import typer

from workbench.cli.shared import Json, client_of, print_json, print_table

__all__ = ["models", "register", "ui"]


def register(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="A job or trial; a sweep means its best trial.", metavar="NAME")],
    name: Annotated[str, typer.Option("--name", help="Name of the registered model.")],
    path: Annotated[
        str | None, typer.Option("--path", help="Path among the job's artifacts; its only model by default.")
    ] = None,
    alias: Annotated[str | None, typer.Option("--alias", help="Alias for the new version, such as champion.")] = None,
    description: Annotated[str | None, typer.Option("--description")] = None,
    as_json: Json = False,
) -> None:
    """Register the model that a job has made."""
    with client_of(context) as client:
        from workbench.client.registration import load_code  # noqa: PLC0415
        from workbench.client.reports import model_report, model_to_register  # noqa: PLC0415

        model = model_to_register(client, job, name=name, path=path, description=description)
        report = model_report(client.models.create_or_update(model, alias=alias))
        if as_json:
            print_json(report)
        else:
            typer.echo(f"registered {report['name']} version {report['version']}; load it with\n")
            typer.echo(indent(load_code(client, f"models:/{report['name']}/{report['version']}"), "    "))


def models(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="All versions of this model.")] = None,
    as_json: Json = False,
) -> None:
    """List registered models, or the versions of one."""
    with client_of(context) as client:
        from workbench.client.reports import model_report  # noqa: PLC0415

        rows = [model_report(model) for model in client.models.list(name)]
        if as_json:
            print_json(rows)
        else:
            keep = ("name", "version", "type", "job", "description")
            print_table([{key: row[key] for key in keep} for row in rows], "No models yet. See: workbench register -h")


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on this machine only; 0 for any free one.")] = 5000,
) -> None:
    """Open MLflow's own user interface on this workspace; Ctrl-C ends it."""
    with client_of(context) as client:
        from workbench.client.mlflow_ui import serve  # noqa: PLC0415

        try:
            serve(client, port, lambda address: typer.echo(f"MLflow on {address} (Ctrl-C ends it)"))
        except KeyboardInterrupt:
            typer.echo()
