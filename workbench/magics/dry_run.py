"""What a dry run shows: the first trials as the sampler will give them, and the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.client.preview import Preview
from workbench.definition.records import AnyJob
from workbench.definition.sweep import Sweep
from workbench.views.builder.acting import cost_text, preview_html

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DryRun"]


class DryRun:
    """A job that was looked at and not submitted.

    Args:
        job: the job; submit it with ``ml_client.create_or_update(dry_run.job)``.
        preview: what it would do.
    """

    def __init__(self, job: AnyJob, preview: Preview) -> None:
        self.job, self.preview = job, preview

    @property
    def params(self) -> pd.DataFrame:
        """The parameters of the first trials."""
        import pandas as pd  # noqa: PLC0415 - half a second that only tables cost

        return pd.DataFrame([dict(params) for params in self.preview.params])

    @property
    def cost(self) -> str:
        """Trials, slots and expected time, as one sentence."""
        return cost_text(self.preview, is_sweep=isinstance(self.job, Sweep))

    @property
    def note(self) -> str:
        """What makes the dry run come true; empty where it does in any case."""
        seed = self.preview.seed
        if seed is None or getattr(getattr(self.job, "sampling_algorithm", None), "seed", None) is not None:
            return ""
        return f"drawn with seed {seed}: add --seed {seed} to run exactly these"

    def __repr__(self) -> str:
        lines = [f"Dry run, nothing was submitted: {self.cost}", self.params.to_string(), self.note]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        return preview_html(self.preview, is_sweep=isinstance(self.job, Sweep), note=self.note)
