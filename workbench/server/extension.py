"""What the server answers, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join
from tornado.web import Application

from workbench.server.handlers import JobHandler, PlotlyHandler, ViewHandler

__all__ = ["add_handlers"]

PREFIX = "workbench"


def add_handlers(application: Application, server: Any) -> None:
    """Add the workbench's addresses to a Jupyter server.

    Args:
        application: the server's.
        server: its ``ServerApp``, which says which folder it serves.
    """
    base = url_path_join(application.settings["base_url"], PREFIX)
    options = {"root": Path(server.root_dir).resolve()}
    application.add_handlers(
        ".*$",
        [
            (url_path_join(base, "job"), JobHandler, options),
            (url_path_join(base, "view"), ViewHandler, options),
            (url_path_join(base, "plotly.js"), PlotlyHandler),
        ],
    )
