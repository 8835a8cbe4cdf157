"""What the supervisor tells a trial host, and what the host answers.

Standard library only: the trial host imports this on its hot path.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.store.files import OWNER_ONLY, TrialFolder, read_json, write_json

__all__ = ["LOST", "Exit", "TrialSpec"]

LOST = "the process that ran the trial was killed, or the machine restarted"
"""What is said of a trial whose host is gone without a word."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One trial, completely resolved; written as ``trial.json``.

    Args:
        name: the job's name, which is also its MLflow run id.
        folder, parent_folder: of the trial and of its sweep, relative to the workspace's ``runs``.
        command: shell text in which no value appears; values reach it through ``variables``.
        words: the command's words, if it is one plain Python program; see :mod:`workbench.definition.words`.
        snapshot: folder that holds the code, copied to the working directory; None for an empty one.
        surroundings: file with the environment variables of whoever submitted the job.
        variables: environment variables on top of those.
        outputs: named outputs, name → whether it is a folder; the variable ``AZURE_ML_OUTPUT_<name>`` says where.
        copies: data inputs to copy, destination relative to the trial folder → source.
        timeout: seconds the command may take; None for ever.
        grace: seconds between SIGTERM and SIGKILL.
        wake: the supervisor's FIFO.
        gpus: UUIDs of the GPUs that are leased for it.
        devices: file that stands in for the driver of the GPUs, if one does.
        nvml: folder of the module that asks the driver.
        notebook: of a notebook trial: ``path`` in the working directory, ``kernel``, and parameters: ``values`` with
            their types, and the names of those that are paths: ``data``, ``outputs``.
        environment: of a trial that runs elsewhere than in the Python that submits: ``kind``, ``key``, ``recipe`` and
            ``cache`` of what must be there before it starts; see ``workbench.environments``. With ``image`` it runs in
            a container of the engine at ``engine``.
        container: of a trial in a container: what the engine is asked for; see ``workbench.trial.container``.
        metric_patterns: regular expressions by metric, looked for in what it prints.
        token: with which it may call MLflow over HTTP; None for one that opens the database.
        params, inputs, tags, experiment_name, display_name, created: facts for tracking.
    """

    name: str
    folder: str
    command: str
    surroundings: str
    wake: str
    experiment_name: str
    display_name: str
    created: float
    parent: str | None = None
    parent_folder: str | None = None
    number: int | None = None
    words: list[list[str | dict[str, str]]] | None = None
    snapshot: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, bool] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    grace: float = 10.0
    gpus: list[str] = field(default_factory=list)
    devices: str | None = None
    nvml: str | None = None
    notebook: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    container: dict[str, Any] | None = None
    metric_patterns: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def write_into(self, folder: TrialFolder) -> None:
        """Write this into ``folder``, made if it is missing, for the host to read.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.root.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        write_json(folder.spec, asdict(self))

    @classmethod
    def read(cls, folder: TrialFolder) -> TrialSpec:
        """Return the specification written in ``folder``."""
        record = read_json(folder.spec)
        if record is None:
            raise FileNotFoundError(folder.spec)
        return cls(**record)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a trial ended; written as ``exit.json``, the host's last act.

    Args:
        cause: ``exited`` by itself, ``terminated`` on request, ``timeout``, ``not_prepared`` when its
            environment could not be made, ``host_error``, or ``host_lost`` when
            the supervisor wrote this for a host that no longer could.
        code: exit code of the command; None when a signal ended it or it never started.
        signal: the signal that ended the command.
        started, ended: seconds since the epoch; ``started`` is None when the command never did.
        needed: the hardest signal it took to be rid of the whole tree, None when nothing was left.
        left: pids that would not go.
        kernel_killed: whether the kernel killed processes for want of memory while this one failed.
        oom: whether it killed one of this trial's own, which only a container's engine can tell.
        message: the last lines of the log of a command that failed, or what went wrong in the host.
    """

    cause: str
    code: int | None
    ended: float
    signal: str | None = None
    started: float | None = None
    needed: str | None = None
    left: list[int] = field(default_factory=list)
    kernel_killed: bool = False
    oom: bool = False
    message: str = ""

    def write(self, folder: TrialFolder) -> None:
        """Write this into ``folder``, whole or not at all."""
        write_json(folder.exit, asdict(self))

    @classmethod
    def read(cls, folder: TrialFolder) -> Exit | None:
        """Return how the trial in ``folder`` ended, or None while it has not."""
        record = read_json(folder.exit)
        return None if record is None else cls(**record)
