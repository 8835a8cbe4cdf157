"""The extension of Jupyter's server: its settings, its addresses, and its end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Unicode

from workbench.client.waiting import revive
from workbench.errors import WorkbenchError
from workbench.server.desk import Desk
from workbench.server.handlers import ApiHandler, DescriptionHandler, JobHandler, PlotlyHandler
from workbench.server.places import inside
from workbench.server.routes import by_path
from workbench.server.sockets import ChangesHandler, ViewHandler
from workbench.store.workspace import SERVED_VARIABLE, VARIABLE

__all__ = ["WorkbenchExtension"]

PREFIX = "workbench"


class WorkbenchExtension(ExtensionApp):
    """Jobs, sweeps and models of a workspace over HTTP, for JupyterLab's panel."""

    name = "workbench"
    load_other_extensions = True

    workspace = Unicode(
        "",
        help="""Folder of the workspace that the panel shows, and that notebooks use where no folder above them is one:
        absolute, or relative to the folder that the server serves, and inside of it. By default WORKBENCH_WORKSPACE,
        else the folder that the server serves.""",
    ).tag(config=True)

    worker_idle = Float(
        120.0,
        help="""Seconds after which the process that works with MLflow and Optuna for the panel ends when nothing is
        asked of it. It is started again when something is, which takes some seconds.""",
    ).tag(config=True)

    def initialize_handlers(self) -> None:
        """Add the addresses, all below ``workbench/``."""
        server: Any = self.serverapp
        root = Path(server.root_dir).resolve()
        workspace, refusal = self._chosen(root)
        self.desk = Desk(root, workspace, self.worker_idle, refusal)
        if refusal is None:
            self._tell_kernels()
        else:
            self.log.warning("Workbench: %s", refusal)
        desk = {"desk": self.desk}
        self.handlers.extend(
            [
                (f"/{PREFIX}/job", JobHandler, desk),
                (f"/{PREFIX}/view", ViewHandler, desk),
                (f"/{PREFIX}/changes", ChangesHandler, desk),
                (rf"/{PREFIX}/plotly\.js", PlotlyHandler, desk),
                (rf"/{PREFIX}/api/openapi\.json", DescriptionHandler, desk),
                *(
                    (
                        f"/{PREFIX}/api/{next(iter(operations.values())).pattern}",
                        ApiHandler,
                        {**desk, "operations": operations},
                    )
                    for operations in by_path().values()
                ),
            ]
        )

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Go on with what was running when the machine went down, without keeping the server waiting."""
        del serverapp
        self._reviving = asyncio.create_task(self.desk.run(self._revive, kind="act"))

    async def stop_extension(self) -> None:
        """Close everything."""
        await asyncio.to_thread(self.desk.close)

    def _revive(self) -> None:
        try:
            found = self.desk.find(self.desk.place(None))
            if found is not None and revive(found.client.context):
                self.log.info("Workbench goes on with the unfinished jobs of %s", self.desk.workspace)
        except WorkbenchError as error:
            self.log.warning("Workbench: %s", error)

    def _chosen(self, root: Path) -> tuple[Path, WorkbenchError | None]:
        """Return the workspace, and why it is not the one that was set: another one in its place would look empty."""
        chosen = self.workspace or os.environ.get(VARIABLE, "")
        setting = "WorkbenchExtension.workspace" if self.workspace else f"the variable {VARIABLE}"
        try:
            return inside(root, str(Path(chosen).expanduser())) if chosen else root, None
        except (WorkbenchError, RuntimeError) as error:  # the latter: the home of nobody
            why = error.what if isinstance(error, WorkbenchError) else str(error)
            fix = f"The server serves {root}: name a folder in it, or none"
            return root, WorkbenchError(f"{setting}: {why}", chosen, fix)

    def _tell_kernels(self) -> None:
        """Have notebooks and terminals of this server mean the same workspace as the panel."""
        if self.workspace:
            os.environ[VARIABLE] = str(self.desk.workspace)
        else:
            os.environ[SERVED_VARIABLE] = str(self.desk.workspace)
