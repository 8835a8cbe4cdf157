"""Every error a user of the workbench can meet.

WorkbenchError
├── ValidationException      a definition is wrong; nothing was submitted   (also ValueError)
│   └── UnexpectedKeywordError   a keyword that the call does not know      (also TypeError)
├── NotFoundError            no job, model, environment … of that name      (also LookupError)
├── JobException             a job failed, or is not in a state that allows the call
├── StoreError               the workspace's database or folders cannot be used
├── EngineError              no container engine answers, or it refuses
├── SupervisorError          the background process cannot be started or reached
└── TrackingError            MLflow refused something

Each message says what was wrong, where, and what to do.
"""

from __future__ import annotations

__all__ = [
    "EngineError",
    "JobException",
    "NotFoundError",
    "StoreError",
    "SupervisorError",
    "TrackingError",
    "UnexpectedKeywordError",
    "ValidationException",
    "WorkbenchError",
]


class WorkbenchError(Exception):
    """Base of all errors raised on purpose by the workbench.

    Args:
        what: what was wrong, as one sentence without a final stop.
        where: the field, file or object it was found in (``search_space.lr.min_value``).
        fix: what the user can do about it, as one sentence.
    """

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__(what, where, fix)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows instead of a traceback: where it was raised inside helps no user."""
        return [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]

    def __str__(self) -> str:
        """Return the one readable message that a notebook or terminal shows."""
        located = f"{self.where}: {self.what}" if self.where else self.what
        return f"{located}. {self.fix}" if self.fix else located


class ValidationException(WorkbenchError, ValueError):
    """A definition is wrong; nothing was submitted."""


class UnexpectedKeywordError(ValidationException, TypeError):
    """A call was given a keyword that it does not know."""


class NotFoundError(WorkbenchError, LookupError):
    """Nothing of that name exists in this workspace."""


class JobException(WorkbenchError):
    """A job failed, or is not in a state that allows the call."""


class StoreError(WorkbenchError):
    """The workspace's database or folders cannot be used."""


class EngineError(WorkbenchError):
    """No container engine answers, or it refuses what the workbench asks of it."""


class SupervisorError(WorkbenchError):
    """The background process that runs trials cannot be started or reached."""


class TrackingError(WorkbenchError):
    """MLflow refused something the workbench asked of it."""
