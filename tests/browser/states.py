"""Jobs in every state that a view is designed for, written straight into a store: nothing of it runs."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from tests.views.past import past_sweep
from workbench import MLClient, command
from workbench.client.submission import prepare
from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord, Point
from workbench.sweep import Choice, LogUniform, Uniform
from workbench.testing.devices import GIB, InMemoryDevices

__all__ = ["nobody_starts", "write_states", "write_views"]

_ERROR = """Traceback (most recent call last):
  File "train.py", line 12, in <module>
    model.fit(X, y)
  File "model.py", line 61, in fit
    self.epoch(X, y)
  File "model.py", line 74, in epoch
    self.step(batch)
  File "model.py", line 88, in step
    raise ValueError("the loss is not a number after step 3: lower the learning rate")
ValueError: the loss is not a number after step 3: lower the learning rate"""


@contextmanager
def nobody_starts(client: MLClient) -> Iterator[None]:
    """Hear all calls for the supervisor: what is written as running is neither adopted nor started."""
    wake = client.context.workspace.wake
    wake.unlink(missing_ok=True)
    os.mkfifo(wake)
    ear = os.open(wake, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(ear)
        wake.unlink()


def write_states(client: MLClient, code: Path, *, many: int = 10_000) -> dict[str, str]:
    """Write a job or sweep in each state; return their names by what the state is called.

    Args:
        client: of the workspace.
        code: an empty folder.
        many: trials of the sweep that is large.
    """
    code.mkdir(parents=True, exist_ok=True)
    (code / "train.py").write_text("pass\n")
    _plug_in_gpus(client)
    now = time.time()
    names = {
        "empty": _sweep(client, code, 0, JobStatus.RUNNING, started=now),
        "waiting": _sweep(client, code, 0, JobStatus.RUNNING, started=now - 40, reason="waits: 4 of 4 slots in use"),
        "running": _sweep(client, code, 12, JobStatus.RUNNING, started=now - 60),
        "paused": _sweep(client, code, 12, JobStatus.RUNNING, started=now - 60, held=True),
        "failed": _sweep(
            client,
            code,
            6,
            JobStatus.FAILED,
            trial=JobStatus.FAILED,
            started=now - 60,
            ended=now,
            reason="the first 6 trials failed: the sweep has ended",
            error=_ERROR,
        ),
        "canceled": _sweep(
            client, code, 9, JobStatus.CANCELED, started=now - 60, ended=now, reason="canceled by the user"
        ),
        "finished": past_sweep(client, code, 40),
        "many": past_sweep(client, code, many),
        "wide": _sweep(client, code, 12, JobStatus.RUNNING, started=now - 60, more=65),
        "job queued": _job(client, code, JobStatus.QUEUED, reason="waits for a GPU: 2 of 2 are leased"),
        "job preparing": _job(client, code, JobStatus.PREPARING, reason="installing 14 packages"),
        "job running": _job(client, code, JobStatus.RUNNING, started=now - 20),
        "job failed": _job(
            client, code, JobStatus.FAILED, started=now - 20, ended=now, reason="exit code 1", error=_ERROR
        ),
        "job canceled": _job(
            client, code, JobStatus.CANCELED, started=now - 20, ended=now, reason="canceled by the user"
        ),
        "job finished": _job(client, code, JobStatus.COMPLETED, started=now - 20, ended=now),
    }
    log = client.context.workspace.trial(names["job failed"]).log
    log.parent.mkdir(parents=True)
    log.write_text(f"epoch 0  loss 2.31\nepoch 1  loss 14.8\nepoch 2  loss nan\n{_ERROR}\n")
    return names


def write_views(path: Path, client: MLClient, names: Sequence[str], snapshot: str = "<p>the last state</p>") -> None:
    """Write a notebook that shows jobs in the outputs of its cells, as one that was saved does."""
    book = nbformat.v4.new_notebook()
    for name in names:
        data: Mapping[str, Any] = {
            "application/vnd.workbench.job+json": {"name": name, "workspace": str(client.workspace_folder)},
            "text/html": snapshot,
            "text/plain": name,
        }
        cell = nbformat.v4.new_code_cell(f"# {name}")
        cell.outputs = [nbformat.v4.new_output("execute_result", data=data, execution_count=1)]
        book.cells.append(cell)
    book.metadata["kernelspec"] = {"name": "", "display_name": ""}  # what JupyterLab writes for "No Kernel"
    nbformat.write(book, path)


def _plug_in_gpus(client: MLClient) -> None:
    devices = InMemoryDevices()
    for busy, used in ((61, 3.1), (0, 0.4)):
        gpu = devices.add(24 * GIB, "NVIDIA RTX A5000")
        devices.start(gpu.uuid, 4_200_000, int(used * GIB))
        devices.load(gpu.uuid, busy)
    workspace = client.context.workspace
    devices.write(workspace.hidden / "devices.json")
    workspace.settings.write_text(f"devices = {json.dumps(str(workspace.hidden / 'devices.json'))}\nslots = 12\n")


def _sweep(
    client: MLClient,
    code: Path,
    trials: int,
    status: JobStatus,
    *,
    trial: JobStatus | None = None,
    more: int = 0,
    **columns: Any,
) -> str:
    """Write a sweep whose first trials have ended; the last two are as the sweep is, unless ``trial`` is given."""
    space: dict[str, Any] = {"lr": LogUniform(-9, -1), "optimizer": Choice(["sgd", "adam", "rmsprop"])}
    space |= {f"width{index:02}": Uniform(0, 1) for index in range(more)}
    inputs = " ".join(f"${{{{inputs.{name}}}}}" for name in space)
    job = command(code=str(code), command=f"python train.py {inputs}", inputs=dict.fromkeys(space, 0.1))
    sweep = job(**space).sweep(primary_metric="loss", goal="minimize", max_total_trials=20, max_concurrent_trials=2)
    sweep.display_name = "digits"
    record, _ = prepare(sweep, client.context)
    chance = random.Random(3)
    rows, values = [], []
    for number in range(trials):
        params: dict[str, Any] = {
            "lr": math.exp(chance.uniform(-9, -1)),
            "optimizer": chance.choice(["sgd", "adam", "rmsprop"]),
        }
        params |= {f"width{index:02}": chance.random() for index in range(more)}
        state = trial or (JobStatus.COMPLETED if number < trials - 2 else status)
        loss = 0.2 + 0.1 * abs(math.log10(params["lr"]) + 2)
        scored = state is not JobStatus.FAILED
        began = columns["started"] + number
        rows.append(
            JobRecord(
                name=f"{record.name}_{number}",
                type="trial",
                status=state,
                display_name=f"{record.name}_{number}",
                experiment_name=record.experiment_name,
                folder=f"{record.folder}/{number:04d}",
                created=began,
                started=began,
                ended=began + 4 if state.is_finished else None,
                parent=record.name,
                number=number,
                params=params,
                score=loss if scored else None,
                reason="exit code 1: ValueError: the loss is not a number after step 3" if not scored else None,
            )
        )
        if scored:
            values += [Point(rows[-1].name, "loss", loss + 0.3 / (step + 1), step, 1000 * step) for step in range(8)]
    best = min((row for row in rows if row.score is not None), key=lambda row: row.score or 0, default=None)
    with client.context.store.write() as writer:
        writer.add_job(record)
        for row in rows:
            writer.add_job(row)
        writer.add_points(values)
        writer.patch_properties(record.name, {"best_child_run_id": best.name if best else None})
        writer.update_job(record.name, status=status, **columns)
    return record.name


def _job(client: MLClient, code: Path, status: JobStatus, **columns: Any) -> str:
    job = command(
        code=str(code),
        command="python train.py ${{inputs.lr}} ${{inputs.epochs}}",
        inputs={"lr": 0.001, "epochs": 20},
        display_name="train digits",
    )
    record, _ = prepare(job, client.context)
    row = replace(record, status=status, **columns)
    with client.context.store.write() as writer:
        writer.add_job(row)
        if row.started is not None:
            writer.add_points(
                [
                    Point(row.name, key, value / (step + 1), step, int(1000 * (row.started + step)))
                    for step in range(10)
                    for key, value in (("loss", 2.3), ("val_loss", 2.6))
                ]
            )
    return row.name
