"""``ml_client.sweeps``: changing a sweep while it runs, and going on with one that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.client import edits
from workbench.client.asking import ask
from workbench.client.context import Context
from workbench.client.edits import apply
from workbench.client.table import Which, trials_of
from workbench.definition.distributions import Distribution

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SweepOperations"]


class SweepOperations:
    """Edits of sweeps; each is done when the call returns, and stays in the sweep's history.

    All of them raise ``NotFoundError`` for an unknown name and ``JobException`` when the sweep's state forbids it.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def trials(self, name: str, *, metrics: Which = "last") -> pd.DataFrame:
        """Return all trials of a sweep as one table, as they now are.

        Args:
            name: the sweep.
            metrics: which value of each metric to show: "last", "min" or "max".

        Returns:
            One row for each trial; see ``trials_table`` for the columns.

        Raises:
            NotFoundError: there is no such sweep.
        """
        return trials_of(self._context.workspace.root, name, metrics)

    def set_limits(
        self, name: str, *, max_total_trials: int | None = None, max_concurrent_trials: int | None = None
    ) -> None:
        """Raise or lower limits; trials that run are not touched.

        Args:
            name: the sweep.
            max_total_trials: how many trials there are at most; no more start once there are as many.
            max_concurrent_trials: how many run at once.

        Raises:
            ValidationException: a limit is not a positive number, or none is given.
        """
        apply(self._context, name, edits.limits(max_total_trials, max_concurrent_trials))

    def pause(self, name: str) -> None:
        """Start no more trials; those that run go on."""
        ask(self._context, name, "hold")

    def resume(self, name: str) -> None:
        """Start trials again."""
        ask(self._context, name, "release")

    def narrow(self, name: str, /, **search_space: Distribution) -> None:
        """Replace the distributions of some parameters for the trials yet to come.

        Args:
            name: the sweep.
            search_space: parameters with their new distributions.

        Raises:
            ValidationException: nothing is given, or something that is no distribution.
        """
        apply(self._context, name, edits.narrow(search_space))

    def enqueue(self, name: str, /, **params: Any) -> None:
        """Add a trial with parameters of your own; it is the next to start, beyond ``max_total_trials`` if need be."""
        apply(self._context, name, edits.enqueue(params))

    def retry_failed(self, name: str) -> None:
        """Run all failed trials again under their names; a sweep that has ended goes on."""
        apply(self._context, name, edits.retry_failed())

    def extend(self, name: str, trials: int) -> None:
        """Add ``trials`` to the total; a sweep that has ended goes on where it stopped.

        Raises:
            ValidationException: the number is not positive.
        """
        apply(self._context, name, edits.extend(trials))
