"""Turning a forked process into what ``python script.py`` would have been.

Standard library only: it runs inside the fork server of whatever Python a job uses.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import gc
import importlib.util
import io
import itertools
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from workbench.trial import randomness
from workbench.trial.apart import Modules, put_in_place
from workbench.trial.processes import FRESH_SIGNALS
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.search_path import resolve_relative, set_script_folder

__all__ = [
    "ENVIRONMENT_ROOM",
    "MARKS",
    "Changes",
    "become_python",
    "changes_since",
    "leave",
    "make",
    "remark_environment",
    "renew_process",
]

MARKS = (FOLDER_VARIABLE, "WORKBENCH_WORKSPACE")
"""Variables by which the processes of a trial are found."""

ENVIRONMENT_ROOM = "WORKBENCH_ROOM"
"""Variable that a fork server is started with: room in which a child writes who it is, for who looks in ``/proc``."""

Changes = dict[str, tuple[str | None, str | None]]
"""What has happened to environment variables: name → value before and after; None for a variable that is not there."""

_IGNORED_BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}


def become_python(
    words: Sequence[str],
    variables: Mapping[str, str],
    log: str,
    preloaded: frozenset[str],
    changes: Changes | None = None,
    keep: Sequence[int] = (),
    modules: Modules | None = None,
) -> NoReturn:
    """Run ``python words…`` in this process, which was just forked, and end it as Python would.

    Args:
        words: the script and its arguments, or ``-m``, a module and its arguments; ``-P`` may come before that.
        variables: all of its environment.
        log: file for its output.
        preloaded: modules that were there before the fork.
        changes: what these have done to the environment when they were imported.
        keep: descriptors that stay open.
        modules: what it finds imported, if that is not what this process has imported.
    """
    code = 1
    try:
        os.setsid()
        _renew_descriptors(log, keep)
        os.environ.clear()
        os.environ.update(variables)
        renew_process()
        make(changes or {})
        resolve_relative()
        if modules is not None:
            put_in_place(modules)
        code = _run(words)
    except BaseException:  # noqa: BLE001 - nothing may return into the host's own code
        traceback.print_exc()
    finally:
        leave(code, preloaded)


def changes_since(before: Mapping[str, str]) -> Changes:
    """Return what has happened to this process's environment since it was ``before``."""
    names = before.keys() | os.environ.keys()
    pairs = {name: (before.get(name), os.environ.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def make(changes: Changes) -> None:
    """Do to this process's environment what was done to another's, but where they were not the same before."""
    for name, (before, after) in changes.items():
        if os.environ.get(name) != before:
            continue
        if after is None:
            del os.environ[name]
        else:
            os.environ[name] = after


def remark_environment(variables: Mapping[str, str]) -> None:
    """Write what tells whose process this is into the room in its first environment, where ``/proc`` shows it.

    A forked process shows its server's environment otherwise, and could not be told from other trials once its host
    has been killed.

    Args:
        variables: the environment of the trial, or as much of it as is known.
    """
    address, size = _environment_room()
    text = b"\0".join(f"{name}={variables[name]}".encode() for name in MARKS if name in variables)
    if len(text) < size:
        ctypes.memmove(address, text.ljust(size, b"\0"), size)


@functools.cache  # once something is written there, it can be found no more
def _environment_room() -> tuple[int, int]:
    """Return address and size in bytes of the room; a size of 0 when the process was started without one."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])
    block = b"\0" + ctypes.string_at(start, end - start)
    place = block.find(f"\0{ENVIRONMENT_ROOM}=".encode())
    return (start + place, block.index(b"\0", place + 1) - place - 1) if place >= 0 else (0, 0)


def renew_process() -> None:
    """Make signals, standard streams and random numbers what they are in a process that has just started."""
    for number in FRESH_SIGNALS - _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _renew_streams()
    randomness.renew()


def _renew_descriptors(log: str, keep: Sequence[int]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    most = min(os.sysconf("SC_OPEN_MAX"), 1 << 16)
    for before, after in itertools.pairwise([2, *sorted(keep), most]):
        os.closerange(before + 1, after)


def _renew_streams() -> None:
    """Make the standard streams anew, of the kind that this process's were when it started as the fork server."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, (name, mode) in enumerate((("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb"))):
        before = getattr(sys, f"__{name}__")
        raw = io.FileIO(number, mode, closefd=False)
        buffer = io.BufferedReader(raw) if name == "stdin" else raw if unbuffered else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(
            buffer,  # a raw file will do, as the interpreter itself shows
            before.encoding,
            before.errors,
            line_buffering=name == "stderr" and not unbuffered,
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(words: Sequence[str]) -> int:
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    try:
        if words[:2] == ["-P", "-m"]:
            _run_module(words[2:], safe_path=True)
        elif words[0] == "-m":
            _run_module(words[1:])
        else:
            _run_script(main, words)
    except SystemExit as leaving:
        return _exit_code(leaving.code)
    except BaseException as error:  # noqa: BLE001 - as the interpreter itself does
        _show(error)
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGINT)
        return 1
    return 0


def _run_script(main: types.ModuleType, words: Sequence[str]) -> None:
    script = words[0]
    sys.argv[:] = words
    folder = os.path.dirname(os.path.realpath(script))  # noqa: PTH120
    set_script_folder(folder)
    try:
        source = Path(script).read_bytes()
    except OSError as error:
        number = error.errno or 0
        sys.stderr.write(f"python: can't open file {os.path.abspath(script)!r}: ")  # noqa: PTH100
        sys.stderr.write(f"[Errno {number}] {os.strerror(number)}\n")
        raise SystemExit(2) from None
    main.__file__ = os.path.abspath(script)  # noqa: PTH100
    main.__dict__["__cached__"] = None
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    exec(compile(source, main.__file__, "exec", dont_inherit=True), main.__dict__)  # noqa: S102 - this is the program


def _run_module(words: Sequence[str], *, safe_path: bool = False) -> None:
    import runpy  # noqa: PLC0415 - only this way of starting needs it

    sys.argv[:] = words
    set_script_folder(None if safe_path else os.getcwd())  # noqa: PTH109
    try:
        trouble = "" if importlib.util.find_spec(words[0]) else f"No module named {words[0]}"
    except ImportError as error:
        kind = type(error).__name__
        trouble = f"Error while finding module specification for {words[0]!r} ({kind}: {error})"
    if trouble:
        sys.stderr.write(f"{sys.executable}: {trouble}\n")
        raise SystemExit(1)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _show(error: BaseException) -> None:
    """Print a traceback that begins with the program's first frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)


def _exit_code(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def leave(code: int, preloaded: frozenset[str]) -> NoReturn:
    """End the process as the interpreter does: threads, exit handlers, then whatever the program still holds.

    Only what came after the fork is taken down: the rest belongs to the server, and touching it would copy it.

    Args:
        code: the exit code.
        preloaded: modules that were there before the fork.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # joins the threads that are no daemons
        atexit._run_exitfuncs()
        if _has_daemons():
            _finalize(code)
        else:
            _clear_modules(preloaded)
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
        ctypes.CDLL(None).fflush(None)  # what libraries have printed past Python
    finally:
        os._exit(code)


def _has_daemons() -> bool:
    """Return whether threads may go on to run what this program has imported; a kernel's own run nothing of it."""
    threads = threading.enumerate()
    harmless = sum(type(thread).__module__.startswith("ipykernel.") for thread in threads)
    return len(sys._current_frames()) - harmless > 1


def _clear_modules(preloaded: frozenset[str]) -> None:
    for name, module in list(sys.modules.items()):
        if (name == "__main__" or name not in preloaded) and isinstance(module, types.ModuleType) and name != __name__:
            module.__dict__.clear()  # files that were left open are written here


def _finalize(code: int) -> None:
    """End as the interpreter itself does, where there are daemon threads: only it can keep them from running on.

    They would see disappear what they use. It takes longer. What libraries have registered to be done at the very end
    is not done: it may wait for threads that a fork loses.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        library.on_exit(ctypes.cast(library._exit, ctypes.c_void_p), None)
        sys.stdout.flush()
        library.fflush(None)
        ctypes.pythonapi.Py_Exit(code)
