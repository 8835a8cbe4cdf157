"""The worker process: ``python -m workbench.server.worker_main <descriptor of its connection>``."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from workbench.errors import WorkbenchError

__all__ = ["main"]

_MOST = 8  # calls that go on at once

_log = logging.getLogger("workbench.worker")


def main(descriptor: int) -> None:
    """Do what is asked until the connection ends.

    That is seen whatever is under way, and ends the process at once: who has asked is gone. A signal of the kernel at
    the parent's end would come with the end of the thread that started this process.
    """
    connection: Connection[tuple[int, bytes], tuple[int, bytes]] = Connection(descriptor)
    sending = threading.Lock()
    threads = ThreadPoolExecutor(_MOST)

    def answer(number: int, work: bytes) -> None:
        told = _call(work)
        with sending:
            connection.send((number, told))

    while True:
        try:
            number, work = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        threads.submit(answer, number, work)


def _call(work: bytes) -> bytes:
    try:
        function, args, kwargs = pickle.loads(work)  # noqa: S301 - the server's own
        return pickle.dumps((True, function(*args, **kwargs)))
    except WorkbenchError as error:
        return pickle.dumps((False, error))
    except BaseException as error:  # noqa: BLE001 - told to who asks, whatever it was; the log has the rest
        _log.exception("the worker could not do what it was asked for")
        what = f"{type(error).__name__}: {error}"
        return pickle.dumps((False, WorkbenchError(what, fix="The server's log says where that happened")))


if __name__ == "__main__":
    main(int(sys.argv[1]))
