"""How a kernel is reached: no message may get lost between two that cross."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from workbench.notebooks.connection import AlertChannel, PromptClient


def test_a_reply_that_comes_while_something_is_sent_is_received() -> None:
    with ThreadPoolExecutor(1) as another:  # a browser's loop may run in this one
        assert another.submit(asyncio.run, _reply_that_crosses()).result() == "execute_reply"


def test_cells_are_run_over_such_a_channel() -> None:
    assert PromptClient().shell_channel_class is AlertChannel


async def _reply_that_crosses() -> str:
    context = zmq.asyncio.Context()
    kernel: zmq.Socket[bytes] = zmq.Context.shadow(context.underlying).socket(zmq.ROUTER)
    kernel.bind("inproc://shell")
    socket = context.socket(zmq.DEALER)
    socket.identity = b"client"
    socket.connect("inproc://shell")
    session = Session()
    channel = AlertChannel(socket, session, asyncio.get_running_loop())
    try:
        waiting = asyncio.ensure_future(channel.get_msg(timeout=None))
        await asyncio.sleep(0)  # it waits now; the two sends below come before the loop can look
        session.send(kernel, "execute_reply", {}, ident=b"client")
        channel.send(session.msg("comm_msg", {}))
        message = await asyncio.wait_for(waiting, 10)
        return str(message["msg_type"])
    finally:
        kernel.close(0)
        socket.close(0)
        context.term()
