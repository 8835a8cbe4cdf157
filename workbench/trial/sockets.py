"""The folder that holds the sockets between a notebook's runner and its kernel.

It lies where temporary files do, for a socket's path must be short, and bears the runner's number: a runner that is
killed cannot remove it, and the trial's host knows that number.
"""

from __future__ import annotations

import os

__all__ = ["remove_sockets", "socket_folder"]


def socket_folder() -> str:
    """Make a folder for the sockets of this process and return its path."""
    import tempfile  # noqa: PLC0415 - a host imports this module, and only needs this when a runner was killed

    return os.path.realpath(tempfile.mkdtemp(prefix=f"workbench-{os.getpid()}-"))


def remove_sockets(runner: int) -> None:
    """Remove what a process that has ended left of its sockets."""
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    for folder in Path(tempfile.gettempdir()).glob(f"workbench-{runner}-*"):
        shutil.rmtree(folder, ignore_errors=True)
