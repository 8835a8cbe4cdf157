"""One trial in a container: ``python -m workbench.trial.container <trial folder>``, started by the trial's host.

To the host it is what the command is to other trials: it lives as long as the container, ends with its exit code, and
takes SIGTERM as the wish to stop. What an exit code cannot say is in ``container.json``. The trial's folder has the
same path inside as outside, so that nothing in it has to be translated.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

__all__ = ["Ending", "command_line", "end_container", "ending_of", "main"]

REPORTING = "/opt/workbench/lib"
"""Where the file is mounted that gives a program ``workbench.log``."""

_STOP = {signal.SIGTERM, signal.SIGINT}
_OVER = signal.SIGUSR1  # a thread tells the main one that the container has ended
_NOTEBOOK = (
    "python=$(command -v python || command -v python3) || { "
    'echo "a notebook needs Python in the image, and it has none"; exit 64; }; '
    f'exec "$python" {REPORTING}/workbench_notebook.py'
)
_PATIENCE = 30.0  # seconds for the engine to come back, and for it to be rid of a container
_TICK = 0.1
_FAILED = 125
_UNREACHABLE = "http://no-network-to-mlflow.invalid"
_NO_CDI = (
    "Podman cannot give a GPU to a container; install nvidia-container-toolkit, then run: "
    "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
)
_NO_GPU_RUNTIME = (
    "the container engine cannot give a GPU to a container; install nvidia-container-toolkit, then run: "
    "sudo nvidia-ctk runtime configure && sudo systemctl restart docker"
)
# The output goes straight into the trial's log: nobody has to live for it to arrive.
_SHELL = 'exec >>"$WORKBENCH_LOG" 2>&1 </dev/null; test -x /bin/bash && exec /bin/bash -c "$0"; exec /bin/sh -c "$0"'


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


def command_line(folder: TrialFolder, *, is_there: bool = False, only_end: bool = False) -> list[str]:
    """Return the command that runs a trial's container, that follows the one it has, or that ends it."""
    what = "--end" if only_end else "--follow" if is_there else "--run"
    return [sys.executable, "-P", "-m", __name__, what, str(folder.root)]


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
    ending.gone = False
    try:
        api = connect(engine)
        found = api.containers(all=True, filters={"label": f"{LABEL}.folder={folder.root}"})
        for container in found:
            ending.id, ending.needed = container["Id"], signal.SIGKILL.name
            _remove(api, container["Id"], ending)
        ending.gone = ending.gone or not found
    except (EngineError, OSError) as error:  # all that the client raises of its own is an OSError
        ending.error = str(error)
    with suppress(OSError):  # the disk is full, or the folder is gone; what has happened has happened
        ending.write(folder)
    return ending


