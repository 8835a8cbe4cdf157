"""The trial host: parent of the user's code and nobody's hostage.

It leads its own session, outlives the supervisor, adopts every orphan of the trial, enforces the timeout, ends the
whole tree and writes ``exit.json`` as its last act. Standard library only, and little of it: this is on the path of
every trial.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.store.files import OWNER_ONLY, TrialFolder, read_json, write_json
from workbench.trial.claims import claim
from workbench.trial.leases import keep_private
from workbench.trial.preparing import builder, lacks_its_image, unfit, why_it_failed
from workbench.trial.processes import FRESH_SIGNALS, adopt_orphans, descendants, end_tree
from workbench.trial.report import poke
from workbench.trial.search_path import is_shadowed
from workbench.trial.sockets import remove_sockets
from workbench.trial.spec import LOST, Exit, TrialSpec
from workbench.trial.warm_process import MARKS, become_python, remark_environment
from workbench.trial.working_copy import copy_tree, remove_unchanged

if TYPE_CHECKING:
    from workbench.trial.printed import Printed
    from workbench.trial.spare import Ready

__all__ = ["command_line", "main", "prepare"]

_WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
_CONTAINER_LOST = "the process that dealt with its container was killed; the container was ended"
_PACKAGE = Path(__file__).resolve().parents[2]
_TAIL_BYTES = 4000
_TAIL_LINES = 20
_PATIENCE, _RETRY = 3600.0, 1.0  # seconds to wait for room on a full disk, and between two tries
_RUNNERS = 5  # processes that may be killed while they deal with one container
_ENGINE_PATIENCE = 600.0  # seconds for an engine that is away to come back, so that a trial can still tidy up
_PAUSE = 1.0  # seconds between two processes that are to end a container
_GPU_PATIENCE = 10.0  # seconds in which a driver has let go of a process that has ended
_LOG_LOOK = 0.5  # seconds between looks at a log that metrics are found in; writing there tells nobody
_NEVER = 86400.0  # seconds; sigtimedwait wants a number

# Without -S the host would import whatever the .pth files of the environment name; without -I, what the user's
# variables name. The package is found from where it lies.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from workbench.trial.host import main; main(*sys.argv[2:])"


def command_line(folder: TrialFolder, lease: Iterable[int] = ()) -> list[str]:
    """Return the command that starts a host for the trial in ``folder``; it inherits the descriptors of ``lease``."""
    return [sys.executable, "-I", "-S", "-c", _BOOT, str(_PACKAGE), str(folder.root), *map(str, lease)]


def main(root: str, *lease: str, ready: Ready | None = None) -> None:
    """Run the trial in a folder to its end, whatever that is.

    Args:
        root: the trial folder.
        lease: descriptors of the trial's lease, to be held as long as this process lives.
        ready: what a fork server had ready when it forked this process; None in a process of its own.
    """
    keep_private(int(descriptor) for descriptor in lease)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    adopt_orphans()
    folder = TrialFolder(Path(root))
    spec = TrialSpec.read(folder)
    before = claim(folder, may_follow=spec.container is not None)
    if before is None:
        return
    _follow_log(spec, folder)
    try:
        ending = _go_on(spec, folder, ready) if before else _run(spec, folder, ready)
    except Exception as error:  # noqa: BLE001 - whatever it was, the trial's record must tell of it
        needed, left = end_tree(_mine, spec.grace, pause=_until_a_child_ends)
        ending = Exit(
            cause="host_error", code=None, ended=time.time(), needed=needed, left=left, message=_explain(error)
        )
    _look_at_log(at_end=True)
    _write_last_word(ending, folder)
    poke(spec.wake)


def _write_last_word(ending: Exit, folder: TrialFolder) -> None:
    """Write ``exit.json``; on a full disk wait until there is room, for the result must not be lost."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            ending.write(folder)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) or time.monotonic() > give_up:
                raise
            time.sleep(_RETRY)  # nothing tells when a disk has room again
        else:
            return


