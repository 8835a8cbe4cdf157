"""Fork servers of the jobs that run: which job has one, and asking it for a host."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.environments.cache import Cache
from workbench.store.files import OWNER_ONLY, TrialFolder, WorkspaceFolder, read_json
from workbench.trial.fork_server import ENVIRONMENT_ROOM_SIZE, command_line
from workbench.trial.imports import imports_of, imports_of_module
from workbench.trial.search_path import relative_entries, without_relative
from workbench.trial.spec import TrialSpec
from workbench.trial.warm_process import ENVIRONMENT_ROOM

__all__ = ["ForkServer", "WarmStarts"]

_PATIENCE = 5.0  # seconds in which a server that is ready forks; it takes milliseconds
_PREPARATION = 60.0  # seconds after which nobody waits any more for a server to be ready
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 960.0  # seconds after which one that was of no use is tried again, each time twice
_IDLE = 120.0  # seconds after which a server that nobody asks is ended, and a script is forgotten
_TRACKING = ("workbench.tracking.warm", "warm_up")
_KERNEL = ("workbench.notebooks.warm", "like_a_kernel")
_AHEAD = ("workbench.notebooks.forked", "sow_ahead")
_OF_ONE_TRIAL = (
    "AZUREML_",
    "AZURE_ML_",
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_TOKEN",
    "WORKBENCH_",
    "CUDA_VISIBLE_DEVICES",
)

_log = logging.getLogger(__name__)


class WarmStarts:
    """The fork servers of a workspace, one for each Python, environment and set of imports.

    Args:
        workspace: whose trials they fork.
        enabled: False to start everything cold.
    """

    def __init__(self, workspace: WorkspaceFolder, *, enabled: bool) -> None:
        self.trouble = ""
        """What is the matter with the server that was asked last for a host; empty for nothing."""
        self._workspace = workspace
        self.enabled = enabled
        self._servers: dict[str, ForkServer] = {}
        self._met: dict[str, float] = {}  # when a script that is no trial of a sweep was started cold

    def is_warming(self, spec: TrialSpec, launch: Mapping[str, Any]) -> bool:
        """Return whether a trial should wait for a server: it gets ready sooner than a notebook starts by itself.

        A script does not wait. What it imports is all that takes time, and takes the server as long.
        """
        if spec.notebook is None:
            return False
        server = self._server_for(spec, launch)
        return server is not None and server.keep_for_waiting()

    def start_host(
        self, spec: TrialSpec, launch: Mapping[str, Any], folder: TrialFolder, lease: Sequence[int]
    ) -> int | None:
        """Fork a host for a trial whose folder has its specification; return its pid, or None to start it cold.

        The first scripts of a sweep start cold, while the server for the rest gets ready; so does a script that is run
        by itself, until it is run again.
        """
        server = self._server_for(spec, launch)
        pid = None if server is None else server.fork(folder, lease)
        self.trouble = "" if server is None else server.trouble
        return pid

    def _server_for(self, spec: TrialSpec, launch: Mapping[str, Any]) -> ForkServer | None:
        """Return the server that can fork a trial's host, started if there is none; None where none is worth it."""
        if not (self.enabled and spec.words):
            return None
        environment = self._environment(spec)
        notebook = spec.notebook is not None
        if notebook and relative_entries(environment):
            return None  # its kernel is made before there is a folder that they could mean
        preload = launch.get("preload")
        modules = self._imports(spec, relative_entries(environment)) if preload is None else preload
        build = _build_of(spec)
        facts = [launch["python"], build, sorted(environment.items()), modules, notebook]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        if key not in self._servers:
            if spec.parent is None and not notebook and self._is_new(key):
                return None  # a script that runs once would not see it ready
            if spec.environment and build is None:
                return None  # the trial builds it
            self._servers[key] = ForkServer(
                launch["python"],
                environment,
                modules,
                self._workspace,
                notebook=notebook,
                apart=spec.environment is not None,
            )
        return self._servers[key]

    def _is_new(self, key: str) -> bool:
        """Return whether this is asked for the first time, as far as is remembered."""
        is_new = key not in self._met
        self._met[key] = time.monotonic()
        return is_new

    @property
    def patience(self) -> float:
        """Seconds until a server that nobody asks is to be ended."""
        return min((server.patience for server in self._servers.values()), default=math.inf)

    def end_idle(self) -> None:
        """End servers that nobody has asked for a while, and forget scripts."""
        self._met = {key: met for key, met in self._met.items() if time.monotonic() - met <= _IDLE}
        for key, server in list(self._servers.items()):
            if not server.patience:
                server.close()
                del self._servers[key]

    def close(self) -> None:
        """End all servers; hosts that they have forked run on."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def _environment(self, spec: TrialSpec) -> dict[str, str]:
        all_of_it = (read_json(Path(spec.surroundings)) or {}) | spec.variables
        return {name: value for name, value in all_of_it.items() if not name.startswith(_OF_ONE_TRIAL)}

    @staticmethod
    def _imports(spec: TrialSpec, folders: Sequence[str]) -> list[str]:
        """Return what a trial's code imports that is not its own.

        Args:
            spec: of the trial.
            folders: from which it imports its own, besides the one that every program does.
        """
        words = (
            [spec.notebook["path"]] if spec.notebook else ["".join(map(_plain, word)) for word in spec.words or ()][1:]
        )
        if spec.snapshot is None or not words:
            return []
        root = Path(spec.snapshot)
        roots = [root / folder for folder in folders]
        if words[0] == "-m":
            return imports_of_module(words[1], [root, *roots])
        path = root / words[0]
        beside = root if spec.notebook else path.parent  # a kernel starts in the working directory
        return imports_of(path, [beside, *roots]) if path.resolve().is_relative_to(root) else []


def _plain(part: str | Mapping[str, str]) -> str:
    return part if isinstance(part, str) else "${}"  # no name of a file or module


def _build_of(spec: TrialSpec) -> str | None:
    """Return which build of its environment a trial runs in; None where there is none, or none yet."""
    wanted = spec.environment
    return None if wanted is None else Cache(Path(wanted["cache"]), wanted["kind"]).build_of(wanted["key"])


class ForkServer:
    """One fork server.

    Args:
        python: its interpreter.
        environment: its environment variables: those that all trials of the job share.
        modules: what it imports.
        workspace: whose tracking it gets ready.
        notebook: whether the trials are notebooks.
        apart: whether the interpreter is an environment's, which has other packages than this one, and another
            ``workbench`` for its programs.
    """

    def __init__(
        self,
        python: str,
        environment: Mapping[str, str],
        modules: Sequence[str],
        workspace: WorkspaceFolder,
        *,
        notebook: bool = False,
        apart: bool = False,
    ) -> None:
        self.trouble = ""
        """Why it is of no use at present; empty while it is of use, or not ready."""
        self._pause = _FIRST_PAUSE
        self._asked = time.monotonic()
        self._python = python
        self._environment = environment
        self._wanted = list(modules)
        self._workspace = workspace
        self._notebook = notebook
        self._apart = apart
        self._begin()

    def _begin(self) -> None:
        self.trouble = ""
        self._modules = self._wanted
        self._started = time.monotonic()
        self._start()

    def _start(self) -> None:
        self._ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        log = os.open(self._workspace.warm_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                command_line(self._python, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**without_relative(self._environment), ENVIRONMENT_ROOM: "-" * ENVIRONMENT_ROOM_SIZE},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:  # no such interpreter any more: that is for the trial to say
            self._give_up(str(error))
            return
        finally:
            os.close(log)
            theirs.close()
        uses_mlflow = any(module.split(".")[0] == "mlflow" for module in self._modules)
        self._tell(
            {
                "modules": self._modules,
                "within": _KERNEL if self._notebook else [],
                "ahead": _AHEAD if self._notebook else [],
                "prepare": [_TRACKING] if uses_mlflow and not self._apart else [],
                "apart": self._apart,
                "workspace": str(self._workspace.root),
            }
        )

    def fork(self, folder: TrialFolder, lease: Sequence[int]) -> int | None:
        """Return the pid of a new host, or None when the server is not ready, or not fit."""
        self._asked = time.monotonic()
        self._try_again()
        if self._process is None or not self._is_ready():
            return None
        folder.root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        answer = self._ask({"folder": str(folder.root)}, lease)
        if answer is None:
            self._give_up("it does not answer")
            return None
        if "pid" not in answer:
            _log.info("what trials are forked from is made anew: %s has changed", answer["changed"])
            self.close()
            self._begin()
            return None
        return int(answer["pid"])

    def keep_for_waiting(self) -> bool:
        """Return whether it is likely to be ready soon, and worth waiting for; it is kept for whoever does."""
        self._asked = time.monotonic()
        self._try_again()
        if self._process is None or self._is_ready() or self._process is None:
            return False
        return time.monotonic() < self._started + _PREPARATION

    def wait(self, seconds: float) -> bool:
        """Wait until it is ready or has given up; return whether it is ready."""
        deadline = time.monotonic() + seconds
        while not self._ready and self._process is not None and (left := deadline - time.monotonic()) > 0:
            select.select([self._channel], [], [], left)
            self._is_ready()
        return self._process is not None and self._ready

    @property
    def patience(self) -> float:
        """Seconds that it is still kept for, unless somebody asks it."""
        return max(0.0, self._asked + _IDLE - time.monotonic())

    def close(self) -> None:
        """End the server."""
        self._channel.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None

    def _is_ready(self) -> bool:
        if not self._ready:
            self._channel.setblocking(False)
            try:
                answer = json.loads(self._channel.recv(1 << 16) or b'{"unfit": "it has ended"}')
            except BlockingIOError:
                return False
            except ConnectionResetError:  # so early that it has not even listened
                answer = {"unfit": "it has ended"}
            finally:
                self._channel.settimeout(_PATIENCE)
            if "without" in answer:
                self._start_without(answer["without"])
                return False
            if "ready" not in answer:
                self._give_up(answer.get("unfit", "it said something else"))
                return False
            self._ready = True
            self._pause = _FIRST_PAUSE
        return True

    def _start_without(self, modules: Sequence[str]) -> None:
        """Start again without modules that print, or look for their shell, when they are imported."""
        _log.info("each trial imports for itself: %s", ", ".join(modules))
        self.close()
        self._modules = [module for module in self._modules if module not in modules]
        self._start()

    def _ask(self, request: Mapping[str, str], lease: Sequence[int]) -> dict[str, Any] | None:
        try:
            socket.send_fds(self._channel, [json.dumps(request).encode()], list(lease))
            answer: dict[str, Any] = json.loads(self._channel.recv(1 << 16))
        except (OSError, ValueError):
            return None
        return answer

    def _tell(self, message: Mapping[str, object]) -> None:
        try:
            self._channel.sendall(json.dumps(message).encode())
        except (BrokenPipeError, ConnectionResetError):
            self._give_up("it has ended")
        except OSError as error:
            self._give_up(str(error))

    def _give_up(self, why: str) -> None:
        _log.warning("trials start cold: the fork server is of no use: %s", why)
        self.close()
        self.trouble = why
        self._again = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _try_again(self) -> None:
        """Start it anew some time after it was of no use: one that was killed for want of memory may fare better."""
        if self.trouble and time.monotonic() >= self._again:
            self._begin()
