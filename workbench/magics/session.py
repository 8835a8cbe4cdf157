"""What the magics of one kernel share: the client, the kernel's place, the job that was submitted last."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.client.ml_client import MLClient
from workbench.errors import NotFoundError, WorkbenchError
from workbench.notebooks.handover import Handed, as_text, hand_over
from workbench.store.workspace import default_workspace
from workbench.views.builder.cell import CellPlace
from workbench.views.builder.place import running_kernel

__all__ = ["Session", "readable"]

_STOPS_NOTHING = "stopped looking; what was submitted runs on"


class Session:
    """The magics of one kernel.

    Args:
        shell: IPython's.
    """

    last: str | None = None
    """The job that a magic of this kernel has submitted last."""

    _client: MLClient | None = None

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.handed: list[Handed] = []

    @property
    def client(self) -> MLClient:
        """The client of the workspace that this folder belongs to."""
        root = default_workspace().resolve()
        known = Session._client
        if known is None or known.workspace_folder != root or not known.context.store.is_current:
            known = Session._client = MLClient(path=root)
        return known

    @property
    def variables(self) -> dict[str, Any]:
        """The user's variables, without IPython's own."""
        hidden = self.shell.user_ns_hidden
        return {
            name: value for name, value in self.shell.user_ns.items() if name not in hidden or hidden[name] is not value
        }

    def place(self) -> CellPlace:
        """Return what a cell of this kernel means."""
        return CellPlace(self.client.context.workspace, Path.cwd(), running_kernel(), self._hand_over)

    def name_or_last(self, name: str | None, kind: str | None = None) -> str:
        """Return a job's name: the given one, else that of the last job of this kernel, else of the workspace.

        Args:
            name: what the user has written.
            kind: "sweep" if it must be one.

        Raises:
            NotFoundError: there is no job at all.
        """
        if name:
            return name
        records = [record for record in self.client.context.store.jobs() if kind in (None, record.type)]
        if self.last in [record.name for record in records]:
            return str(self.last)
        if not records:
            raise NotFoundError(f"there is no {kind or 'job'} yet", fix="Submit one with %%sweep or %wb run FILE")
        return records[0].name

    def _hand_over(self, names: str) -> str:
        self.handed = hand_over(
            [name for name in names.split(",") if name.strip()], self.variables, self.client.context.workspace
        )
        return as_text(self.handed)


@contextmanager
def readable(*, traceback: bool) -> Iterator[None]:
    """Make every error one readable line, and every warning too.

    Args:
        traceback: whether to print the traceback before that.

    Raises:
        WorkbenchError: whatever goes wrong inside.
    """
    from IPython.core.error import UsageError  # noqa: PLC0415 - only where there is IPython

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)  # noqa: T201
        try:
            yield
        except KeyboardInterrupt:
            raise WorkbenchError(_STOPS_NOTHING) from None
        except (WorkbenchError, UsageError) as error:
            _trace(error, wanted=traceback)
            raise
        except Exception as error:
            _trace(error, wanted=traceback)
            what = f"{type(error).__name__}: {error}"
            fix = None if traceback else "See where it happened with --traceback, or with %wb --debug"
            raise WorkbenchError(what, fix=fix) from error


def _trace(error: BaseException, *, wanted: bool) -> None:
    if wanted:
        import traceback  # noqa: PLC0415 - rarely

        traceback.print_exception(error)
