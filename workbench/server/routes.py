"""All operations, by their addresses."""

from __future__ import annotations

from workbench.server.answers import acts, editing, files, jobs, models, notebooks, registering, submitting
from workbench.server.operations import Method, Operation

__all__ = ["OPERATIONS", "by_path"]

OPERATIONS: tuple[Operation, ...] = (
    *jobs.OPERATIONS,
    *files.OPERATIONS,
    *submitting.OPERATIONS,
    *acts.OPERATIONS,
    *editing.OPERATIONS,
    *registering.OPERATIONS,
    *models.OPERATIONS,
    *notebooks.OPERATIONS,
)


def by_path() -> dict[str, dict[Method, Operation]]:
    """Return the operations of each address by their methods."""
    found: dict[str, dict[Method, Operation]] = {}
    for operation in OPERATIONS:
        found.setdefault(operation.path, {})[operation.method] = operation
    return found
