"""nbclient as papermill drives it, with a bound on outputs, live progress, and an orderly stop."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbformat.v4 import output_from_msg
from papermill.clientwrap import PapermillNotebookClient

from workbench.errors import JobException
from workbench.notebooks.capping import BoundedOutputWidget, CellOutputs, size_of
from workbench.notebooks.connection import PromptClient, let_go, reach_through_files
from workbench.notebooks.forked import Seed, provide
from workbench.notebooks.reporting import Reporter
from workbench.notebooks.saving import Manager
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.sockets import socket_folder

__all__ = ["Client", "Stopped"]

_PATIENCE = 4.0  # seconds that an interrupted cell has to end before the notebook is saved without it

# To a Python kernel of a trial SIGTERM means what SIGINT does. The host tells the runner, which tells the kernel alone,
# so that the cell's own processes are there while it tidies up; where the runner was killed, the host tells all. It
# is not SIGINT that is sent: while a first signal is under way the system hands a second to any other thread of the
# kernel, and the main thread sleeps on. What the kernel starts or forks keeps what is usual: Python loses a signal that
# reaches a child before the fork is over, so the handler is away for as long as a fork takes. Where no cell could be
# ended, because the next one is on its way, or where the interruption would be lost, in the kernel's own code or in a
# finalizer, the kernel tells itself again until it can be.
#
# And a request to shut down is not over in its thread when the main thread leaves: it waits there for the thread that
# prints, which ends with the main one (ipykernel 7). Exit handlers run in reverse: this is the last of all to wait.
_FIRST = """
import _thread, atexit, os, signal, sys, threading, time
app = sys.modules['ipykernel.kernelapp'].IPKernelApp if 'ipykernel.kernelapp' in sys.modules else None
if app and app.initialized() and app.instance().control_thread:
    atexit.register(app.instance().control_thread.join, 5)
kernel, main, away, told, early = os.getpid(), threading.main_thread().ident, [], [], []
lock = [_thread.allocate_lock()]  # nobody sends a signal while the handler is away
shell = sys.modules.get('IPython.core.interactiveshell')
runs = shell and shell.InteractiveShell.run_code.__code__
def in_cell(frame):
    found = runs is None
    while frame:
        if frame.f_code in (before.__code__, after.__code__) or frame.f_code.co_name == '__del__':
            return False
        found = found or frame.f_code is runs
        frame = frame.f_back
    return found
def remember():
    while not told:
        time.sleep(0.1)
        with lock[0]:
            if signal.getsignal(signal.SIGTERM) is not interrupt:
                return
            signal.pthread_kill(main, signal.SIGTERM)
def interrupt(number, frame):
    if os.getpid() != kernel:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    elif not told:
        answer = signal.getsignal(signal.SIGINT)
        if callable(answer) and (answer is not signal.default_int_handler or in_cell(frame)):
            told.append(number)
            answer(signal.SIGINT, frame)
        elif not early:
            early.append(number)
            _thread.start_new_thread(remember, ())
def before():
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is interrupt:
        lock[0].acquire()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        away.append(True)
def after():
    if away:
        away.clear()
        signal.signal(signal.SIGTERM, interrupt)
        lock[0].release()
def in_child():
    away.clear()
    lock[0] = _thread.allocate_lock()