def _run(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    wanted = spec.environment or {}
    api = connect(wanted["engine"])
    from docker.errors import APIError, DockerException, ImageNotFound  # noqa: PLC0415

    try:
        ending.id = _created(api, spec, folder)
        _connect_too(api, spec, ending.id)
        api.start(ending.id)
    except ImageNotFound:
        ending.image_is_missing = True
        ending.error = f"there is no image {wanted['image']}; it was removed since the environment was made"
    except APIError as error:
        ending.error = _refusal(str(error.explanation or error), spec)
    except (DockerException, OSError) as error:
        ending.error = str(explain(error, wanted["engine"]))
    else:
        ending.started = time.time()
        _see_to_its_end(api, spec, folder, ending)
        return
    if ending.id:
        _remove(api, ending.id, ending)
    else:
        ending.gone = True


def _see_to_its_end(api: APIClient, spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    _say_started(spec, folder, ending)
    _follow(api, spec, ending)
    with suppress(OSError):  # a full disk; once it is removed, nobody but this process knows how it ended
        ending.write(folder)
    _remove(api, str(ending.id), ending)


def _go_on(spec: TrialSpec, folder: TrialFolder, ending: Ending) -> None:
    """See to the end of a container that another process has started, which was killed.

    The container has not noticed: its output and its metrics go into the folder by themselves.
    """
    ending.error, ending.gone = "", False
    place = (spec.environment or {})["engine"]
    api = _connect_patiently(place)
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        found = _started_container(api, folder)
    except (DockerException, OSError) as error:
        raise explain(error, place) from error
    if found is not None:
        ending.id, ending.started = found
        _see_to_its_end(api, spec, folder, ending)
        return
    ended = end_container(folder, place)  # one that was made and not started, or is of an earlier boot
    ending.gone, ending.left, ending.error = ended.gone, ended.left, ended.error
    ending.lost = ending.code is None  # else its end was written down, and it was just being removed


def _started_container(api: APIClient, folder: TrialFolder) -> tuple[str, float] | None:
    """Return id and start, in seconds since the epoch, of the container that runs or ran for a trial since the boot."""
    labels = [f"{LABEL}.folder={folder.root}", f"{LABEL}.boot={_boot_id()}"]
    for container in api.containers(all=True, filters={"label": labels}):
        state = api.inspect_container(container["Id"])["State"]
        started = datetime.fromisoformat(state["StartedAt"])
        if state["Status"] != "created" and started.year > 1:
            return str(container["Id"]), started.timestamp()
    return None


def _connect_patiently(place: str) -> APIClient:
    """Return a connection to an engine that may be just starting again."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return connect(place)
        except EngineError:
            if time.monotonic() > until:
                raise
            time.sleep(_TICK)  # nothing tells when it answers


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
    wanted = spec.container or {}
    image = (spec.environment or {})["image"]
    extra = parse_docker_args(wanted.get("docker_args"))
    variables = {
        "HOME": "/tmp",  # noqa: S108 - inside the container; the user has no home there
        **spec.variables,
        "WORKBENCH_LOG": str(folder.log),
        **dict(text.partition("=")[::2] for text in extra.pop("environment", [])),
    }
    theirs = api.inspect_image(image)["Config"].get("Env") or []
    search = dict(text.partition("=")[::2] for text in theirs).get("PYTHONPATH")
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [variables.get("PYTHONPATH"), search, REPORTING]))
    host: dict[str, Any] = {
        "init": True,
        "log_config": {"Type": "none", "Config": {}},
        "binds": [*(":".join(mount) for mount in wanted["mounts"]), *extra.pop("binds", [])],
        "shm_size": wanted.get("shm_size"),
        "mem_limit": wanted.get("memory"),
        "memswap_limit": wanted.get("memory"),
        "nano_cpus": wanted.get("nano_cpus"),
        "group_add": [str(group) for group in os.getgroups()],
        "device_requests": _devices(api, spec.gpus),
    }
    variables |= _tracking(api, wanted, extra, host)
    user, hostname = extra.pop("user", f"{os.getuid()}:{os.getgid()}"), extra.pop("hostname", None)
    config = api.create_host_config(**{name: value for name, value in (host | extra).items() if value})
    return {
        "image": image,
        "entrypoint": ["/bin/sh", "-c", _SHELL],
        "command": [_NOTEBOOK if spec.notebook else spec.command],
        "environment": variables,
        "working_dir": str(folder.work),
        "user": user,
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


def _follow(api: APIClient, spec: TrialSpec, ending: Ending) -> None:
    """Wait until the container ends by itself, or end it when that is asked for."""
    over = threading.Event()
    threading.Thread(target=_await_end, args=(spec, str(ending.id), over), daemon=True).start()
    signal.sigwait(_STOP | {_OVER})
    if not over.is_set():
        _stop(api, spec, ending, over)
    _read_state(api, ending)


def _await_end(spec: TrialSpec, container: str, over: threading.Event) -> None:
    """Wait until the engine says that the container has ended, on a connection of its own; wake the main thread."""
    from docker.errors import APIError, DockerException  # noqa: PLC0415

    until = time.monotonic() + _PATIENCE
    while not over.is_set():
        try:
            connect((spec.environment or {})["engine"]).wait(container, timeout=None)
            over.set()
        except APIError:  # there is no such container any more
            over.set()
        except (DockerException, EngineError, OSError):  # the engine is starting again, or will not come back
            if time.monotonic() > until:
                over.set()
            time.sleep(_TICK)
        except Exception as error:  # noqa: BLE001 - a connection that breaks raises what requests pleases
            if time.monotonic() > until:
                over.set()
            print(f"the engine's answer broke off: {error}", flush=True)  # noqa: T201
            time.sleep(_TICK)
    os.kill(os.getpid(), _OVER)


def _stop(api: APIClient, spec: TrialSpec, ending: Ending, over: threading.Event) -> None:
    from docker.errors import APIError  # noqa: PLC0415

    ending.needed = signal.SIGTERM.name
    with suppress(APIError):  # it may have ended this moment
        told = [_told(pid) for pid in reversed(_pids(api, str(ending.id)))]
        if not all(told) or not told:
            api.kill(ending.id, signal.SIGTERM.value)  # reaches the command only
    if not over.wait(spec.grace):
        ending.needed = signal.SIGKILL.name
        with suppress(APIError):
            api.kill(ending.id, signal.SIGKILL.value)
        over.wait(_PATIENCE)


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


def _told(pid: int) -> bool:
    """Send SIGTERM to one process, as is done to every process of other trials; return whether that is allowed here."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _read_state(api: APIClient, ending: Ending) -> None:
    from docker.errors import APIError  # noqa: PLC0415

    try:
        state = api.inspect_container(ending.id)["State"]
    except APIError as error:
        if ending.needed is None:
            ending.error = f"the container is gone, and not by our doing: {error.explanation or error}"
        return
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
    _what, _root = sys.argv[1:]
    if _what == "--end":
        _folder = TrialFolder(Path(_root))
        sys.exit(not end_container(_folder, (TrialSpec.read(_folder).environment or {})["engine"]).gone)
    sys.exit(main(_root, is_there=_what == "--follow"))
