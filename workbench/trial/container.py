"""One trial in a container: ``python -m workbench.trial.container <trial folder>``, started by the trial's host.

To the host it is what the command is to other trials: it lives as long as the container, ends with its exit code, and
takes SIGTERM as the wish to stop. What an exit code cannot say is in ``container.json``. The trial's folder has the
same path inside as outside, so that nothing in it has to be translated.
"""

from __future__ import annotations

import os
import pwd
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.environments.engine import DISK_FULL, LABEL, connect, explain, is_disk_full, is_podman
from workbench.environments.network import NETWORK, ensure_network
from workbench.errors import EngineError
from workbench.store.files import TrialFolder, read_json, write_json
from workbench.trial.bare import FOLDER_VARIABLE, poke
from workbench.trial.docker_args import parse_docker_args
from workbench.trial.processes import descendants, is_marked
from workbench.trial.spec import TrialSpec

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["AWAY", "Ending", "command_line", "end_command_line", "end_container", "ending_of", "main"]

REPORTING = "/opt/workbench/lib"
"""Where the file is mounted that gives a program ``workbench.log``."""

_Answer = TypeVar("_Answer")
_STOP = {signal.SIGTERM, signal.SIGINT}
_OVER = signal.SIGUSR1  # a thread tells the main one that the container has ended
_NOTEBOOK = (
    "python=$(command -v python || command -v python3) || { "
    'echo "a notebook needs Python in the image, and it has none"; exit 64; }; '
    f'exec "$python" {REPORTING}/workbench_notebook.py'
)
_PATIENCE = 30.0  # seconds for the engine to be rid of a container
_TICK = 0.1
_AT_ONCE = 0.02  # seconds between two looks at processes that have been asked to end
_PAUSE = 1.0  # seconds until an engine that has not done it is asked again to end a container
_FAILED = 125
_NO_LOG = 121
_SHELLS = ("bash", "sh", "dash", "ash", "busybox")
_SHM_SIZE = "2g"  # as Azure ML's; the engine's own 64 MB are too few for the workers of a data loader
_OTHER_USER = (
    "docker_args --user={user}: that user may not write into the job's folder, which is yours; leave --user out, "
    "or name your own: --user={uid}"
)
_UNREACHABLE = "http://no-network-to-mlflow.invalid"
_SOURCE_MISSING = "bind source path does not exist: "
_NO_CDI = (
    "Podman cannot give a GPU to a container; install nvidia-container-toolkit, then run: "
    "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
)
_NO_GPU_RUNTIME = (
    "the container engine cannot give a GPU to a container; install nvidia-container-toolkit, then run: "
    "sudo nvidia-ctk runtime configure && sudo systemctl restart docker"
)
# The output goes straight into the trial's log: nobody has to live for it to arrive.
_SHELL = (
    f'true >>"$WORKBENCH_LOG" || exit {_NO_LOG}; exec >>"$WORKBENCH_LOG" 2>&1 </dev/null; '
    'test -x /bin/bash && exec /bin/bash -c "$0"; exec /bin/sh -c "$0"'
)


@dataclass(kw_only=True)
class Ending:
    """What is known of a trial's container; written as ``container.json``.

    Args:
        id: the engine's name for it.
        started: seconds since the epoch, or None.
        code: exit code of the command.
        oom: whether the kernel killed something in it because it had reached its memory limit.
        needed: the hardest signal that was sent to it.
        gone: whether the engine says that it has no such container any more.
        left: pids of it that would not go.
        image_is_missing: whether there was no such image.
        lost: whether it had not been started when the process that was about to was killed.
        error: why it did not run.
        trouble: why nothing happens at the moment; empty when nothing is in the way.
    """

    id: str | None = None
    started: float | None = None
    code: int | None = None
    oom: bool = False
    needed: str | None = None
    gone: bool = False
    left: list[int] = field(default_factory=list)
    image_is_missing: bool = False
    lost: bool = False
    error: str = ""
    trouble: str = ""

    def write(self, folder: TrialFolder) -> None:
        """Write this into the trial's folder."""
        write_json(folder.container, asdict(self))


