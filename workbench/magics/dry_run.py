"""What a dry run shows: the first trials as the sampler will give them, and the cost."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.client.preview import Preview
from workbench.definition.records import AnyJob
from workbench.definition.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DryRun", "duration_text"]


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
        preview = self.preview
        trials = "1 run" if not isinstance(self.job, Sweep) else f"{preview.trials} trials, {preview.slots} at once"
        if preview.each is None or preview.seconds is None:
            return f"{trials}; nothing like it has run yet, so the time is unknown"
        return (
            f"{trials}; about {duration_text(preview.seconds)}, "
            f"as a run of {preview.like} took {duration_text(preview.each)}"
        )

    @property
    def note(self) -> str:
        """What makes the dry run come true."""
        seed = self.preview.seed
        if seed is None or getattr(getattr(self.job, "sampling_algorithm", None), "seed", None) is not None:
            return ""
        return f"drawn with seed {seed}: add --seed {seed} to run exactly these"

    def __repr__(self) -> str:
        lines = [f"Dry run, nothing was submitted: {self.cost}", self.params.to_string(), self.note]
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        table = _table(self.preview.params)
        left = self.preview.trials - len(self.preview.params)
        more = f" … and {left} more" if left > 0 else ""
        note = html.escape(self.note) + more
        return (
            f"<div><strong>Dry run</strong>, nothing was submitted: {html.escape(self.cost)}.</div>"
            f"{table}<div>{note}</div>"
        )


def duration_text(seconds: float) -> str:
    """Return a duration as people read it."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _table(rows: Any) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("trial", *names))
    body = "".join(
        f"<tr><th>{number}</th>{''.join(f'<td>{_cell(row, name)}</td>' for name in names)}</tr>"
        for number, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))
