"""The Jupyter server's part: jobs, sweeps and models over HTTP, and views of them that need no kernel."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from workbench.server.extension import WorkbenchExtension  # noqa: PLC0415 - Jupyter imports this to ask

    return [{"module": "workbench.server", "app": WorkbenchExtension}]
