"""Work in threads: so much at once, errors where they are awaited, and an end that waits for nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from workbench.server.threads import Threads


def test_no_more_run_at_once_than_there_is_room_for() -> None:
    async def main() -> tuple[list[int], int]:
        threads, running, most = Threads(3, "t"), threading.Semaphore(0), 0
        gate, count, lock = threading.Event(), 0, threading.Lock()

        def work(number: int) -> int:
            nonlocal count, most
            with lock:
                count += 1
                most = max(most, count)
            running.release()
            gate.wait(30)
            with lock:
                count -= 1
            return number

        asked = [asyncio.ensure_future(threads.run(lambda number=number: work(number))) for number in range(10)]  # type: ignore[misc]
        for _ in range(3):
            await asyncio.to_thread(running.acquire)
        gate.set()
        return await asyncio.gather(*asked), most

    assert asyncio.run(main()) == (list(range(10)), 3)


def test_what_is_raised_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        asyncio.run(Threads(1, "t").run(fail))


def test_a_process_ends_although_a_thread_still_works() -> None:
    code = """
import asyncio, threading
from workbench.server.threads import Threads
async def main():
    asyncio.ensure_future(Threads(1, "t").run(lambda: threading.Event().wait(60)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())
"""
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert time.monotonic() - began < 30
    assert ended.stderr == ""
