"""Who may look and not touch."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.authorizer import Authorizer

__all__ = ["LookOnly"]


class LookOnly(Authorizer):
    """Lets everybody look at the workbench, and do nothing there."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Return whether it is about something else, or only a look."""
        return resource != "workbench" or action == "read"
