"""Getting ready, in the process that notebook trials are forked from, for runner, kernel and what the cells import."""

from __future__ import annotations

import builtins
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from workbench.notebooks.kernels import DEFAULT_KERNEL
from workbench.notebooks.unneeded import without_unneeded
from workbench.trial.warm_process import Changes, changes_since, make

__all__ = ["BACKEND", "is_prepared", "like_a_kernel", "logging_as_after", "make_environment", "make_kernel_fresh"]

BACKEND = "module://matplotlib_inline.backend_inline"
"""What ipykernel makes matplotlib's backend, before any cell has run."""

_KERNEL = ("ipykernel.debugger", "ipykernel.ipkernel", "ipykernel.kernelapp", "ipykernel.zmqshell")
# What both sides would import while a notebook runs; a name that an installed version does not have costs nothing.
_LATER = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "IPython.utils.wildcard",
    "jupyter_client.asynchronous.client",
    "jupyter_client.ioloop",
    "jupyter_client.provisioning.local_provisioner",
    "pdb",
    "sqlite3",
    "tornado.platform.asyncio",
    "unittest.mock",
    "zmq.asyncio",
)
_REMADE = ("jsonschema", "papermill", "tqdm")
"""Packages that the runner imports in another way than a cell would; in the kernel they are imported anew."""

_prepared = False
_foreign: list[str] = []
_streams: tuple[object, ...] = ()
_changes: Changes = {}


def is_prepared() -> bool:
    """Return whether this process, or the one that it was forked from, has everything imported."""
    return _prepared


@contextmanager
def like_a_kernel() -> Iterator[Callable[[], bool]]:
    """Import ipykernel, and let modules that are imported meanwhile find what they would find in a cell.

    Then import the runner. Yields what tells whether something was asked of the shell, since it was last called, that
    only a real one can answer.
    """
    global _prepared, _streams  # noqa: PLW0603 - what a forked process knows of the one before it
    before = dict(os.environ)
    for name in _KERNEL:
        importlib.import_module(name)
    from traitlets.config import Config  # noqa: PLC0415 - only where there is ipykernel

    kernel = _StandIn("IPythonKernel", "ipykernel.ipkernel")
    shell = _StandIn("ZMQInteractiveShell", "ipykernel.zmqshell", config=Config(IPKernelApp={}), kernel=kernel)
    _streams = (sys.stdout, sys.stderr)
    _changes.update(changes_since(before))
    with _shown(shell):
        shown = dict(os.environ)
        yield lambda: shell.was_asked() | kernel.was_asked()
        _changes.update(changes_since(shown))
    os.environ.clear()
    os.environ.update(before)
    _import_runner()
    os.environ.clear()
    os.environ.update(before)
    _prepared = True


def make_kernel_fresh() -> None:
    """Take away what the runner has imported in its own way; to be called in a kernel before it is started."""
    for name in _foreign:
        sys.modules.pop(name, None)


def make_environment(variables: Mapping[str, str]) -> None:
    """Give the kernel its environment, with what importing has changed in it."""
    os.environ.clear()
    os.environ.update(variables)
    make(_changes)


@contextmanager
def logging_as_after() -> Iterator[None]:
    """Let log handlers that were made before the kernel, which starts within, be as if they had been made in it."""
    import logging  # noqa: PLC0415 - only a kernel needs it here

    handlers: list[Any] = logging._handlerList  # type: ignore[attr-defined]  # nothing else knows all of them
    there = handlers[:]
    handlers.clear()
    yield
    handlers.extend(there)
    for reference in there:
        handler = reference()
        if isinstance(handler, logging.StreamHandler) and handler.stream in _streams:
            handler.stream = sys.stdout if handler.stream is _streams[0] else sys.stderr


def _import_runner() -> None:
    there = set(sys.modules)
    with without_unneeded(("ipywidgets",)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm misses ipywidgets, and nobody else should
        importlib.import_module("workbench.notebooks.runner")
    _foreign.extend(name for name in set(sys.modules) - there if name.partition(".")[0] in _REMADE)
    for name in _LATER:
        with suppress(ImportError):
            importlib.import_module(name)
    _rehearse()


def _rehearse() -> None:
    """Do once what is slow the first time: compiling schemas, reading entry points."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415 - only where it is warm
    from nbformat.v4 import nbformat, nbformat_minor, new_code_cell, new_notebook  # noqa: PLC0415
    from papermill.execute import execute_notebook  # noqa: PLC0415

    with suppress(NoSuchKernel):
        KernelSpecManager().get_kernel_spec(DEFAULT_KERNEL)
    cell = new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    book = new_notebook(cells=[cell], nbformat=nbformat, nbformat_minor=nbformat_minor)
    execute_notebook(book, None, {"x": 2}, prepare_only=True, kernel_name=DEFAULT_KERNEL, language="python")


class _StandIn:
    """Looks as if it were something else; that more was wanted of it than a look is noted.

    Args:
        name, module: of the class that it seems to have.
        known: attributes that can be had.
    """

    def __init__(self, name: str, module: str, **known: object) -> None:
        self._asked = False
        self.__dict__.update(known)
        self.__class__ = type(name, (_StandIn,), {"__module__": module})

    def was_asked(self) -> bool:
        """Return whether something else was wanted since the last call."""
        asked, self._asked = self._asked, False
        return asked

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            self._asked = True
        raise AttributeError(name)


@contextmanager
def _shown(shell: _StandIn) -> Iterator[None]:
    from ipykernel.zmqshell import ZMQInteractiveShell  # noqa: PLC0415
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415
    from IPython.display import display  # noqa: PLC0415

    set_variables: Any = ZMQInteractiveShell.init_environment
    set_variables(shell)  # all that it touches is os.environ
    os.environ.setdefault("MPLBACKEND", BACKEND)
    InteractiveShell.initialized = classmethod(lambda _: True)  # type: ignore[method-assign, assignment]
    InteractiveShell.instance = classmethod(lambda _, *__, **___: shell)  # type: ignore[method-assign, assignment]
    builtins.get_ipython = lambda: shell  # type: ignore[attr-defined]
    builtins.display = display  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del InteractiveShell.initialized, InteractiveShell.instance  # the inherited ones are back
        del builtins.get_ipython, builtins.display  # type: ignore[attr-defined]