def ending_of(folder: TrialFolder) -> Ending | None:
    """Return what is known of the container of a trial; None when nothing is."""
    try:
        record = read_json(folder.container)
        return None if record is None else Ending(**record)
    except (OSError, ValueError, TypeError):  # the folder is the trial's own: whatever it writes there must not matter
        return None


AWAY = "the container engine does not answer, and is asked again"
"""With what the trouble begins of a trial whose engine is away."""


def command_line(folder: TrialFolder, *, is_there: bool = False) -> list[str]:
    """Return the command that runs a trial's container, or that follows the one it has."""
    what = "--follow" if is_there else "--run"
    return [sys.executable, "-P", "-m", __name__, what, str(folder.root)]


def end_command_line(folder: TrialFolder, engine: str) -> list[str]:
    """Return the command that ends a trial's container, and succeeds only once there is none."""
    return [sys.executable, "-P", "-m", __name__, "--end", str(folder.root), engine]


def main(root: str, *, is_there: bool = False) -> int:
    """Run the container of the trial in ``root`` to its end; return its exit code.

    Args:
        root: of the trial's folder.
        is_there: whether another process, which was killed, may have started it; it is never started twice.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP | {_OVER})
    folder = TrialFolder(Path(root))
    spec = TrialSpec.read(folder)
    ending = (ending_of(folder) if is_there else None) or Ending()
    try:
        if is_there:
            _go_on(spec, folder, ending)
        else:
            _run(spec, folder, ending)
    except EngineError as error:
        ending.error = str(error)
    ending.write(folder)
    return _FAILED if ending.error else ending.code or 0


def end_container(folder: TrialFolder, engine: str) -> Ending:
    """End and remove whatever container the trial in ``folder`` has; return how that went.

    Finds it by its label, and touches no other.

    Args:
        folder: of the trial; it may be gone.
        engine: address of the engine.
    """
    ending = ending_of(folder) or Ending()
    before, ending.gone, ending.trouble = ending.trouble, False, ""
    try:
        _remove_all(connect(engine), folder, ending)
    except (EngineError, OSError) as error:  # all that the client raises of its own is an OSError
        why = error if isinstance(error, EngineError) else explain(error, engine)
        ending.error = ending.error or str(why)
        ending.trouble = before if before.startswith(AWAY) else f"{AWAY}: {why}"
    if not ending.gone:
        ending.trouble = ending.trouble or ending.error
    with suppress(OSError):  # the disk is full, or the folder is gone; what has happened has happened
        ending.write(folder)
    return ending


def _remove_all(api: APIClient, folder: TrialFolder, ending: Ending) -> None:
    found = api.containers(all=True, filters={"label": f"{LABEL}.folder={folder.root}"})
    gone = True
    for container in found:
        ending.id, ending.needed = container["Id"], signal.SIGKILL.name
        _remove(api, container["Id"], ending)
        gone, ending.gone = gone and ending.gone, False
    ending.gone = gone


class _Line:
    """The line to the engine, which is asked until it answers: a container runs on while its engine is away.

    Args:
        spec: of the trial.
        folder: where it is noted that the engine is away.
        ending: where that is noted too.
    """

    _noting = threading.Lock()

    def __init__(self, spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
        self._spec, self._folder, self._ending = spec, folder, ending
        self._place = str((spec.environment or {})["engine"])
        self._api: APIClient | None = None

    def ask(self, question: Callable[[APIClient], _Answer]) -> _Answer:
        """Return what ``question`` returns once the engine answers it.

        Raises:
            APIError: the engine's answer is that it cannot be.
        """
        from docker.errors import APIError, DockerException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - requests lets some of its own through

        while True:
            try:
                if self._api is None:
                    self._api = connect(self._place)
                    self._api.version(api_version=False)
                    self._note(None)  # the answer to the question itself may take as long as the trial
                answer = question(self._api)
            except APIError as error:
                if error.status_code is not None and error.status_code < 500:
                    raise
                self._note(error)
            except (DockerException, EngineError, HTTPError, OSError) as error:
                self._note(error)
            except (KeyError, TypeError, ValueError):  # the client's, over an answer that is none
                self._note(OSError("its answer cannot be understood"))
            else:
                self._note(None)
                return answer
            self._api = None
            time.sleep(_TICK)  # nothing tells when it answers

    def _note(self, error: Exception | None) -> None:
        why = error if error is None or isinstance(error, EngineError) else explain(error, self._place)
        trouble = "" if why is None else f"{AWAY}: {why}"
        with self._noting:
            if trouble == self._ending.trouble or (trouble and self._ending.trouble.startswith(AWAY)):
                return
            self._ending.trouble = trouble
            with suppress(OSError):
                self._ending.write(self._folder)
        poke(self._spec.wake)


def _run(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    wanted = spec.environment or {}
    try:
        api = connect(wanted["engine"])
    except EngineError:
        ending.gone = True  # nothing has been asked for
        raise
    from docker.errors import APIError, DockerException, ImageNotFound  # noqa: PLC0415

    try:
        ending.id = _created(api, spec, folder)
        _connect_too(api, spec, ending.id)
        api.start(ending.id)
    except ImageNotFound:
        ending.image_is_missing = True
        ending.error = (
            f"there is no image {wanted['image']}; it was removed since the environment was made. Submit the job again"
        )
    except APIError as error:
        ending.error = _refusal(str(error.explanation or error), spec)
    except (DockerException, OSError) as error:
        ending.error = str(explain(error, wanted["engine"]))
    else:
        ending.started = time.time()
        _see_to_its_end(spec, folder, ending)
        return
    # An engine that did not answer in time may have made it nevertheless.
    ending.write(folder)
    ended = end_container(folder, wanted["engine"])
    ending.gone, ending.left, ending.trouble = ended.gone, ended.left, ended.trouble


def _see_to_its_end(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    _say_started(spec, folder, ending)
    _follow(spec, folder, ending)
    with suppress(OSError):  # a full disk; once it is removed, nobody but this process knows how it ended
        ending.write(folder)
    _Line(spec, folder, ending).ask(lambda api: _remove(api, str(ending.id), ending))


def _go_on(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    """See to the end of a container that another process has started, which was killed.

    The container has not noticed: its output and its metrics go into the folder by themselves.
    """
    ending.error, ending.gone = "", False
    place = (spec.environment or {})["engine"]
    from docker.errors import APIError  # noqa: PLC0415

    try:
        found = _Line(spec, folder, ending).ask(lambda api: _started_container(api, folder))
    except APIError as error:
        raise explain(error, place) from error
    if found is not None:
        ending.id, ending.started = found
        _see_to_its_end(spec, folder, ending)
        return
    ended = end_container(folder, place)  # one that was made and not started, or is of an earlier boot
    ending.gone, ending.left, ending.error, ending.trouble = ended.gone, ended.left, ended.error, ended.trouble
    ending.lost = ending.code is None  # else its end was written down, and it was just being removed


def _started_container(api: APIClient, folder: TrialFolder) -> tuple[str, float] | None:
    """Return id and start, in seconds since the epoch, of the container that runs or ran for a trial since the boot."""
    from docker.errors import NotFound  # noqa: PLC0415

    labels = [f"{LABEL}.folder={folder.root}", f"{LABEL}.boot={_boot_id()}"]
    for container in api.containers(all=True, filters={"label": labels}):
        try:
            state = api.inspect_container(container["Id"])["State"]
        except NotFound:  # somebody removes it this moment
            continue
        started = datetime.fromisoformat(state["StartedAt"])
        if state["Status"] != "created" and started.year > 1:
            return str(container["Id"]), started.timestamp()
    return None


def _connect_too(api: APIClient, spec: TrialSpec, container: str) -> None:
    """Let a container with a network of the user's choice reach MLflow as well."""
    chosen = parse_docker_args((spec.container or {}).get("docker_args")).get("network_mode")
    if chosen not in (None, "host", "none") and not str(chosen).startswith("container:"):
        api.connect_container_to_network(container, NETWORK)


