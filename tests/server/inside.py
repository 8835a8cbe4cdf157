"""An extension that tells of its server what it has loaded, and for how long its event loop was held."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado.web import authenticated

__all__: list[str] = []

_TICK = 0.005  # seconds between looks at the clock


class _Beat:
    """Looks at the clock from the loop, from the first question on: as late as it comes, so does everything else."""

    longest = 0.0
    """Seconds that a look came too late at most, since the question before."""
    _running: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK)
            self.longest = max(self.longest, time.perf_counter() - began - _TICK)


class _Inside(APIHandler):
    def initialize(self, beat: _Beat) -> None:
        self._beat = beat

    @authenticated
    async def get(self) -> None:
        self._beat.start()
        loaded = sorted({name.partition(".")[0] for name in sys.modules})
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.finish({"modules": loaded, "longest": self._beat.longest, "bytes": resident})
        self._beat.longest = 0.0


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.server.inside"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    serverapp.web_app.add_handlers(".*$", [(f"{serverapp.base_url}inside", _Inside, {"beat": _Beat()})])
