"""Finding the job that a call is about, and what it shows of it afterwards."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from workbench.errors import NotFoundError
from workbench.server.operations import Call
from workbench.store.overview import Overview, Wanted
from workbench.views.summaries import Summary

__all__ = ["CLOSED", "Count", "Done", "done", "overview_of", "summary_of"]

CLOSED = ConfigDict(extra="forbid")
"""Of what is sent: a word that is not known is told, not passed over."""

Count = Annotated[int, Field(ge=0, le=1 << 53)]
"""A number of things, or a cursor: no more than JSON and SQLite hold."""


class Done(TypedDict):
    """A job after something was done to it, and what was done in words."""

    told: str
    job: Summary


def overview_of(call: Call, name: str) -> Overview:
    """Return the overview of one job or trial.

    Raises:
        NotFoundError: there is none.
    """
    found = call.reader.context.store.overviews(Wanted(names=[name], archived=None))
    if not found:
        call.reader.jobs.record(name)  # says which there are
        raise NotFoundError(f"no job named {name!r}", str(call.place))
    return found[0]


def summary_of(call: Call, name: str) -> Summary:
    """Return the summary of one job or trial.

    Raises:
        NotFoundError: there is none.
    """
    return call.workspace.summaries.of([overview_of(call, name)], call.reader.context.store)[0]


def done(call: Call, told: str) -> Done:
    """Return what was done, and the job as it now is."""
    return {"told": told, "job": summary_of(call, call.name)}
