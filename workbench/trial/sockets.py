"""The folder that holds the sockets between a notebook's runner and its kernel.

It lies where temporary files do, for a socket's path must be short, and bears the runner's number: a runner that is
killed cannot remove it, and the trial's host knows that number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["remove_sockets", "socket_folder"]


def socket_folder() -> str:
    """Make a folder for the sockets of this process and return its path."""
    import tempfile  # noqa: PLC0415 - a host imports this module, and only needs this when a runner was killed

    return os.path.realpath(tempfile.mkdtemp(prefix=f"workbench-{os.getpid()}-"))


def remove_sockets(runner: int, variables: Mapping[str, str]) -> None:
    """Remove what a runner left of its sockets.

    Args:
        runner: the number of a process that has ended.
        variables: what it had in its environment.
    """
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    for folder in Path(variables.get("TMPDIR") or tempfile.gettempdir()).glob(f"workbench-{runner}-*"):
        shutil.rmtree(folder, ignore_errors=True)
