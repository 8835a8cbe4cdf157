"""Commands on jobs: run, list, show, logs, cancel, rerun."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.shared import Json, Name, client_of, parsed, print_json, print_table

__all__ = ["cancel", "compare", "list_jobs", "logs", "rerun", "run", "show"]


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
    with client_of(context) as client:
        from workbench.definition.yaml_io import load_job  # noqa: PLC0415

        job = load_job(file, params_override=[{key: value} for key, value in parsed(sets or []).items()])
        submitted = client.jobs.create_or_update(job)
        name = str(submitted.name)
        if as_json:
            print_json({"name": name, "status": str(submitted.status), "folder": submitted.folder})
        else:
            typer.echo(name)
        if stream:
            client.jobs.stream(name)


def list_jobs(
    context: typer.Context,
    archived: Annotated[bool, typer.Option("--archived", help="The archived ones too.")] = False,
    most: Annotated[int, typer.Option("--most", help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs and sweeps, newest first."""
    with client_of(context) as client:
        from workbench.client.reports import list_report  # noqa: PLC0415

        rows = list_report(client, archived=archived, most=most)
        if as_json:
            print_json(rows)
        else:
            print_table(rows, "No jobs yet. Submit one with: workbench run FILE.yml")


def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show a job, or a sweep with its trials."""
    with client_of(context) as client:
        from workbench.client.reports import job_report  # noqa: PLC0415

        report = job_report(client, name)
        if as_json:
            print_json(report)
            return
        children = report.pop("children")
        best_known = report.pop("properties")
        for key, value in report.items():
            if value not in (None, "", {}):
                typer.echo(f"{key:16} {json.dumps(value) if isinstance(value, dict) else value}")
        if best := best_known.get("best_child_run_id"):
            typer.echo(f"{'best trial':16} {best}")
        if children:
            rows = [child | child.pop("params") for child in children]
            typer.echo("")
            print_table(rows, "")


def logs(
    context: typer.Context,
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> None:
    """Print what a job has printed; of a sweep, its history."""
    with client_of(context) as client:
        if follow:
            client.jobs.stream(name)
            return
        from workbench.client.reports import log_text  # noqa: PLC0415

        for part in log_text(client, name):
            sys.stdout.write(part)


def cancel(context: typer.Context, name: Name) -> None:
    """Stop a job, a sweep or one trial; waits until nothing of it is left."""
    with client_of(context) as client:
        client.jobs.begin_cancel(name).wait()
        typer.echo(f"{name} {client.jobs.get(name).status}")


def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Jobs or trials; a sweep means its best trial.")],
    everything: Annotated[bool, typer.Option("--all", help="What is the same in all of them too.")] = False,
    as_json: Json = False,
) -> None:
    """Show jobs or trials side by side, and what is not the same in all of them."""
    with client_of(context) as client:
        from workbench.client.reports import compare_report  # noqa: PLC0415

        report = compare_report(client, names)
        if as_json:
            print_json(report)
            return
        fields = list(dict.fromkeys(field for facts in report.values() for field in facts))
        rows = [{"": field, **{name: facts.get(field) for name, facts in report.items()}} for field in fields]
        print_table(
            [row for row in rows if everything or len({*map(str, list(row.values())[1:])}) > 1], "All is the same."
        )


def rerun(
    context: typer.Context,
    name: Name,
    stream: Annotated[bool, typer.Option("--stream", help="Show it until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Run a job again with the same code, inputs, seed and environment, and say what is not as it was."""
    with client_of(context) as client:
        again = client.jobs.rerun(name)
        if as_json:
            print_json({"name": again.name, "drift": list(again.drift)})
        else:
            typer.echo(again.name)
            for change in again.drift:
                typer.secho(f"not as it was: {change}", err=True, fg="yellow")
        if stream:
            client.jobs.stream(again.name)