def _created(api: APIClient, spec: TrialSpec, folder: TrialFolder) -> str:
    from docker.errors import APIError  # noqa: PLC0415

    name = f"workbench-{spec.name}"
    options = _options(api, spec, folder)
    try:
        return str(api.create_container(name=name, **options)["Id"])
    except APIError as error:
        if error.status_code != 409:
            raise
    # A host that was killed has left it, or another workspace has a job of that name.
    end_container(folder, spec.environment["engine"] if spec.environment else "")
    try:
        return str(api.create_container(name=name, **options)["Id"])
    except APIError as error:
        if error.status_code != 409:
            raise
        return str(api.create_container(**options)["Id"])


def _options(api: APIClient, spec: TrialSpec, folder: TrialFolder) -> dict[str, Any]:
    from docker.types import Mount  # noqa: PLC0415

    wanted = spec.container or {}
    image = (spec.environment or {})["image"]
    extra = parse_docker_args(wanted.get("docker_args"))
    user = extra.pop("user", None)
    variables = {
        "HOME": "/tmp",  # noqa: S108 - inside the container; the user has no home there
        **({} if user else dict.fromkeys(("USER", "LOGNAME"), _user_name())),  # nor a line in its list of users
        **spec.variables,
        "WORKBENCH_LOG": str(folder.log),
        **_given_variables(extra.pop("environment", []), spec),
    }
    theirs = api.inspect_image(image)["Config"].get("Env") or []
    search = dict(text.partition("=")[::2] for text in theirs).get("PYTHONPATH")
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), search, REPORTING]))
    host: dict[str, Any] = {
        "init": True,
        "log_config": {"Type": "none", "Config": {}},
        # The engine would make a folder of root's where the source of a bind is missing; it refuses such a mount.
        "mounts": [Mount(inside, here, type="bind", read_only=how == "ro") for here, inside, how in wanted["mounts"]],
        "shm_size": wanted.get("shm_size") or _SHM_SIZE,
        "mem_limit": wanted.get("memory"),
        "memswap_limit": extra.get("mem_limit") or wanted.get("memory"),
        "nano_cpus": wanted.get("nano_cpus"),
        "group_add": [str(group) for group in os.getgroups()],
        "device_requests": _devices(api, spec.gpus),
    }
    variables |= _tracking(api, wanted, extra, host)
    hostname = extra.pop("hostname", None)
    config = api.create_host_config(**{name: value for name, value in (host | extra).items() if value})
    return {
        "image": image,
        "entrypoint": ["/bin/sh", "-c", _SHELL],
        "command": [_NOTEBOOK if spec.notebook else spec.command],
        "environment": variables,
        "working_dir": str(folder.work),
        "user": user or f"{os.getuid()}:{os.getgid()}",
        "hostname": hostname,
        "host_config": config,
        "labels": {
            LABEL: "trial",
            f"{LABEL}.workspace": spec.variables["WORKBENCH_WORKSPACE"],
            f"{LABEL}.job": spec.name,
            f"{LABEL}.folder": str(folder.root),
            f"{LABEL}.boot": _boot_id(),
        },
    }


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _given_variables(words: list[str], spec: TrialSpec) -> dict[str, str]:
    """Return what ``--env`` gives: a name alone stands for the value that it has where the job was submitted."""
    theirs = (read_json(Path(spec.surroundings)) or {}) if any("=" not in word for word in words) else {}
    found = {name: value if equals else theirs.get(name) for name, equals, value in (w.partition("=") for w in words)}
    return {name: value for name, value in found.items() if value is not None}


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _tracking(api: APIClient, wanted: Mapping[str, Any], extra: dict[str, Any], host: dict[str, Any]) -> dict[str, str]:
    """Choose the network, and return the variables that lead to MLflow from there."""
    chosen = extra.get("network_mode")
    if chosen == "host":
        return {}  # as on this machine
    if chosen is None:
        host["network_mode"] = NETWORK
    elif chosen == "none" or chosen.startswith("container:"):
        return dict.fromkeys(("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"), _UNREACHABLE)
    address = f"http://{ensure_network(api)}:{wanted['port']}"
    return {"MLFLOW_TRACKING_URI": address, "MLFLOW_REGISTRY_URI": address}


