"""Hosts of trials in containers, forked from a process that has imported the engine's client: it is a large one."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from workbench.store.files import TrialFolder, WorkspaceFolder
from workbench.supervisor.warm import ForkServer
from workbench.trial.spec import TrialSpec

__all__ = ["EngineStarts"]

_MODULES = ["workbench.trial.container", "docker", "docker.errors", "docker.tls", "http.client", "netrc"]


class EngineStarts:
    """The fork server of a workspace's trials in containers.

    Args:
        workspace: whose trials they are.
        enabled: False to start everything cold.
    """

    def __init__(self, workspace: WorkspaceFolder, *, enabled: bool) -> None:
        self._workspace = workspace
        self.enabled = enabled
        self._server: ForkServer | None = None

    def start_host(self, spec: TrialSpec, folder: TrialFolder, lease: Sequence[int]) -> int | None:
        """Fork a host for a trial in a container; return its pid, or None to start it cold, as the first one is."""
        if not self.enabled or spec.container is None:
            return None
        if self._server is None:
            environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
            self._server = ForkServer(sys.executable, environment, _MODULES, self._workspace)
            return None
        return self._server.fork(folder, lease)

    @property
    def patience(self) -> float:
        """Seconds until the server is to be ended because nobody asks it."""
        return math.inf if self._server is None else self._server.patience

    def end_idle(self) -> None:
        """End the server when nobody has asked it for a while."""
        if not self.patience:
            self.close()

    def close(self) -> None:
        """End the server; hosts that it has forked run on."""
        if self._server is not None:
            self._server.close()
            self._server = None
