"""The Jupyter server's part: views of jobs that need no kernel."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "workbench.server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from workbench.server.extension import add_handlers  # noqa: PLC0415 - Jupyter imports this to ask what there is

    add_handlers(server.web_app, server)
