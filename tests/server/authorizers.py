"""Who may look and not touch, and who may as it is asked."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.authorizer import Authorizer

__all__ = ["REFUSED", "AsAsked", "LookOnly"]

REFUSED = {"X-Refused": "workbench"}
"""What a request says that must not be allowed."""


class AsAsked(Authorizer):
    """Lets everybody do everything, but what a request itself wants to be refused."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Return whether the request does not name the resource."""
        return bool(resource != handler.request.headers.get("X-Refused"))


class LookOnly(Authorizer):
    """Lets everybody look at the workbench, and do nothing there."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Return whether it is about something else, or only a look."""
        return resource != "workbench" or action == "read"