signal.signal(signal.SIGTERM, interrupt)
os.register_at_fork(before=before, after_in_parent=after, after_in_child=in_child)
"""


class Stopped(BaseException):
    """The trial is told to stop; not an error of the notebook."""


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs the cells of a notebook on a kernel of any language.

    Args:
        manager: papermill's account of the execution.
        reporter: what is told how far it is.
        seed: a process that can become the kernel; None to start one.
        options: nbclient's and papermill's.
    """

    def __init__(self, manager: Manager, reporter: Reporter, seed: Seed | None = None, **options: Any) -> None:
        super().__init__(manager, **options)
        self.widget_registry = {"@jupyter-widgets/output": {"OutputModel": BoundedOutputWidget}}
        self._seed = seed
        self._reporter = reporter
        self._kept: CellOutputs | None = None
        self._kept_of: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._term_interrupts = False
        self._grown = False
        manager.before_save = self._settle

    def execute(self, **kwargs: Any) -> Any:
        """Run all cells; what papermill does, under a signal handler when this is a trial."""
        self._sockets = socket_folder()
        try:
            return self._execute(**kwargs)
        finally:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _execute(self, **kwargs: Any) -> Any:
        if FOLDER_VARIABLE not in os.environ or threading.current_thread() is not threading.main_thread():
            return super().execute(**kwargs)
        with self._stopped_by_sigterm():
            return super().execute(**kwargs)

    def create_kernel_manager(self) -> Any:
        """Return what starts and ends the kernel."""
        manager = super().create_kernel_manager()
        manager.client_factory = PromptClient
        first = _FIRST if FOLDER_VARIABLE in os.environ else None
        self._grown = self._seed is not None and provide(manager, self._seed, first)
        if not self._grown:
            reach_through_files(manager, self._sockets)
        return manager

    async def _async_cleanup_kernel(self) -> None:
        if self.km is not None and self.shutdown_kernel != "immediate":
            await let_go(self.km)
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel, and arrange for signals if it is one of a trial."""
        patient: str = self.shutdown_kernel  # type: ignore[has-type]  # a trait of nbclient's, which has no types here
        self.shutdown_kernel = "immediate"  # one that never spoke needs no farewell
        try:
            client = await super().async_start_new_kernel_client()
        except RuntimeError as error:
            raise JobException(*self._not_started(error)) from error
        self.shutdown_kernel = patient
        spec = self.km.kernel_spec if self.km is not None else None
        if FOLDER_VARIABLE in os.environ and spec is not None and spec.language == "python":
            self._term_interrupts = True
            if not self._grown:
                leaves_no_name = f"exec({_FIRST!r}, {{}})"
                client.execute(leaves_no_name, silent=True, store_history=False, allow_stdin=False)
        return client

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def async_execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Run one cell.

        Raises:
            JobException: the kernel died.
            Stopped: the trial must stop, and the cell before this one had an end.
        """
        if self._stopping:
            raise Stopped
        self._loop = asyncio.get_running_loop()
        try:
            return await super().async_execute_cell(cell, cell_index, **options)
        except DeadKernelError as error:
            raise JobException(f"the kernel died: {await self._cause_of_death()}", self._reporter.where()) from error
        finally:
            self._loop = None
            self._settle()

    execute_cell = run_sync(async_execute_cell)

    async def _cause_of_death(self) -> str:
        provisioner = self.km.provisioner if self.km is not None else None
        code = None if provisioner is None else await provisioner.poll()
        if code is None:
            return "nothing is known of it"
        if code >= 0:
            return f"it left with exit code {code}"
        name = signal.Signals(-code).name
        return f"{name} killed it" + (", as the system does when memory is out" if name == "SIGKILL" else "")

    def _not_started(self, error: RuntimeError) -> tuple[str, str, str]:
        where, fix = f"kernel {self.kernel_name!r}", "See what it printed above"
        if "died" in str(error):
            return "it ended before it could run anything", where, fix
        return f"it did not answer within {self.startup_timeout:g} s of its start", where, fix

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Take up a message of the kernel; what a cell prints goes on at once."""
        output = super().process_message(msg, cell, cell_index)
        if output is not None and output.output_type == "stream":
            self._reporter.printed(output.text)
        return output

    def output(self, outs: list[Any], msg: Any, display_id: str | None, cell_index: int) -> Any:
        """Add an output to the cell, within the bounds; return it whole."""
        if self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            super().output(outs, msg, display_id, cell_index)
            return output_from_msg(msg) if msg["msg_type"] == "stream" else None  # for the log
        if self._kept is None or self._kept_of != cell_index or self.clear_before_next_output:
            self._kept, self._kept_of = CellOutputs(outs), cell_index
        kind = msg["msg_type"]
        if kind not in ("stream", "error") and not self._kept.has_room(size_of(msg["content"])):
            return None
        output = super().output(outs, msg, display_id, cell_index)
        if output is None or kind != "stream":
            return output
        whole = output.copy()
        self._kept.add_text(output)
        return whole

    def clear_output(self, outs: list[Any], msg: Any, cell_index: int) -> None:
        """Forget what the cell has shown."""
        super().clear_output(outs, msg, cell_index)
        if not outs:
            self._kept = None

    def _settle(self) -> None:
        if self._kept is not None:
            self._kept.settle()

    # Stopping

    @contextmanager
    def _stopped_by_sigterm(self) -> Iterator[None]:
        before = signal.signal(signal.SIGTERM, self._on_sigterm)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._stopping:
            return
        self._stopping = self._reporter.stopped = True
        if self._loop is None:
            raise Stopped  # no cell runs: there is nothing to wait for
        self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        loop = asyncio.get_running_loop()
        self._interruption = loop.create_task(
            self._tell_kernel() if self._term_interrupts else self.km.interrupt_kernel()
        )
        loop.call_later(_PATIENCE, self._give_up)

    async def _tell_kernel(self) -> None:
        process = getattr(self.km.provisioner, "process", None)
        if process is not None:
            process.send_signal(signal.SIGTERM)  # kernel managers signal its whole group
        else:
            await self.km.signal_kernel(signal.SIGTERM)

    def _give_up(self) -> None:
        self.shutdown_kernel = "immediate"
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()  # nbclient takes that for a dead kernel, as it soon will be
