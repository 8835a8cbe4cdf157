"""What a trial's exit means for its record."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.definition.retries import ANY, HOST_LOST, OUT_OF_MEMORY
from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord
from workbench.trial.spec import Exit

__all__ = ["Verdict", "verdict_of"]

# What the libraries of Python, CUDA, PyTorch, TensorFlow and JAX say when memory is out.
_OUT_OF_MEMORY_TEXTS = (
    "MemoryError",
    "CUDA out of memory",
    "OutOfMemoryError",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "RESOURCE_EXHAUSTED: Out of memory",
    "ResourceExhaustedError",
    "std::bad_alloc",
)
_KILLED = ("SIGKILL", 137)
_LESS_MEMORY = "ask for more (resources: memory), or let it need less: smaller batches, fewer workers that load data"
_ADVICE = {
    125: "the program that was to start the command has failed: see the log",
    126: "what the command names is no program, or may not be run: chmod +x, or name its interpreter",
    127: "what the command names is not in the environment: check its name, or install it there",
    137: "something sent it SIGKILL: if nobody did, memory was short, so ask for more (resources: memory)",
    139: "SIGSEGV, a crash in compiled code: check that the libraries fit each other; PYTHONFAULTHANDLER=1 shows where",
}
"""What to do about exit codes that shells and container engines give a meaning."""


@dataclass(frozen=True)
class Verdict:
    """A final status, the reason for people, the error of a failed trial, and the cause that a retry may be for."""

    status: JobStatus
    reason: str
    error: str | None = None
    cause: str = ANY


def verdict_of(ending: Exit, record: JobRecord) -> Verdict:
    """Return what ``ending`` means for the trial of ``record``.

    A trial that was asked to stop is Canceled for the reason it was asked, whichever way its process then went;
    one that had succeeded before the request reached it has succeeded.
    """
    requested = record.reason if record.status is JobStatus.CANCEL_REQUESTED else None
    if ending.cause == "exited" and ending.code == 0:
        return Verdict(JobStatus.COMPLETED, _with_leftovers("", ending))
    if requested is not None:
        return Verdict(JobStatus.CANCELED, _with_signal(requested, ending))
    if ending.cause == "timeout":
        return Verdict(JobStatus.CANCELED, _with_signal("its timeout was reached", ending))
    if ending.cause == "terminated":
        return Verdict(JobStatus.CANCELED, _with_signal("its host was told to stop by a signal from outside", ending))
    if ending.cause == "exited":
        return _failure(ending)
    cause = HOST_LOST if ending.cause == "host_lost" else ANY
    first = (ending.message or ending.cause).splitlines()[0]
    return Verdict(JobStatus.FAILED, _with_leftovers(first, ending), ending.message, cause)


def _failure(ending: Exit) -> Verdict:
    how = f"ended by {ending.signal}" if ending.signal else f"exit code {ending.code}"
    advice = f" ({_ADVICE[ending.code]})" if ending.code in _ADVICE else ""
    last = ending.message.strip().splitlines()[-1:] or ["no output"]
    reason = f"{how}: {last[0]}{advice}"
    if _ran_out_of_memory(ending):
        what = f"killed by the kernel; {_LESS_MEMORY}" if ending.kernel_killed else "as its output says"
        return Verdict(JobStatus.FAILED, f"out of memory ({what}): {last[0]}", ending.message or how, OUT_OF_MEMORY)
    return Verdict(JobStatus.FAILED, _with_leftovers(reason, ending), ending.message or how)


def _ran_out_of_memory(ending: Exit) -> bool:
    killed = ending.kernel_killed and (ending.signal in _KILLED or ending.code in _KILLED)
    return ending.oom or killed or any(text in ending.message for text in _OUT_OF_MEMORY_TEXTS)


def _with_signal(reason: str, ending: Exit) -> str:
    if ending.left or ending.needed is None:
        return _with_leftovers(reason, ending)
    return f"{reason} ({ending.needed} ended it, nothing of it is left)"


def _with_leftovers(reason: str, ending: Exit) -> str:
    if not ending.left:
        return reason
    left = ", ".join(map(str, ending.left))
    return f"{reason} (still there, and cannot be killed: pid {left})".strip()
