"""How magics show a job."""

from __future__ import annotations

from workbench.definition.records import AnyJob

__all__ = ["show"]


def show(job: AnyJob) -> None:
    """Display a job, as it displays itself when it is the last line of a cell."""
    from IPython.display import display  # noqa: PLC0415 - only where there is IPython

    display(job)  # type: ignore[no-untyped-call]
