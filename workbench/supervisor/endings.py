"""What a trial's exit means for its record."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord
from workbench.trial.spec import Exit

__all__ = ["Verdict", "verdict_of"]


@dataclass(frozen=True)
class Verdict:
    """A final status, the reason for people, and the error of a failed trial."""

    status: JobStatus
    reason: str
    error: str | None = None


def verdict_of(ending: Exit, record: JobRecord) -> Verdict:
    """Return what ``ending`` means for the trial of ``record``.

    A trial that was asked to stop is Canceled for the reason it was asked, whichever way its process then went;
    one that had succeeded before the request reached it has succeeded.
    """
    requested = record.reason if record.status is JobStatus.CANCEL_REQUESTED else None
    if ending.cause == "exited" and ending.code == 0:
        verdict = Verdict(JobStatus.COMPLETED, "")
    elif requested is not None:
        verdict = Verdict(JobStatus.CANCELED, requested)
    elif ending.cause == "timeout":
        verdict = Verdict(JobStatus.CANCELED, "its timeout was reached")
    elif ending.cause == "terminated":
        verdict = Verdict(JobStatus.CANCELED, "its host was told to stop by a signal from outside")
    elif ending.cause == "exited":
        verdict = _failure(ending)
    else:
        verdict = Verdict(JobStatus.FAILED, ending.message.splitlines()[0], ending.message)
    return _with_leftovers(verdict, ending)


def _failure(ending: Exit) -> Verdict:
    how = f"ended by {ending.signal}" if ending.signal else f"exit code {ending.code}"
    last = ending.message.strip().splitlines()[-1:] or ["no output"]
    return Verdict(JobStatus.FAILED, f"{how}: {last[0]}", ending.message or how)


def _with_leftovers(verdict: Verdict, ending: Exit) -> Verdict:
    if not ending.left:
        return verdict
    left = ", ".join(map(str, ending.left))
    return Verdict(
        verdict.status, f"{verdict.reason} (still running and unkillable: pid {left})".strip(), verdict.error
    )
