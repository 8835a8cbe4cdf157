"""MLflow's own user interface on a workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.errors import TrackingError
from workbench.tracking.mlflow_app import listen, show

if TYPE_CHECKING:
    from workbench.client.ml_client import MLClient

__all__ = ["serve"]


def serve(client: MLClient, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, to this machine only.

    Args:
        client: of the workspace that is shown.
        port: 0 for any free one.
        ready: called with the address once it can be opened.

    Raises:
        TrackingError: the port cannot be had.
    """
    try:
        listener = listen("127.0.0.1", port)
    except OSError as error:
        text = f"MLflow cannot listen at port {port}: {error.strerror}"
        raise TrackingError(text, fix="Any free port is taken by: workbench ui --port 0") from None
    with listener:
        ready(f"http://127.0.0.1:{listener.getsockname()[1]}")
        show(client.context.workspace, listener)
