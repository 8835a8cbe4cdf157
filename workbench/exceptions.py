"""The errors, under the name that Azure's module of them has."""

from __future__ import annotations

from workbench.errors import (
    EngineError,
    JobException,
    NotFoundError,
    StoreError,
    SupervisorError,
    TrackingError,
    UnexpectedKeywordError,
    ValidationException,
    WorkbenchError,
)

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