def _run(spec: TrialSpec, folder: TrialFolder, ready: Ready | None) -> Exit:
    prepare(spec, folder)
    os.chdir(folder.work)
    if signal.sigpending() & {signal.SIGTERM, signal.SIGINT}:
        return Exit(cause="terminated", code=None, ended=time.time())
    if spec.environment and not _is_inside(ready) and (ending := _make_environment(spec, folder)):
        return ending
    gone = _gpu_check(spec)
    killings = _kernel_killings()
    if spec.container:
        ending = _run_container(spec, folder, gone, warm=_has_client(ready))
        if not lacks_its_image(spec, folder):
            return ending
        # It was there when the environment was looked for: make it again, once.
        return _make_environment(spec, folder) or _run_container(spec, folder, gone, warm=_has_client(ready))
    started = time.time()
    child = None if ready is None or not spec.words else _fork(spec, folder, ready)
    child = child or _start(spec, folder)
    write_json(folder.host, {**(read_json(folder.host) or {}), "child": {"pid": child, "time": started}})
    poke(spec.wake)
    cause, status = _wait(child, None if spec.timeout is None else time.monotonic() + spec.timeout)
    is_interrupted = spec.notebook is not None and status is None
    needed, left = _end_notebook(child, spec.grace) if is_interrupted else _end_rest(spec.grace)
    left += gone()
    if status is None:
        status = _collected.get(child)
    if spec.notebook and status is not None and os.WIFSIGNALED(status):
        remove_sockets(child, (read_json(Path(spec.surroundings)) or {}) | spec.variables)
    code = None if status is None or os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    ended = time.time()
    if spec.snapshot:
        remove_unchanged(spec.snapshot, str(folder.work))
    return Exit(
        cause=cause,
        code=code,
        signal=_signal_name(status),
        started=started,
        ended=ended,
        needed=needed,
        left=left,
        kernel_killed=cause == "exited" and code != 0 and _kernel_killings() > killings,
        message="" if code == 0 else _traceback(folder) or _tail(folder.log),
    )


def _go_on(spec: TrialSpec, folder: TrialFolder, ready: Ready | None) -> Exit:
    """Follow the container of a host that was killed; the container has not noticed."""
    os.chdir(folder.work)
    return _run_container(spec, folder, _gpu_check(spec, is_used=True), warm=_has_client(ready), is_there=True)


def _is_inside(ready: Ready | None) -> bool:
    """Return whether this process runs in the trial's environment, which is there then, and could not build it."""
    return ready is not None and ready.modules is not None


def _has_client(ready: Ready | None) -> bool:
    """Return whether this process has imported the engine's client."""
    return ready is not None and "docker" in ready.preloaded


def _run_container(
    spec: TrialSpec, folder: TrialFolder, gone: Callable[[], list[int]], *, warm: bool, is_there: bool = False
) -> Exit:
    """Run the command in a container, or follow it in the one that is there.

    A process of its own deals with the engine, and another one goes on if it is killed. What is leased for the trial is
    in use until the engine says that its container is gone, so this does not end before, whatever happens.
    """
    try:
        return _with_container(spec, folder, gone, warm=warm, is_there=is_there)
    except Exception:
        _see_it_gone(spec, folder)
        raise


def _with_container(
    spec: TrialSpec, folder: TrialFolder, gone: Callable[[], list[int]], *, warm: bool, is_there: bool
) -> Exit:
    from workbench.trial.container import ending_of  # noqa: PLC0415 - others need none of it

    told = ending_of(folder) if is_there else None
    so_far = time.time() - told.started if told and told.started else 0.0
    deadline = None if spec.timeout is None else time.monotonic() + spec.timeout - so_far
    for number in range(_RUNNERS):
        child = _start_runner(spec, folder, warm=warm, is_there=is_there or number > 0)
        cause, _ = _wait(child, deadline)
        _, left = _end_rest(spec.grace + _ENGINE_PATIENCE)
        told = ending_of(folder)
        if cause != "exited" or (told and (told.gone or told.error)):
            break
    if told is None or not told.gone:
        _see_it_gone(spec, folder)
        told = ending_of(folder)
    left += gone()
    ended = time.time()
    if spec.snapshot:
        remove_unchanged(spec.snapshot, str(folder.work))
    if told and told.lost and cause == "exited":
        return Exit(cause="host_lost", code=None, ended=ended, left=left + told.left, message=LOST)
    if told is None or (told.code is None and cause == "exited"):
        message = told.error if told and told.error else f"{_CONTAINER_LOST}\n{_tail(folder.host_log)}"
        started = told.started if told else None
        return Exit(cause="host_error", code=None, started=started, ended=ended, left=left, message=message)
    return Exit(
        cause=cause,
        code=told.code,
        started=told.started,
        ended=ended,
        needed=told.needed,
        left=left + told.left,
        kernel_killed=told.oom,
        oom=told.oom,
        message="" if told.code == 0 else _tail(folder.log),
    )


