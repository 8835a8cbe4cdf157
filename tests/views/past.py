"""Sweeps that have ended, written straight into a store: what views show, without waiting for trials."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import nbformat

from workbench import MLClient, command
from workbench.client.submission import prepare
from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord, Point
from workbench.sweep import Choice, LogUniform, Uniform
from workbench.views.display import bundle

__all__ = ["output_of", "past_sweep"]


def past_sweep(client: MLClient, code: Path, trials: int, points: int = 5) -> str:
    """Write a completed sweep with ``trials`` trials of ``points`` values each; return its name.

    Every seventh trial has failed without a value; the others have completed, and a trial's value is larger the nearer
    its learning rate is to 0.01 and the more units it has.
    """
    code.mkdir(parents=True, exist_ok=True)
    (code / "train.py").write_text("pass\n")
    job = command(
        code=str(code),
        command="python train.py ${{inputs.lr}} ${{inputs.units}} ${{inputs.drop}}",
        inputs={"lr": 0.1, "units": 10, "drop": 0.1},
    )
    sweep = job(lr=LogUniform(-9, -1), units=Choice([10, 50, 200]), drop=Uniform(0, 0.5)).sweep(
        primary_metric="accuracy", goal="maximize", max_total_trials=trials, max_concurrent_trials=4
    )
    record, _ = prepare(sweep, client.context)
    chance = random.Random(7)
    rows, values, best = [], [], None
    for number in range(trials):
        lr, units, drop = math.exp(chance.uniform(-9, -1)), chance.choice([10, 50, 200]), chance.uniform(0, 0.5)
        final = 0.9 - 0.1 * abs(math.log10(lr) + 2) + 0.0002 * units
        failed = number % 7 == 6
        name = f"{record.name}_{number}"
        rows.append(
            JobRecord(
                name=name,
                type="trial",
                status=JobStatus.FAILED if failed else JobStatus.COMPLETED,
                display_name=name,
                experiment_name=record.experiment_name,
                folder=f"{record.folder}/{number:04d}",
                created=1.7e9 + number,
                started=1.7e9 + number,
                ended=1.7e9 + number + 2,
                parent=record.name,
                number=number,
                params={"lr": lr, "units": units, "drop": drop},
                score=None if failed else final,
                reason="exit code 1" if failed else None,
            )
        )
        if not failed:
            values += [
                Point(name, "accuracy", final * (step + 1) / points, step, 1_700_000_000_000 + 1000 * step)
                for step in range(points)
            ]
            values.append(Point(name, "loss", 1 - final, 0, 1_700_000_000_000))
            if best is None or final > (best.score or 0):
                best = rows[-1]
    with client.context.store.write() as writer:
        writer.add_job(record)
        for row in rows:
            writer.add_job(row)
        writer.add_points(values)
        writer.patch_properties(record.name, {"best_child_run_id": best.name if best else None})
        writer.update_job(
            record.name, status=JobStatus.COMPLETED, started=1.7e9, ended=1.7e9 + trials, score=best and best.score
        )
    return record.name


def output_of(client: MLClient, name: str) -> Any:
    """Return a job as the output of a cell, as a saved notebook holds it."""
    shown = bundle(client.jobs.get(name))
    assert isinstance(shown, tuple)
    return nbformat.v4.new_output("execute_result", data=shown[0], metadata=shown[1], execution_count=1)
