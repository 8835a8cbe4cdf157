"""From the way to say where a model lies to the folder that holds it.

Imports MLflow: import this module only where MLflow is needed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.utils.file_utils import local_file_uri_to_path

from workbench.errors import JobException, NotFoundError, ValidationException
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import JobRecord
from workbench.tracking.model_paths import ARTIFACTS, JobPath, LocalPath, LoggedModelPath
from workbench.tracking.models import ModelFacts

__all__ = ["MODEL_FILE", "Source", "Sources", "local_folder"]

MODEL_FILE = "MLmodel"
_COPIES = "_files"  # no experiment's folder begins with "_"


@dataclass(frozen=True)
class Source:
    """Where the files of a model lie, and who made them.

    Args:
        folder: what a model version points to.
        run_id: the run that made it.
        model_id: MLflow's id of a model that was logged.
    """

    folder: Path
    run_id: str | None = None
    model_id: str | None = None


class Sources:
    """Finds the files of models.

    Args:
        workspace, store: where jobs and their folders are.
        client: of stock MLflow on the workspace's database.
    """

    def __init__(self, workspace: WorkspaceFolder, store: Store, client: MlflowClient) -> None:
        self._workspace, self._store, self._client = workspace, store, client

    def of_job(self, wanted: JobPath) -> Source:
        """Return what a job wrote; a sweep's name means its best trial.

        Raises:
            NotFoundError: no such job, output or path; the message says what there is.
            JobException: the sweep has no best trial yet.
        """
        record = self._job(wanted.job)
        artifacts = self._artifacts(wanted.job, record)
        run_id = record.name if record else wanted.job
        if wanted.output in ARTIFACTS:
            found = self._artifact(run_id, artifacts, wanted.path)
        else:
            found = _existing(artifacts / "named-outputs" / wanted.output / wanted.path, run_id)
        if found is None:
            raise NotFoundError(
                f"job {run_id!r} has no {_shown(wanted)}",
                where="path",
                fix=f"It has {self._contents(run_id, artifacts)}",
            )
        return self._as_folder(found)

    def of_logged_model(self, wanted: LoggedModelPath) -> Source:
        """Return a model that MLflow logged.

        Raises:
            NotFoundError: there is no such model, or nothing at that path of it.
        """
        try:
            model = self._client.get_logged_model(wanted.model_id)
        except MlflowException as error:
            raise NotFoundError(
                f"there is no logged model {wanted.model_id!r} in this workspace",
                where="path",
                fix="Give runs:/<job>/<name of the model> instead",
            ) from error
        found = _part_of(model, wanted.path)
        if found is None:
            raise NotFoundError(
                f"the model {wanted.model_id!r} has no {wanted.path!r}",
                where="path",
                fix=f"It has {_names(local_folder(model.artifact_location))}",
            )
        return self._as_folder(found)

    def of_local(self, wanted: LocalPath) -> Source:
        """Return the workspace's own copy of a local file or folder.

        Raises:
            NotFoundError: there is nothing at that path.
        """
        path = Path(wanted.path).expanduser().absolute()
        if not path.exists():
            raise NotFoundError(
                f"there is no file or folder {str(path)!r}",
                where="path",
                fix="Paths are relative to the current folder",
            )
        return Source(self._kept(path))

    def _job(self, name: str) -> JobRecord | None:
        record = self._store.job(name)
        if record is None or record.type != "sweep":
            return record
        best = record.properties.get("best_child_run_id")
        if not best:
            raise JobException(
                f"sweep {name!r} has no best trial yet",
                where="path",
                fix="Wait until a trial has completed and logged the primary metric, or name a trial",
            )
        return self._store.job(best)

    def _artifacts(self, name: str, record: JobRecord | None) -> Path:
        if record is not None:
            return self._workspace.trial(record.folder).artifacts
        try:
            return local_folder(self._client.get_run(name).info.artifact_uri)  # a run inside a job's run
        except MlflowException as error:
            raise NotFoundError(
                f"there is no job {name!r} in this workspace", where="path", fix="See the jobs with: workbench list"
            ) from error

    def _artifact(self, run_id: str, artifacts: Path, path: str) -> Source | None:
        name, _, rest = path.partition("/")
        for model in self._logged_models(run_id):
            if model.name == name and (found := _part_of(model, rest)) is not None:
                return found
        return _existing(artifacts / path, run_id)

    def logged_by(self, run_id: str) -> tuple[str, ...]:
        """Return the names of the finished models that a run logged, in the order it did."""
        return tuple(dict.fromkeys(model.name for model in reversed(self._logged_models(run_id))))

    def describe(self, run_id: str, artifacts: Path) -> tuple[ModelFacts, ...]:
        """Return the models that a run logged, the newest first, then those it saved among its artifacts."""
        logged = {model.name: local_folder(model.artifact_location) for model in reversed(self._logged_models(run_id))}
        saved = {
            path.parent.relative_to(artifacts).as_posix(): path.parent
            for path in sorted(artifacts.rglob(MODEL_FILE))
            if path.parent != artifacts
        }
        return tuple(_facts(path, folder) for path, folder in {**saved, **logged}.items())[::-1]

    def _logged_models(self, run_id: str) -> list[LoggedModel]:
        """Return the finished models that a run logged, newest first."""
        try:
            experiment = self._client.get_run(run_id).info.experiment_id
        except MlflowException:  # a job that MLflow has not heard of has logged no models either
            return []
        models: list[LoggedModel] = []
        token = None
        while True:
            page = self._client.search_logged_models(
                [experiment], filter_string=f"source_run_id = '{run_id}'", page_token=token
            )
            models += page
            token = page.token
            if not token:
                break
        ready = [model for model in models if (local_folder(model.artifact_location) / MODEL_FILE).is_file()]
        return sorted(ready, key=lambda model: model.creation_timestamp, reverse=True)

    def _contents(self, run_id: str, artifacts: Path) -> str:
        models = {model.name: _flavors(model) for model in reversed(self._logged_models(run_id))}
        parts = {
            "models": ", ".join(f"{name} ({flavors})" for name, flavors in models.items()),
            "artifacts": _names(artifacts, "named-outputs"),
            "outputs": _names(artifacts / "named-outputs"),
        }
        return "; ".join(f"{title}: {names}" for title, names in parts.items() if names) or "written nothing"

    def _as_folder(self, source: Source) -> Source:
        """A model version points to a folder, so a single file gets one of its own."""
        if source.folder.is_dir():
            return source
        return Source(self._kept(source.folder), source.run_id)

    def _kept(self, path: Path) -> Path:
        """Copy ``path`` into the workspace once per content and return the folder of the copy."""
        home = self._workspace.models / _COPIES / _digest(path)
        kept = home / path.name if path.is_dir() else home
        if not home.is_dir():
            home.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(dir=home.parent))
            try:
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, aside / path.name)
                aside.rename(home)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                if not home.is_dir():  # else somebody else copied the same at the same time
                    raise
        return kept


def local_folder(uri: str) -> Path:
    """Return the folder behind an artifact address of this workspace.

    Raises:
        ValidationException: it is not of this machine.
    """
    if "://" in uri and not uri.startswith("file://"):
        raise ValidationException(f"{uri!r} is not on this machine", "path", "Download it, and give the local folder")
    return Path(local_file_uri_to_path(uri))


def _facts(path: str, folder: Path) -> ModelFacts:
    model = Model.load(str(folder))
    signature = model.signature
    return ModelFacts(
        path=path,
        folder=folder,
        flavors=tuple(flavor for flavor in model.flavors or {} if flavor != "python_function"),
        signature=None if signature is None else f"{signature.inputs} → {signature.outputs}",
        size=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        has_example=bool(model.saved_input_example_info),
    )


def _existing(path: Path, run_id: str) -> Source | None:
    return Source(path, run_id) if path.exists() else None


def _part_of(model: LoggedModel, path: str) -> Source | None:
    folder = local_folder(model.artifact_location) / path
    if not folder.exists():
        return None
    return Source(folder, model.source_run_id, None if path else model.model_id)


def _flavors(model: LoggedModel) -> str:
    return ", ".join(Model.load(str(local_folder(model.artifact_location))).flavors)


def _names(folder: Path, *without: str) -> str:
    return (
        ", ".join(sorted(path.name for path in folder.iterdir() if path.name not in without)) if folder.is_dir() else ""
    )


def _shown(wanted: JobPath) -> str:
    if wanted.output in ARTIFACTS:
        return f"artifact {wanted.path!r}"
    return f"output {wanted.output!r}" + (f" with {wanted.path!r} in it" if wanted.path else "")


def _digest(path: Path) -> str:
    digest = hashlib.sha256(path.name.encode())
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(f"\0{file.relative_to(path)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