def _see_it_gone(spec: TrialSpec, folder: TrialFolder) -> None:
    """End the trial's container, if it has one, however long the engine is away; who does it may be killed too."""
    from workbench.trial.container import end_command_line  # noqa: PLC0415

    command = end_command_line(folder, str((spec.environment or {})["engine"]))
    while True:
        cleaner = _spawn(command, _helper_variables(spec), folder.host_log)
        _, status = _wait(cleaner, None)
        _end_rest(0)
        if status == 0:
            return
        _until_a_child_ends(_PAUSE)


def _start_runner(spec: TrialSpec, folder: TrialFolder, *, warm: bool, is_there: bool) -> int:
    """Start what deals with the engine: a fork of this process, if that has imported the engine's client."""
    from workbench.trial.container import command_line as container_command  # noqa: PLC0415
    from workbench.trial.container import main as run_container  # noqa: PLC0415

    if not warm:
        return _spawn(container_command(folder, is_there=is_there), _helper_variables(spec), folder.host_log)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            remark_environment(spec.variables)
            code = run_container(str(folder.root), is_there=is_there)
        finally:
            os._exit(code)
    return pid


def _helper_variables(spec: TrialSpec) -> dict[str, str]:
    """Return the variables of a process that helps a trial: what its submitter had, our package, and the marks."""
    surroundings = read_json(Path(spec.surroundings)) or {}
    marks = {name: spec.variables[name] for name in MARKS if name in spec.variables}
    return {**surroundings, **marks, "PYTHONPATH": str(_PACKAGE)}


def prepare(spec: TrialSpec, folder: TrialFolder) -> None:
    """Make the working directory and every folder that the command may write to.

    Raises:
        OSError: the disk is full, or a folder cannot be made.
    """
    for path in (folder.outputs, folder.logs, folder.log.parent, folder.work):
        path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    if spec.snapshot:
        copy_tree(spec.snapshot, str(folder.work))
    for name, kept in (("outputs", folder.outputs), ("logs", folder.logs)):
        link = folder.work / name
        if link.is_dir():  # the code brings a folder of that name: what is in it counts as written by the trial
            kept.rmdir()
            link.rename(kept)
        link.symlink_to(kept, target_is_directory=True)
    for name, is_folder in spec.outputs.items():
        path = Path(spec.variables[f"AZURE_ML_OUTPUT_{name}"])
        (path if is_folder else path.parent).mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    for copy, source in spec.copies.items():
        _copy_input(Path(source), folder.root / copy)


def _copy_input(source: Path, target: Path) -> None:
    if source.is_dir():
        copy_tree(str(source), str(target))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


def _make_environment(spec: TrialSpec, folder: TrialFolder) -> Exit | None:
    """Build the environment, unless it is there; return how the trial ended if it has none now."""
    if command := builder(spec, folder):
        child = _spawn(command, _helper_variables(spec), folder.log)
        cause, status = _wait(child, None)
        if cause != "exited" or status != 0:
            needed, left = _end_rest(spec.grace)
            cause = "not_prepared" if cause == "exited" else cause
            message = why_it_failed(folder) or f"the environment could not be built\n{_tail(folder.log)}"
            return Exit(cause=cause, code=None, ended=time.time(), needed=needed, left=left, message=message)
    if why := unfit(spec):
        return Exit(cause="not_prepared", code=None, ended=time.time(), message=why)
    return None


def _start(spec: TrialSpec, folder: TrialFolder) -> int:
    surroundings = read_json(Path(spec.surroundings)) or {}
    shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
    return _spawn([shell, "-c", spec.command], surroundings | spec.variables, folder.log)


def _spawn(command: list[str], variables: Mapping[str, str], log: Path) -> int:
    return os.posix_spawn(
        command[0],
        command,
        variables,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=FRESH_SIGNALS,
    )


def _fork(spec: TrialSpec, folder: TrialFolder, ready: Ready) -> int | None:
    """Start the command as a fork of this process, which has imported what it needs; None where it needs another."""
    variables = (read_json(Path(spec.surroundings)) or {}) | spec.variables
    words = ["".join(_text_of(part, variables) for part in word) for word in spec.words or ()]
    if is_shadowed(words[1:], variables, ready.preloaded):
        if ready.spare is not None:
            ready.spare.dismiss()
        return None
    if ready.spare is not None and (pid := ready.spare.become(words[1:], variables, str(folder.log))):
        return pid
    pid = os.fork()
    if pid == 0:
        remark_environment(variables)
        log = str(folder.log)
        become_python(words[1:], variables, log, ready.preloaded, ready.changes, modules=ready.modules)
    return pid


