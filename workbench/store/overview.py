"""Jobs as lists show them: without what only their page needs, with how their trials stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from workbench.definition.status import JobStatus
from workbench.store.records import JobRecord

__all__ = ["COLUMNS", "FINISHED", "Order", "Overview", "Wanted"]

Order = Literal["running", "number", "newest", "best", "worst"]

FINISHED = "('Completed', 'Failed', 'Canceled')"

_HEAVY = frozenset({"definition", "launch"})

COLUMNS = ", ".join(
    [
        *(f"NULL AS {one.name}" if one.name in _HEAVY else f"jobs.{one.name}" for one in fields(JobRecord)),
        # One row that cannot be read must not hide all others.
        "CASE WHEN json_valid(definition) THEN json_extract(definition, '$.limits.max_total_trials') END AS total",
        "CASE WHEN json_valid(launch) THEN json_extract(launch, '$.kind') END AS kind",
        "CASE WHEN json_valid(launch) THEN json_extract(launch, '$.literals') END AS literals",
    ]
)
"""What is read of each row: SQLite takes out of the long texts what is needed of them."""

_ORDERS: Mapping[Order, str] = {
    "running": f"""CASE WHEN status IN ('NotStarted', 'Queued') THEN 1 WHEN status IN {FINISHED} THEN 2 ELSE 0 END,
        created DESC, rowid DESC""",
    "newest": "created DESC, rowid DESC",
    "number": "number, rowid",
    "best": "score IS NULL, score * ?, number",
    "worst": "score IS NULL, score * ?, number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A job in a list.

    Args:
        record: without definition and launch facts.
        kind: command or notebook; None for a trial, which is what its sweep says.
        total: the most trials that a sweep may have.
        literals: the literal inputs of a job as it got them.
        counts: how many trials of a sweep are in each status.
    """

    record: JobRecord
    kind: str | None = None
    total: int | None = None
    literals: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def metric(self) -> tuple[str, str] | None:
        """Name and goal of a sweep's primary metric."""
        text = self.record.properties.get("primary_metric_config")
        if text is None:
            return None
        config = json.loads(text)
        return str(config["name"]), str(config["goal"]).lower()

    @property
    def best(self) -> str | None:
        """Name of a sweep's best trial."""
        return self.record.properties.get("best_child_run_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs a list shows, and in which order.

    Args:
        parent: the trials of this sweep; None for jobs that are no trials.
        names: only these, trials or not.
        experiment: only of this one.
        statuses: only in one of these; all if empty.
        search: only where this is in name, display name, experiment, description or tags, whatever its case.
        archived: only archived ones, or only others; None for both.
        order: ``running`` puts what runs first, then what waits, then what has ended, each the newest first; ``best``
            and ``worst`` go by score, as the goal has it.
        goal: of the primary metric, for ``best`` and ``worst``.
    """

    parent: str | None = None
    names: Sequence[str] | None = None
    experiment: str | None = None
    statuses: Sequence[JobStatus] = ()
    search: str | None = None
    archived: bool | None = False
    order: Order = "running"
    goal: str = "maximize"

    def where(self) -> tuple[str, list[Any]]:
        """Return the condition and its arguments."""
        parts: list[str] = []
        arguments: list[Any] = []

        def add(condition: str, *values: Any) -> None:
            parts.append(condition)
            arguments.extend(values)

        if self.names is not None:
            add("name IN (SELECT value FROM json_each(?))", json.dumps(list(self.names)))
        elif self.parent is None:
            add("parent IS NULL")
        else:
            add("parent = ?", self.parent)
        if self.archived is not None:
            add("archived = ?", int(self.archived))
        if self.experiment:
            add("experiment_name = ?", self.experiment)
        if self.statuses:
            add("status IN (SELECT value FROM json_each(?))", json.dumps([str(status) for status in self.statuses]))
        if self.search:
            texts = "name || ' ' || display_name || ' ' || experiment_name || ' ' || ifnull(description, '') || tags"
            add(f"instr(lower({texts}), ?)", self.search.lower())
        return " AND ".join(parts), arguments

    def ordering(self) -> tuple[str, list[Any]]:
        """Return the order and its arguments."""
        if self.order not in ("best", "worst"):
            return _ORDERS[self.order], []
        upward = (self.goal == "minimize") == (self.order == "best")
        return _ORDERS[self.order], [1 if upward else -1]
