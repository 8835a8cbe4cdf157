"""What a job shows when it is the last line of a cell."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.definition.job import Job

__all__ = ["MIME_TYPE", "bundle", "install"]

MIME_TYPE = "application/vnd.workbench.job+json"
"""Of an output that names a job and its workspace; JupyterLab's extension shows it live."""

_SHOWN = (("workbench.definition.sweep", "Sweep"), ("workbench.definition.command", "Command"))
_NOTEBOOK = ("workbench.definition.notebook", "Notebook")


def install() -> None:
    """Have IPython show submitted jobs as live views; does nothing outside of IPython."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython  # noqa: PLC0415 - there already

    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):  # in a terminal text is what there is
        return
    formatter = shell.display_formatter.mimebundle_formatter
    for module, name in (*_SHOWN, _NOTEBOOK):
        formatter.for_type_by_name(module, name, bundle)


def bundle(job: Job, **options: Any) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]:
    """Return a submitted job as a widget, as a reference for JupyterLab, and as HTML; nothing for one that is not.

    Args:
        job: what is shown.
        options: of IPython's protocol; front ends choose among what there is.
    """
    del options
    root = job.workspace
    if job.status is None or root is None or job.name is None:
        return {}
    from workbench.views.widget import JobWidget  # noqa: PLC0415 - imports ipywidgets

    data, metadata = JobWidget(root, job.name)._repr_mimebundle_() or ({}, {})
    shown = {
        **data,
        MIME_TYPE: {"name": job.name, "workspace": root},
        "text/html": _snapshot(root, job.name),
        "text/plain": f"{job.name}: {job.status}",
    }
    return shown, metadata


def _snapshot(root: str, name: str) -> str:
    from workbench.store.database import Store  # noqa: PLC0415
    from workbench.store.files import WorkspaceFolder  # noqa: PLC0415
    from workbench.views.facts import JobFacts  # noqa: PLC0415
    from workbench.views.snapshot import job_snapshot  # noqa: PLC0415

    workspace = WorkspaceFolder(Path(root))
    with closing(Store(workspace.database)) as store:
        return job_snapshot(JobFacts(store, workspace, name))
