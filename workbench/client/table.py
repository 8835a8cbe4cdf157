"""All trials of a sweep as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.client.context import Context
from workbench.definition.checking import one_of
from workbench.errors import NotFoundError
from workbench.store.database import Store
from workbench.store.records import JobRecord
from workbench.store.workspace import open_workspace
from workbench.trial.outputs import read_outputs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Which", "trials_of", "trials_table"]

Which = Literal["last", "min", "max"]
_PICK: dict[str, Callable[[Sequence[float]], float]] = {"last": lambda values: values[-1], "min": min, "max": max}


def trials_table(context: Context, parent: JobRecord, metrics: Which = "last") -> pd.DataFrame:
    """Return one row for each trial, as they now are.

    Args:
        context: the workspace.
        parent: the sweep.
        metrics: which value of each metric to show.

    Returns:
        Columns ``name``, ``number``, ``status``, ``score`` (the best value of the primary metric), ``params.<name>``,
        ``metrics.<name>``, ``outputs.<name>`` (what ``workbench.output`` stored, a table as a list of rows),
        ``duration`` in seconds, ``reason``, ``folder``, ``log`` and ``notebook``.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that only tables cost

    pick = _PICK[one_of(metrics, _PICK, "choice of metric values")]
    store = context.store
    series = {key: store.series(parent.name, key) for key in store.metric_keys(parent.name)}
    rows = []
    for trial in store.children(parent.name):
        folder = context.workspace.trial(trial.folder)
        outputs = read_outputs(folder.output_values)
        rows.append(
            {
                "name": trial.name,
                "number": trial.number,
                "status": str(trial.status),
                "score": trial.score,
                **{f"params.{name}": value for name, value in trial.params.items()},
                **{f"metrics.{key}": pick(of[trial.name]) for key, of in series.items() if trial.name in of},
                **{f"outputs.{name}": value for name, value in outputs.items()},
                "duration": trial.duration,
                "reason": trial.reason,
                "folder": str(folder.root),
                "log": str(folder.log),
                "notebook": str(folder.notebook) if folder.notebook.exists() else None,
            }
        )
    return pd.DataFrame(rows, columns=_columns(rows))


def trials_of(root: Path, name: str, metrics: Which = "last") -> pd.DataFrame:
    """Return the table of the sweep ``name`` in the workspace at ``root``."""
    workspace = open_workspace(root)
    with closing(Store(workspace.database)) as store:
        parent = store.job(name)
        if parent is None:
            raise NotFoundError(f"no job named {name!r}", str(workspace.root))
        return trials_table(Context(workspace, store, workspace.root.name), parent, metrics)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns of all rows, those of a kind side by side."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    first, last = ["name", "number", "status", "score"], ["duration", "reason", "folder", "log", "notebook"]
    between = [name for kind in ("params.", "metrics.", "outputs.") for name in names if name.startswith(kind)]
    return [*first, *between, *last]
