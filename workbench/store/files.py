"""Every file name of the workspace, its runs and its trials, in one place.

The trial folder is the protocol between supervisor, trial host and the user's code; nobody else joins path strings.
Standard library only: the trial host imports this on its hot path.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["TrialFolder", "WorkspaceFolder", "read_json", "write_json"]

OWNER_ONLY = 0o700


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` so that a reader sees either the old file or the whole new one.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")  # two threads may write the same file at once
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(value))
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any | None:
    """Return the value in ``path``, or None when there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class WorkspaceFolder:
    """A workspace on disk: databases in ``.workbench/``, what people open in ``runs/``.

    Args:
        root: absolute path of the folder that holds both.
    """

    root: Path

    @property
    def hidden(self) -> Path:
        """The folder of everything that people do not open."""
        return self.root / ".workbench"

    @property
    def database(self) -> Path:
        """The store."""
        return self.hidden / "workbench.db"

    @property
    def mlflow_database(self) -> Path:
        """MLflow's runs and registry."""
        return self.hidden / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        """The address under which stock MLflow reads this workspace."""
        return f"sqlite:///{self.mlflow_database}"

    @property
    def models(self) -> Path:
        """Folder of the models that MLflow logs, and of registered local files."""
        return self.hidden / "models"

    @property
    def snapshots(self) -> Path:
        """Content-addressed copies of ``code`` folders."""
        return self.hidden / "snapshots"

    @property
    def cells(self) -> Path:
        """Notebooks made of single cells, content-addressed."""
        return self.hidden / "cells"

    @property
    def values(self) -> Path:
        """Variables that kernels have handed over to trials, content-addressed, readable by their owner only."""
        return self.hidden / "values"

    @property
    def packages(self) -> Path:
        """Lists of installed packages, content-addressed."""
        return self.hidden / "packages"

    @property
    def recipes(self) -> Path:
        """How to build the environments of jobs, content-addressed."""
        return self.hidden / "environments"

    @property
    def surroundings(self) -> Path:
        """Environment variables of submitters, content-addressed, readable by their owner only."""
        return self.hidden / "surroundings"

    @property
    def settings(self) -> Path:
        """What the owner has set."""
        return self.hidden / "settings.toml"

    @property
    def wake(self) -> Path:
        """The FIFO that the supervisor reads; one byte means "look again"."""
        return self.hidden / "wake"

    @property
    def watchers(self) -> Path:
        """One FIFO for each reader that waits for changes; the supervisor writes a byte to all of them."""
        return self.hidden / "watchers"

    @property
    def supervisor_lock(self) -> Path:
        """Locked by the one supervisor for as long as it lives."""
        return self.hidden / "supervisor.lock"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor has to say."""
        return self.hidden / "supervisor.log"

    @property
    def warm_log(self) -> Path:
        """What fork servers have to say: mostly what importing prints."""
        return self.hidden / "warm.log"

    @property
    def served(self) -> Path:
        """Where MLflow is served to trials that cannot open its database."""
        return self.hidden / "served.json"

    @property
    def served_log(self) -> Path:
        """What the process that serves MLflow has to say."""
        return self.hidden / "served.log"

    @property
    def mirror_lock(self) -> Path:
        """Locked by whoever brings the store's changes to MLflow."""
        return self.hidden / "mirror.lock"

    @property
    def mirror_log(self) -> Path:
        """What the process that mirrors to MLflow has to say."""
        return self.hidden / "mirror.log"

    @property
    def runs(self) -> Path:
        """One folder a job; the trials of a sweep lie inside the sweep's."""
        return self.root / "runs"

    def job(self, name: str) -> Path:
        """Return the folder of a top-level job."""
        return self.runs / name

    def trial(self, folder: str) -> TrialFolder:
        """Return the trial folder recorded as ``folder``, relative to :attr:`runs`."""
        return TrialFolder(self.runs / folder)

    def attempt(self, folder: str, number: int) -> Path:
        """Return where the folder of an earlier attempt at the trial in ``folder`` is kept."""
        return self.runs / f"{folder}-attempt{number}"

    def create(self) -> None:
        """Make the folders, readable by their owner only."""
        for folder in (self.hidden, self.runs):
            folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            if folder.stat().st_uid == os.getuid():
                folder.chmod(OWNER_ONLY)  # it may have been made by hand
        kept = (
            self.models,
            self.snapshots,
            self.cells,
            self.values,
            self.recipes,
            self.surroundings,
            self.packages,
            self.watchers,
        )
        for folder in kept:
            folder.mkdir(mode=OWNER_ONLY, exist_ok=True)


@dataclass(frozen=True)
class TrialFolder:
    """The folder of one trial: all that host, user's code and supervisor say to each other.

    Args:
        root: absolute path of the folder.
    """

    root: Path

    @property
    def spec(self) -> Path:
        """What to run; written once by the supervisor before the host starts."""
        return self.root / "trial.json"

    @property
    def host(self) -> Path:
        """Who runs it: pid, start time and boot id of the host, then of the user's process."""
        return self.claim(0)

    def claim(self, before: int) -> Path:
        """Return where a host says who it is: the first one in :attr:`host`, later ones each in a file of its own.

        Args:
            before: how many hosts the trial has had.
        """
        return self.root / (f"host.{before + 1}.json" if before else "host.json")

    @property
    def host_log(self) -> Path:
        """Whatever the host itself prints; empty when all is well."""
        return self.root / "host.log"

    @property
    def exit(self) -> Path:
        """How it ended; written by rename as the host's last act."""
        return self.root / "exit.json"

    @property
    def preparation(self) -> Path:
        """What the process that builds the trial's environment has to say."""
        return self.root / "environment.json"

    @property
    def container(self) -> Path:
        """How the trial's container began and ended."""
        return self.root / "container.json"

    @property
    def metrics(self) -> Path:
        """One line a metric point."""
        return self.root / "metrics.jsonl"

    @property
    def progress(self) -> Path:
        """How far a notebook is; replaced by rename while it runs."""
        return self.root / "progress.json"

    @property
    def error(self) -> Path:
        """The traceback of the notebook cell that failed; missing where none did."""
        return self.root / "error.txt"

    @property
    def output_values(self) -> Path:
        """One line for each call of ``workbench.output``."""
        return self.root / "outputs.jsonl"

    @property
    def work(self) -> Path:
        """The working directory: this trial's own copy of the code."""
        return self.root / "work"

    @property
    def artifacts(self) -> Path:
        """The artifact root of the trial's MLflow run."""
        return self.root / "artifacts"

    @property
    def outputs(self) -> Path:
        """Where ``./outputs`` of the working directory leads."""
        return self.artifacts / "outputs"

    @property
    def logs(self) -> Path:
        """Where ``./logs`` of the working directory leads."""
        return self.artifacts / "logs"

    @property
    def log(self) -> Path:
        """Standard output and standard error, merged, under Azure's name."""
        return self.artifacts / "user_logs" / "std_log.txt"

    @property
    def notebook(self) -> Path:
        """The executed notebook; replaced by rename while it runs."""
        return self.artifacts / "output.ipynb"

    @property
    def named_outputs(self) -> Path:
        """Parent folder of the outputs that the job names."""
        return self.artifacts / "named-outputs"
