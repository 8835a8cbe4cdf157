"""Many jobs at once, written straight into a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.views.past import past_sweep
from workbench import MLClient
from workbench.definition.status import JobStatus

__all__ = ["crowd"]

_ENDINGS = (JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)


def crowd(client: MLClient, code: Path, jobs: int) -> list[str]:
    """Write ``jobs`` sweeps that have ended, in five experiments; return their names, the newest last."""
    store = client.context.store
    model = store.job(past_sweep(client, code, 3))
    assert model is not None
    names = [f"crowd_{number:04d}" for number in range(jobs)]
    with store.write() as writer:
        for number, name in enumerate(names):
            status = _ENDINGS[number % len(_ENDINGS)]
            writer.add_job(
                replace(
                    model,
                    name=name,
                    display_name=f"sweep number {number}",
                    experiment_name=f"experiment-{number % 5}",
                    folder=f"runs/{name}",
                    status=status,
                    created=1.6e9 + number,
                    started=1.6e9 + number,
                    ended=1.6e9 + number + 60,
                    error="ValueError: no such thing" if status is JobStatus.FAILED else None,
                )
            )
    return names
