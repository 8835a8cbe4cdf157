"""The builder: a form that defines a job or a sweep."""

from __future__ import annotations

from typing import Any

__all__ = ["builder"]


def builder(source: Any = None, *, client: Any = None) -> Any:
    """Return a form that defines a job or a sweep; as the last line of a cell it is shown.

    Args:
        source: what it begins with: a job, a job's name, the path of a script (``.py``), a notebook (``.ipynb``) or a
            YAML file, or YAML itself; an empty form if left out.
        client: the ``MLClient`` to submit with; one for the workspace found from here if left out.

    Raises:
        ValidationException: the source cannot be read.
        NotFoundError: there is no such file and no such job.
    """
    from workbench.views.builder.widget import Builder  # noqa: PLC0415 - widgets are not for every import

    return Builder(source, client=client)