def _devices(api: APIClient, gpus: list[str]) -> list[dict[str, Any]]:
    """Return how the engine is asked for GPUs: by CDI names where it has them, else through NVIDIA's runtime.

    Podman knows nothing but CDI names, and would start a container without the GPU if it were asked otherwise.
    """
    if not gpus:
        return []
    folders = [Path(folder) for folder in api.info().get("CDISpecDirs") or ()]
    if is_podman(api) or any(file for folder in folders for file in folder.glob("*nvidia*")):
        return [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={uuid}" for uuid in gpus]}]
    return [{"Driver": "", "DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}]


def _say_started(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    ending.write(folder)
    host = read_json(folder.host) or {}
    write_json(folder.host, {**host, "child": {"pid": os.getpid(), "time": ending.started}})
    poke(spec.wake)


def _follow(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    """Wait until the container ends by itself, or end it when that is asked for."""
    over = threading.Event()
    line = _Line(spec, folder, ending)
    threading.Thread(target=_await_end, args=(line, str(ending.id), over), daemon=True).start()
    signal.sigwait(_STOP | {_OVER})
    line = _Line(spec, folder, ending)  # the other one is still waiting for an answer
    if not over.is_set():
        _stop(line, spec, ending, over)
    line.ask(lambda api: _read_state(api, ending))
    user = parse_docker_args((spec.container or {}).get("docker_args")).get("user")
    if ending.code == _NO_LOG and user is not None:
        ending.code, ending.error = None, _OTHER_USER.format(user=user, uid=os.getuid())


def _await_end(line: _Line, container: str, over: threading.Event) -> None:
    """Wait until the engine says that the container has ended, on a connection of its own; wake the main thread."""
    while not over.is_set():
        if line.ask(lambda api: _has_ended(api, container)):
            over.set()
    os.kill(os.getpid(), _OVER)


def _has_ended(api: APIClient, container: str) -> bool:
    """Wait for the end of a container as long as the engine's answer takes; return whether it has come.

    An engine that stops or is being started again answers all kinds of things: only what it then says of the container
    counts.
    """
    from docker.errors import NotFound  # noqa: PLC0415

    try:
        api.wait(container, timeout=None)
        state = api.inspect_container(container)["State"]
    except NotFound:
        return True
    return not (state["Running"] or state.get("Restarting"))


def _stop(line: _Line, spec: TrialSpec, ending: Ending, over: threading.Event) -> None:
    from docker.errors import APIError  # noqa: PLC0415

    container = str(ending.id)
    ending.needed = signal.SIGTERM.name
    first = None
    with suppress(APIError):  # it may have ended this moment
        first = line.ask(lambda api: _ask_to_end(api, container))
    until = time.monotonic() + spec.grace
    if first:
        _end_in_order(first, until, over)
    if not over.wait(max(0.0, until - time.monotonic())):
        ending.needed = signal.SIGKILL.name
        with suppress(APIError):
            line.ask(lambda api: api.kill(container, signal.SIGKILL.value))
        over.wait(_PATIENCE)


def _ask_to_end(api: APIClient, container: str) -> int | None:
    """Return the first process of a container if its processes can be signalled from here; else let the engine do it.

    The engine reaches the command only: the first process hands on what it gets. So nobody may be told by both ways.
    """
    first, *others = _pids(api, container) or [0]
    if others and _signal(others[0], 0):
        return first
    api.kill(container, signal.SIGTERM.value)
    return None


def _end_in_order(first: int, until: float, over: threading.Event) -> None:
    """Send SIGTERM, once, to every process in a container but its first, and to those that they start meanwhile.

    With the command the container ends, and with it all that still tidies up: a shell that only waits for what it has
    started is held, so that it starts nothing more, and told when it is the last one.
    """
    command = next(iter(descendants(first)), None)
    shell = command if command and _is_shell(command) and _signal(command, signal.SIGSTOP) else None
    told: set[int] = set()
    try:
        while others := [pid for pid in descendants(first) if pid != shell]:
            for pid in reversed(others):
                if pid not in told:
                    _signal(pid, signal.SIGTERM)
                    told.add(pid)
            if over.wait(_AT_ONCE) or time.monotonic() > until:
                return
    finally:
        if shell:
            _signal(shell, signal.SIGTERM)
            _signal(shell, signal.SIGCONT)


def _pids(api: APIClient, container: str) -> list[int]:
    """Return the pids, as this machine counts them, of what runs in a container.

    An engine may count otherwise, in a virtual machine or as the container does: none that does not show that it is
    of the trial is believed.
    """
    from docker.errors import APIError  # noqa: PLC0415

    try:
        found = api.inspect_container(container)
    except APIError:
        return []
    first, folder = int(found["State"]["Pid"]), found["Config"]["Labels"][f"{LABEL}.folder"]
    return [first, *descendants(first)] if first and is_marked(first, FOLDER_VARIABLE, folder) else []


def _signal(pid: int, number: int) -> bool:
    """Send a signal to one process; return whether that is allowed here."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _is_shell(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in _SHELLS
    except OSError:
        return False


def _read_state(api: APIClient, ending: Ending) -> None:
    from docker.errors import APIError  # noqa: PLC0415

    try:
        state = api.inspect_container(ending.id)["State"]
    except APIError as error:
        if ending.needed is None:
            ending.error = f"the container is gone, and not by our doing: {error.explanation or error}"
        return
    if state["Running"]:
        return  # its exit code is 0, which means nothing yet
    ending.code, ending.oom = state["ExitCode"], bool(state["OOMKilled"])
    if state.get("Error"):
        ending.error = state["Error"]


def _remove(api: APIClient, container: str, ending: Ending) -> None:
    """Remove a container and see that it is gone."""
    from docker.errors import APIError, NotFound  # noqa: PLC0415

    until = time.monotonic() + _PATIENCE
    while True:
        try:
            api.remove_container(container, v=True, force=True)
        except NotFound:
            ending.gone, ending.left = True, []
            return
        except APIError as error:
            if time.monotonic() > until:
                ending.left = _pids(api, container)
                ending.error = ending.error or f"its container cannot be removed: {error.explanation or error}"
                return
            time.sleep(_TICK)


def _refusal(said: str, spec: TrialSpec) -> str:
    """Return what the engine's refusal to start a container means, and what to do."""
    image = (spec.environment or {})["image"]
    if is_disk_full(said):
        return f"{DISK_FULL}\n{said}"
    if _SOURCE_MISSING in said:
        path = said.rpartition(_SOURCE_MISSING)[2].strip()
        return f"{path} has gone since the job was submitted; bring it back, or submit the job without it"
    for sign, meaning in (
        ("/bin/sh", f"the image {image} has no shell (/bin/sh), which a job's command needs; use one that has"),
        ("could not select device driver", _NO_GPU_RUNTIME),
        ("unresolvable CDI devices", _NO_CDI),
        ("init binary", "Podman needs catatonit, the first process of a container: sudo apt-get install catatonit"),
    ):
        if sign in said:
            return f"{meaning}\n{said}"
    return f"the container engine refused to start the container: {said}"


if __name__ == "__main__":
    _what, _root, *_engine = sys.argv[1:]
    if _what != "--end":
        sys.exit(main(_root, is_there=_what == "--follow"))
    while not end_container(TrialFolder(Path(_root)), *_engine).gone:
        time.sleep(_PAUSE)
