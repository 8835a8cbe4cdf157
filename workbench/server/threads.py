"""Threads for what must not keep the event loop waiting, and that nobody waits for when the server ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from workbench.views.workers import Workers

__all__ = ["Threads"]

_Answer = TypeVar("_Answer")


class Threads:
    """So many threads at once; who comes when all are busy waits for one without holding the loop.

    Args:
        most: how many.
        name: what they are called.
    """

    def __init__(self, most: int, name: str) -> None:
        self._workers = Workers(most, name)

    async def run(self, work: Callable[[], _Answer]) -> _Answer:
        """Do some work in a thread and return what came of it; what it raises is raised here."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Answer] = loop.create_future()

        def tell(told: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody asks any more
                loop.call_soon_threadsafe(lambda: None if done.done() else told())

        def body() -> None:
            try:
                answer = work()
            except BaseException as error:  # noqa: BLE001 - raised where it is awaited
                raised = error
                tell(lambda: done.set_exception(raised))
            else:
                tell(lambda: done.set_result(answer))

        self._workers.submit(body)
        return await done
