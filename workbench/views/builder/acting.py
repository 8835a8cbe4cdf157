"""What the builder's buttons show."""

from __future__ import annotations

import html

from workbench.client.preview import Preview
from workbench.views.words import duration_text

__all__ = ["INSERTED", "cost_text", "insert_later", "preview_html"]


INSERTED = '<div role="status" class="wb-ready">✓ The cell is right below.</div>'
"""What to tell once the front end has put a cell into the notebook."""


def insert_later(text: str) -> str:
    """Put a cell into the notebook of a front end that inserts none by itself, and return what to tell the user.

    A kernel can hand a cell to the notebook only with the answer to a cell that was run.
    """
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - there may be none

    shell = get_ipython()
    if shell is None:
        return '<div class="wb-error" role="status">There is no notebook here; copy the cell below.</div>'
    shell.set_next_input(text, replace=False)
    return (
        '<div role="status">The cell comes with the next cell that is run, right below it; or copy it from below.</div>'
    )


def preview_html(preview: Preview, *, is_sweep: bool, note: str = "") -> str:
    """Return a dry run as the notebook shows it; ``note`` says how to make it come true."""
    cost = html.escape(cost_text(preview, is_sweep=is_sweep))
    left = preview.trials - len(preview.params)
    notes = [f"… and {left} more"] if left > 0 else []
    notes += [html.escape(note)] if note else []
    return (
        f'<div role="status"><b>Dry run</b>, nothing was submitted: {cost}.</div>'
        f"{_table(preview)}<div>{'; '.join(notes)}</div>"
    )


def cost_text(preview: Preview, *, is_sweep: bool) -> str:
    """Return trials, slots and expected time, as one sentence without its stop."""
    trials = f"{preview.trials} trials, {preview.slots} at once" if is_sweep else "1 run"
    if preview.each is None or preview.seconds is None:
        return f"{trials}; nothing like it has run yet, so the time is unknown"
    like = f"as a run of {preview.like} took {duration_text(preview.each)}"
    return f"{trials}; about {duration_text(preview.seconds)}, {like}"


def _table(preview: Preview) -> str:
    names = list(dict.fromkeys(name for row in preview.params for name in row))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("trial", *names))
    body = ""
    for number, row in enumerate(preview.params):
        cells = "".join(f"<td>{_cell(row.get(name))}</td>" for name in names)
        body += f'<tr><th scope="row">{number}</th>{cells}</tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return html.escape(f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value))