def _text_of(part: str | dict[str, str], variables: Mapping[str, str]) -> str:
    return part if isinstance(part, str) else variables.get(part["variable"], "")


_followed: list[Printed] = []


def _follow_log(spec: TrialSpec, folder: TrialFolder) -> None:
    """Look for metrics in what the trial prints from now on, if it has patterns for them."""
    if spec.metric_patterns:
        from workbench.trial.printed import Printed  # noqa: PLC0415 - others need none of it

        _followed.append(Printed(folder.log, folder.metrics, spec.metric_patterns, spec.wake))


def _look_at_log(*, at_end: bool = False) -> None:
    for printed in _followed:
        with suppress(OSError):  # a full disk: what is in the log is found at a later look
            printed.look(at_end=at_end)


_collected: dict[int, int] = {}


def _wait(child: int, deadline: float | None) -> tuple[str, int | None]:
    """Return why the waiting ended, and the child's status if it has ended."""
    while True:
        remaining = _NEVER if deadline is None else deadline - time.monotonic()
        if remaining <= 0:
            return "timeout", None
        caught = signal.sigtimedwait(_WATCHED, min(remaining, _LOG_LOOK) if _followed else remaining)
        _look_at_log()
        if caught is None:
            continue
        if caught.si_signo != signal.SIGCHLD:
            return "terminated", None
        _collect()
        if child in _collected:
            return "exited", _collected[child]


def _collect() -> None:
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _collected[ended[0]] = ended[1]
    except ChildProcessError:
        return


def _end_rest(grace: float) -> tuple[str | None, list[int]]:
    return end_tree(_mine, grace, pause=_until_a_child_ends)


def _end_notebook(runner: int, grace: float) -> tuple[str | None, list[int]]:
    """Let the runner interrupt its kernel, save the notebook and end; only then is the rest ended."""
    deadline = time.monotonic() + grace
    _collect()
    if runner not in _collected:
        os.kill(runner, signal.SIGTERM)
    while runner not in _collected and (remaining := deadline - time.monotonic()) > 0:
        _until_a_child_ends(remaining)
        _collect()
    needed, left = _end_rest(max(0.0, deadline - time.monotonic()))
    return needed or signal.SIGTERM.name, left


def _until_a_child_ends(seconds: float) -> None:
    signal.sigtimedwait({signal.SIGCHLD}, seconds)


def _mine() -> list[int]:
    """Return all that is left of the trial.

    Reading ``/proc`` takes a moment in which a process can fork and end, so that neither it nor its child is seen. But
    orphans become children of this process, and it knows for sure whether it has any.
    """
    while True:
        _collect()
        found = descendants(os.getpid())
        if found or not _has_children():
            return found


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _gpu_check(spec: TrialSpec, *, is_used: bool = False) -> Callable[[], list[int]]:
    """Return what waits, after the trial, until the driver shows nothing of it; that returns what it still shows.

    Args:
        spec: of the trial.
        is_used: whether some of what is there now may be the trial's own.
    """
    if not spec.gpus:
        return list
    from workbench.trial.devices import devices_from  # noqa: PLC0415 - only trials with a GPU pay for it
    from workbench.trial.gpu_release import ended_since, holders, wait_until_free  # noqa: PLC0415

    devices = devices_from(spec.devices, spec.nvml)
    ours = ended_since(() if is_used else holders(spec.gpus, devices))
    return lambda: wait_until_free(spec.gpus, ours, devices, _GPU_PATIENCE, _until_a_child_ends)


def _kernel_killings() -> int:
    """Return how many processes the kernel has killed for want of memory since the machine started."""
    try:
        with open("/proc/vmstat", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except OSError:
        return 0
    return 0


def _traceback(folder: TrialFolder) -> str:
    """Return what the runner of a notebook says of a cell that failed; empty where it said nothing."""
    try:
        return folder.error.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:  # the folder is the trial's own: whatever it makes there must not matter
        return ""


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])


def _explain(error: Exception) -> str:
    if not isinstance(error, OSError):
        return f"the trial could not be run: {type(error).__name__}: {error}"
    where = f" ({error.filename})" if error.filename else ""
    return f"the trial could not be run: {error.strerror or error}{where}"


def _signal_name(status: int | None) -> str | None:
    if status is None or not os.WIFSIGNALED(status):
        return None
    number = os.WTERMSIG(status)
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # one of the real-time signals, which have no names
