"""The terminal's side of the workbench: the same verbs as the client, with ``--json`` where they read."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.client.ml_client import MLClient

__all__ = ["app", "main"]

app = typer.Typer(
    help="Run jobs and sweeps on this machine, look at them, and register the best model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Name = Annotated[str, typer.Argument(help="Name of a job, a sweep or a trial.")]


def main() -> None:
    """Run the command line; errors are one readable line, and exit codes say what happened."""
    try:
        app()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.callback()
def _workspace(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace; found from here by default.")
    ] = None,
) -> None:
    context.obj = workspace


@app.command()
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A job or sweep in YAML.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a field: limits.max_total_trials=5."),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show it until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Submit a job or sweep from a YAML file."""
    with _client(context) as client:
        from workbench.definition.yaml_io import load_job  # noqa: PLC0415

        job = load_job(file, params_override=[_override(text) for text in sets or ()])
        submitted = client.jobs.create_or_update(job)
        name = str(submitted.name)
        if as_json:
            _print_json({"name": name, "status": str(submitted.status), "folder": submitted.folder})
        else:
            typer.echo(name)
        if stream:
            client.jobs.stream(name)


@app.command("list")
def list_jobs(
    context: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones too.")] = False,
    most: Annotated[int, typer.Option("--most", help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs and sweeps, newest first."""
    with _client(context) as client:
        from workbench.client.reports import list_report  # noqa: PLC0415

        rows = list_report(client, archived=archived, most=most)
        if as_json:
            _print_json(rows)
        else:
            _print_table(rows, "No jobs yet. Submit one with: workbench run FILE.yml")


@app.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a job, or a sweep with its trials."""
    with _client(context) as client:
        from workbench.client.reports import job_report  # noqa: PLC0415

        report = job_report(client, name)
        if as_json:
            _print_json(report)
            return
        children = report.pop("children")
        for key, value in report.items():
            if value not in (None, "", {}):
                typer.echo(f"{key:16} {json.dumps(value) if isinstance(value, dict) else value}")
        if children:
            rows = [child | child.pop("params") for child in children]
            typer.echo("")
            _print_table(rows, "")


@app.command()
def logs(
    context: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Print what a job has printed; of a sweep, its history."""
    with _client(context) as client:
        if follow:
            client.jobs.stream(name)
            return
        from workbench.client.reports import log_text  # noqa: PLC0415

        for part in log_text(client, name):
            sys.stdout.write(part)


@app.command()
def cancel(context: typer.Context, name: Name) -> None:
    """Stop a job, a sweep or one trial; waits until nothing of it is left."""
    with _client(context) as client:
        client.jobs.begin_cancel(name).wait()
        typer.echo(f"{name} {client.jobs.get(name).status}")


@app.command()
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
    with _client(context) as client:
        from workbench.client.reports import model_report, model_to_register  # noqa: PLC0415

        model = model_to_register(client, job, name=name, path=path, description=description)
        report = model_report(client.models.create_or_update(model, alias=alias))
        if as_json:
            _print_json(report)
        else:
            typer.echo(f"registered {report['name']} version {report['version']}; load it with\n")
            typer.echo(f'    mlflow.set_tracking_uri("{client.workspaces.get().mlflow_tracking_uri}")')
            typer.echo(f'    mlflow.pyfunc.load_model("models:/{report["name"]}/{report["version"]}")')


@app.command()
def models(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="All versions of this model.")] = None,
    as_json: Json = False,
) -> None:
    """List registered models, or the versions of one."""
    with _client(context) as client:
        from workbench.client.reports import model_report  # noqa: PLC0415

        rows = [model_report(model) for model in client.models.list(name)]
        if as_json:
            _print_json(rows)
        else:
            keep = ("name", "version", "type", "job", "description")
            _print_table([{key: row[key] for key in keep} for row in rows], "No models yet. See: workbench register -h")


@app.command()
def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port on this machine only.")] = 5000,
) -> None:
    """Open MLflow's own user interface on this workspace; Ctrl-C ends it."""
    with _client(context) as client:
        address = client.workspaces.get().mlflow_tracking_uri
    scripts = Path(sys.executable).parent
    typer.echo(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)")
    command = [
        str(scripts / "mlflow"),
        "ui",
        "--backend-store-uri",
        address,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    os.execv(command[0], command)  # noqa: S606 - it shall have the terminal and its Ctrl-C


@contextmanager
def _client(context: typer.Context) -> Iterator[MLClient]:
    from workbench.client.ml_client import MLClient  # noqa: PLC0415 - help and errors of usage must be quick

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: typer.secho(f"warning: {message}", err=True, fg="yellow")
        try:
            yield MLClient(path=context.obj)
        except WorkbenchError as error:
            typer.secho(f"error: {error}", err=True, fg="red")
            raise typer.Exit(1) from None


def _override(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415

    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} has no '=': write --set limits.max_total_trials=5")
    return {key: YAML(typ="safe").load(value)}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))


def _print_table(rows: list[dict[str, Any]], empty: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not rows:
        typer.echo(empty)
        return
    table = Table(box=None, header_style="bold")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    Console().print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
