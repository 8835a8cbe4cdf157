"""papermill's engine ``workbench``: an executed notebook that can be read while it runs, progress, bounded outputs."""

from __future__ import annotations

from typing import Any

from papermill.engines import NBClientEngine
from papermill.log import logger
from papermill.utils import merge_kwargs, remove_args

from workbench.notebooks.forked import Seed
from workbench.notebooks.kernel_client import Client
from workbench.notebooks.reporting import Reporter
from workbench.notebooks.saving import Manager

__all__ = ["WorkbenchEngine"]


class WorkbenchEngine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Executes notebooks for ``papermill --engine workbench`` and for trials.

    Inside a trial it reports progress to that trial, and stops in order when the trial is told to.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        reporter: Reporter | None = None,
        job: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Execute ``nb`` and return it; papermill's signature, and who is told how far it is, and for which job."""
        reporter = reporter or Reporter()
        if job is not None:
            nb.metadata["workbench"] = {"job": job}  # leads from a copy of the executed notebook back to its trial
        manager = Manager(
            nb,
            on_cell=reporter.cell_begins,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )
        reporter.begin(nb.cells)
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, log_output=log_output, reporter=reporter, **kwargs)
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Manager,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        reporter: Reporter | None = None,
        seed: Seed | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the cells; papermill's own way but for the client, and for ``seed``, a process to become the kernel."""
        options = merge_kwargs(
            remove_args(["timeout", "startup_timeout", "input_path"], **kwargs),
            timeout=execution_timeout or kwargs.get("timeout"),
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
        )
        return Client(nb_man, reporter or Reporter(), seed, **options).execute()
