"""The one handle on a workspace."""

from __future__ import annotations

import json
import os
import warnings
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from workbench.client.assets import DataOperations, EnvironmentOperations
from workbench.client.calling import Caller
from workbench.client.compute import ComputeOperations
from workbench.client.context import Context
from workbench.client.images import ImageOperations
from workbench.client.jobs import JobOperations
from workbench.client.models import ModelOperations
from workbench.client.poller import LROPoller
from workbench.client.queueing import QueueOperations
from workbench.client.sweeps import SweepOperations
from workbench.definition.assets import Data, Model
from workbench.definition.command import Command
from workbench.definition.compute import Compute
from workbench.definition.environment import Environment
from workbench.definition.notebook import Notebook
from workbench.definition.sweep import Sweep
from workbench.errors import NotFoundError, UnexpectedKeywordError, ValidationException
from workbench.store.database import Store
from workbench.store.workspace import open_workspace

__all__ = ["MLClient", "WorkspaceOperations"]

_CONFIG_FOLDERS = ("", ".azureml", "aml_config")
_CONFIG_NAMES = ("config.json", "project.json")
_MOST_PARENTS = 20  # as far up as Azure's client looks


class MLClient:
    """A workspace on this machine, with the operations of Azure's client.

    Points this process's MLflow at the workspace unless ``MLFLOW_TRACKING_URI`` says otherwise, as an Azure compute
    does: ``mlflow.get_run(job.name)`` and ``models:/…`` work in the next line.

    Args:
        credential, subscription_id, resource_group_name: accepted for Azure's code; nothing here needs them.
        workspace_name: what the workspace is called; the name of its folder by default.
        path: the workspace's folder. By default ``WORKBENCH_WORKSPACE``, else the nearest folder upward that is one,
            else the one that the Jupyter server shows, else the current folder.
        options: Azure's other keywords (``cloud``, ``enable_telemetry`` …), accepted without effect.

    Raises:
        StoreError: the folder cannot be written, or was written by a newer workbench.
    """

    def __init__(
        self,
        credential: Any = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        *,
        path: str | PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        _refuse_unknown(options)
        del credential
        workspace = open_workspace(path)
        self._hold(
            Context(workspace, Store(workspace.database), workspace_name or workspace.root.name),
            subscription_id,
            resource_group_name,
        )
        _point_mlflow_at(workspace.mlflow_uri)

    def _hold(self, context: Context, subscription: str | None, group: str | None) -> None:
        self.context = context
        self.subscription_id = subscription or "local"
        self.resource_group_name = group or "local"
        self.jobs = JobOperations(context)
        self.sweeps = SweepOperations(context)
        self.queue = QueueOperations(context)
        self.models = ModelOperations(context)
        self.environments = EnvironmentOperations(context)
        self.data = DataOperations(context)
        self.compute = ComputeOperations()
        self.images = ImageOperations()
        self.workspaces = WorkspaceOperations(context)

    @classmethod
    def of_server(cls, path: str | PathLike[str], call: Caller) -> MLClient:
        """Return a client for a process that serves others: it leaves this process's MLflow alone.

        What a server has in its environment its kernels inherit, and they may mean another workspace.

        Args:
            path: the workspace's folder.
            call: calls what loads MLflow or Optuna, in another process.

        Raises:
            StoreError: the folder cannot be written, or was written by a newer workbench.
        """
        workspace = open_workspace(path)
        client = cls.__new__(cls)
        client._hold(Context(workspace, Store(workspace.database), workspace.root.name, call=call), None, None)
        return client

    @classmethod
    def from_config(
        cls,
        credential: Any = None,
        *,
        path: str | PathLike[str] | None = None,
        file_name: str | None = None,
        **options: Any,
    ) -> MLClient:
        """Return a client named as Azure's ``config.json`` says.

        Args:
            credential: accepted for Azure's code.
            path: the file, or the folder from which to look upward; the current one by default.
            file_name: another name than ``config.json``.
            options: as for the constructor.

        Raises:
            NotFoundError: there is no such file; the message says where it was looked for.
            ValidationException: the file is no JSON, or lacks what Azure's has.
        """
        file = _find_config(Path(path) if path else Path.cwd(), file_name)
        try:
            config = json.loads(file.read_text())
            names = {key: config[key] for key in ("subscription_id", "workspace_name")}
            group = config["resource_group"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValidationException(
                f"it is no workspace configuration: {error}",
                str(file),
                "It needs subscription_id, resource_group and workspace_name",
            ) from error
        return cls(credential, resource_group_name=group, **names, **options)

    @property
    def workspace_name(self) -> str:
        """What the workspace is called."""
        return self.context.name

    @property
    def workspace_folder(self) -> Path:
        """Where the workspace is on this machine."""
        return self.context.workspace.root

    def create_or_update(self, entity: Any) -> Any:
        """Submit a job, or register a model, environment or data asset, by what ``entity`` is.

        Raises:
            ValidationException: it is none of these, or something in it is wrong.
        """
        if isinstance(entity, Command | Notebook | Sweep):
            return self.jobs.create_or_update(entity)
        if isinstance(entity, Model):
            return self.models.create_or_update(entity)
        if isinstance(entity, Environment):
            return self.environments.create_or_update(entity)
        if isinstance(entity, Data):
            return self.data.create_or_update(entity)
        raise ValidationException(
            f"a {type(entity).__name__} cannot be created", "create_or_update", "Pass a job, model, environment or data"
        )

    def begin_create_or_update(self, entity: Compute) -> LROPoller[Compute]:
        """Accept a compute as :meth:`ComputeOperations.begin_create_or_update` does."""
        if not isinstance(entity, Compute):
            raise ValidationException(
                f"a {type(entity).__name__} cannot be created this way",
                "begin_create_or_update",
                "Endpoints and deployments are not part of this version; load the model with MLflow",
            )
        return self.compute.begin_create_or_update(entity)

    def __repr__(self) -> str:
        return f"MLClient({str(self.workspace_folder)!r})"


class WorkspaceOperations:
    """``ml_client.workspaces``: enough of it for code that asks where MLflow is.

    Args:
        context: the workspace.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    def get(self, name: str | None = None) -> SimpleNamespace:
        """Return name, location and MLflow's tracking address of the one workspace there is."""
        folder = self.context.workspace
        return SimpleNamespace(
            name=name or self.context.name, location=str(folder.root), mlflow_tracking_uri=folder.mlflow_uri
        )


_ours: set[str] = set()  # addresses that a client of this process has put into the variable


def _point_mlflow_at(address: str) -> None:
    """Let this process's MLflow use the newest client's workspace, unless the user has chosen otherwise."""
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    if chosen is None or chosen in _ours:
        os.environ["MLFLOW_TRACKING_URI"] = address
        _ours.add(address)
    elif not chosen.endswith(address.removeprefix("sqlite://")):  # inside a trial the same place has another scheme
        warnings.warn(
            f"MLFLOW_TRACKING_URI is {chosen}: MLflow in this process does not see the workspace, it is at {address}",
            UserWarning,
            stacklevel=3,
        )


_OPTIONS = frozenset({"cloud", "enable_telemetry", "logging_enable", "registry_name", "show_progress", "user_agent"})


def _refuse_unknown(options: dict[str, Any]) -> None:
    unknown = sorted(options.keys() - _OPTIONS)
    if unknown:
        raise UnexpectedKeywordError(
            f"unexpected keyword {unknown[0]!r}", "MLClient", "Here a workspace is a folder: MLClient(path='…')"
        )


def _find_config(start: Path, file_name: str | None) -> Path:
    if start.is_file():
        return start
    names = (file_name,) if file_name else _CONFIG_NAMES
    start = start.absolute()
    for folder in (start, *start.parents)[: _MOST_PARENTS + 1]:
        for name in names:
            for place in _CONFIG_FOLDERS:
                if (folder / place / name).is_file():
                    return folder / place / name
    raise NotFoundError(
        f"no {' or '.join(names)}", f"{start} and the folders above it", "Here MLClient() needs none: a folder will do"
    )
