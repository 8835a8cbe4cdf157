"""How a kernel is reached, known to be ready, and let go; jupyter_client's ways without their waiting."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type

__all__ = ["LONGEST_SOCKET", "AlertChannel", "PromptClient", "let_go", "reach_through_files"]

LONGEST_SOCKET = 95
"""Characters in front of ``-5`` in the 107 that a socket's path may have."""

_LOOK = 1.0  # seconds between two looks whether a kernel that does not answer yet still lives
_NEWS = 0.2  # seconds in which a kernel that answers has been heard on its other channel too
_POLL = 0.003


class AlertChannel(AsyncZMQSocketChannel):
    """A channel that misses no message which arrives while it sends one.

    jupyter_client sends past asyncio, and ZeroMQ's send takes the signal that something can be read with it: whoever
    waits for a message then waits for ever. A widget that catches outputs has its client send while a cell runs.
    """

    def send(self, msg: Any) -> None:
        """Send a message; one that came meanwhile is received by who waits for it."""
        super().send(msg)
        if self.socket is not None:
            self.socket.get(zmq.EVENTS)  # asyncio's socket looks again when it is asked for its events


class PromptClient(AsyncKernelClient):
    """A client that goes on as soon as the kernel has answered.

    jupyter_client's own then waits for 0.2 s of silence, to be rid of what the kernel said before; here nobody listens
    to messages that belong to no cell.
    """

    shell_channel_class = Type(AlertChannel)

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return when the kernel answers and its outputs can be heard.

        Raises:
            RuntimeError: it died, or ``timeout`` seconds have passed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self.kernel_info()
            try:
                await self._answer()
                return
            except Empty:
                if not await self._async_is_alive():
                    raise RuntimeError("the kernel died before it could answer") from None
            if deadline is not None and time.monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer within {timeout:g} s")

    async def _answer(self) -> None:
        message = await self.get_shell_msg(timeout=_LOOK)
        while message["msg_type"] != "kernel_info_reply":
            message = await self.get_shell_msg(timeout=_LOOK)
        # A subscription takes a moment: without this, the first outputs of the first cell could be lost.
        await self.get_iopub_msg(timeout=_NEWS)
        self._handle_kernel_info_reply(message)


def reach_through_files(manager: Any, folder: str) -> None:
    """Let a kernel be reached through sockets in ``folder`` rather than ports of the machine, if it can.

    Ports are found by trying, and many kernels that start at once try the same. Kernels of other languages keep
    them: not every implementation of ZeroMQ knows another way.
    """
    spec, stem = manager.kernel_spec, f"{folder}/kernel"
    if spec is not None and any("ipykernel" in word for word in spec.argv) and len(stem) < LONGEST_SOCKET:
        manager.connection_file = f"{stem}.json"
        manager.transport, manager.ip = "ipc", stem


async def let_go(manager: Any) -> None:
    """Ask an idle kernel to end, and wait until it has, within the manager's patience.

    jupyter_client's own way interrupts the kernel first, which an idle one reports as an error.
    """
    if await manager.is_alive():
        await manager.request_shutdown()
        await manager.finish_shutdown(pollinterval=_POLL)
