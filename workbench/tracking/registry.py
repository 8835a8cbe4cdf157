"""The registry: models with a name, versions and their lineage, in MLflow's own tables.

Imports MLflow when a registry is opened, not when this module is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import NotFoundError, TrackingError, ValidationException
from workbench.store.database import Store
from workbench.store.files import WorkspaceFolder
from workbench.store.records import JobRecord
from workbench.tracking.facts import primary_metric
from workbench.tracking.mirror import Mirror
from workbench.tracking.model_paths import JobPath, LocalPath, LoggedModelPath, RegisteredPath, parse_model_path
from workbench.tracking.models import ModelFacts, RegisteredModel

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from workbench.tracking.model_sources import Source

__all__ = ["LATEST", "Registry"]

LATEST = "latest"
_TYPE_TAG = "workbench.type"
_MODEL_VERSIONS_TAG = "mlflow.modelVersions"  # how MLflow links a logged model to its versions


class Registry:
    """Registered models of a workspace.

    Args:
        workspace: where MLflow's database is, made when it is missing.
        store: where the jobs are that models come from.

    Raises:
        TrackingError: MLflow's database cannot be made.
    """

    def __init__(self, workspace: WorkspaceFolder, store: Store) -> None:
        from mlflow import MlflowClient  # noqa: PLC0415  # takes a second

        from workbench.tracking.model_sources import Sources  # noqa: PLC0415  # imports MLflow
        from workbench.tracking.workspace_store import WorkspaceStore  # noqa: PLC0415  # imports MLflow

        WorkspaceStore(workspace)  # makes the database as several writers need it
        self._workspace, self._store = workspace, store
        self._client = MlflowClient(tracking_uri=workspace.mlflow_uri, registry_uri=workspace.mlflow_uri)
        self._sources = Sources(workspace, store, self._client)

    def register(
        self,
        *,
        name: str,
        path: str,
        type: str = "custom_model",  # Azure's word
        version: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        alias: str | None = None,
    ) -> RegisteredModel:
        """Register the model at ``path``, with the job, parameters and score that it comes from.

        Args:
            name: name of the registered model.
            path: ``azureml://jobs/…``, ``runs:/…``, ``models:/…``, ``azureml:<name>:<version>``, or a local path.
            type: custom_model, mlflow_model (a folder with an MLmodel file) or triton_model.
            version: a whole number; the next one if left out.
            description: for readers.
            tags: texts by name.
            alias: a name that shall lead to this version.

        Raises:
            NotFoundError: there is no such job, output, path or model.
            JobException: the path is in a sweep that has no best trial yet.
            ValidationException: the version exists with another path, or something in it is not allowed.
            TrackingError: MLflow refuses it.
        """
        with _told_plainly(name):
            Mirror(self._workspace, self._store).catch_up()
            source = self._source(path)
            if type == "mlflow_model":
                _check_is_mlflow_model(source.folder, path)
            wanted = _whole_number(version)
            merged = self._lineage(source) | {_TYPE_TAG: type} | {str(k): str(v) for k, v in (tags or {}).items()}
            found = self._version(name, wanted) if wanted is not None else None
            if found is not None:
                _check_same_place(found, source)
                self._change(found, description, dict(tags or {}))
            else:
                found = self._add(name, source, wanted, description, merged)
            if alias:
                self._client.set_registered_model_alias(name, alias, found.version)
        return self.get(name, str(found.version))

    def get(self, name: str, version: str | None = None, label: str | None = None) -> RegisteredModel:
        """Return one version of a model.

        Args:
            name: name of the registered model.
            version: its number.
            label: ``latest`` for the one made last, or an alias; give a version or a label.

        Raises:
            ValidationException: neither or both of version and label are given.
            NotFoundError: there is no such model, version or label.
        """
        if (version is None) == (label is None):
            raise ValidationException(
                "give either a version or a label", "models.get", 'For the newest: label="latest"'
            )
        with _told_plainly(name):
            return self._shown(self._one(name, version if version is not None else str(label)))

    def list(self, name: str | None = None) -> Sequence[RegisteredModel]:
        """Return all versions of a model, newest first; without a name the newest version of each model.

        Raises:
            NotFoundError: there is no model of that name.
        """
        with _told_plainly(name or "models"):
            if name is not None:
                versions, aliases = self._versions(name), self._aliases(name)
                if not versions:
                    raise _not_found(name, LATEST, versions, aliases)
                return [self._shown(version, aliases) for version in versions]
            models = _pages(self._client.search_registered_models)
            newest = (next(iter(self._versions(model.name)), None) for model in models)
            return [self._shown(version) for version in newest if version is not None]

    def logged_by(self, job: str) -> Sequence[str]:
        """Return the names of the MLflow models that a job has logged, in the order it did."""
        with _told_plainly(job):
            Mirror(self._workspace, self._store).catch_up()
            return self._sources.logged_by(job)

    def models_of(self, job: JobRecord) -> Sequence[ModelFacts]:
        """Return the MLflow models that a job has logged or saved, the newest first."""
        with _told_plainly(job.name):
            Mirror(self._workspace, self._store).catch_up()
            return self._sources.describe(job.name, self._workspace.trial(job.folder).artifacts)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let ``alias`` lead to a version, and to no other any more.

        Raises:
            NotFoundError: there is no such model or version.
            ValidationException: MLflow does not allow the alias.
        """
        with _told_plainly(name):
            self._client.set_registered_model_alias(name, alias, self._one(name, version).version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; nothing happens when there is none.

        Raises:
            NotFoundError: there is no such model.
        """
        with _told_plainly(name):
            self._client.delete_registered_model_alias(name, alias)

    def folder(self, name: str, version: str) -> Path:
        """Return the local folder that holds the files of a version (or of a label).

        Raises:
            NotFoundError: there is no such model or version, or its files are gone.
        """
        with _told_plainly(name):
            return self._folder(self._one(name, version))

    # Finding

    def _source(self, path: str) -> Source:
        from workbench.tracking.model_sources import Source  # noqa: PLC0415  # imports MLflow

        match parse_model_path(path):
            case JobPath() as wanted:
                return self._sources.of_job(wanted)
            case LoggedModelPath() as wanted:
                return self._sources.of_logged_model(wanted)
            case RegisteredPath(name, version):
                found = self._one(name, version)
                return Source(self._folder(found), found.run_id or None)
            case LocalPath() as wanted:
                return self._sources.of_local(wanted)

    def _folder(self, version: ModelVersion) -> Path:
        from workbench.tracking.model_sources import local_folder  # noqa: PLC0415  # imports MLflow

        folder = local_folder(self._client.get_model_version_download_uri(version.name, version.version))
        if not folder.exists():
            raise NotFoundError(
                f"the files of version {version.version} are gone from {str(folder)!r}",
                where=version.name,
                fix="Register it again from a job that still has them",
            )
        return folder

    def _one(self, name: str, version: str) -> ModelVersion:
        """Return the version of that number or label.

        Raises:
            NotFoundError: there is none; the message says which there are.
        """
        versions = self._versions(name)
        aliases = self._aliases(name)
        if version == LATEST and versions:
            return versions[0]
        wanted = aliases.get(version, version)
        for found in versions:
            if str(found.version) == str(wanted):
                return found
        raise _not_found(name, version, versions, aliases)

    def _versions(self, name: str) -> Sequence[ModelVersion]:
        """Return the versions of a model, the one made last first."""
        quoted = name.replace("'", "''")
        found = _pages(self._client.search_model_versions, filter_string=f"name = '{quoted}'")
        return sorted(found, key=lambda v: (v.creation_timestamp, int(v.version)), reverse=True)

    def _version(self, name: str, number: int) -> ModelVersion | None:
        return next((found for found in self._versions(name) if int(found.version) == number), None)

    def _aliases(self, name: str) -> dict[str, str]:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second

        try:
            return {alias: str(v) for alias, v in self._client.get_registered_model(name).aliases.items()}
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise

    def _shown(self, version: ModelVersion, known: Mapping[str, str] | None = None) -> RegisteredModel:
        all_aliases = self._aliases(version.name) if known is None else known
        aliases = sorted(alias for alias, number in all_aliases.items() if number == str(version.version))
        return RegisteredModel(
            name=version.name,
            version=str(version.version),
            type=version.tags.get(_TYPE_TAG, "mlflow_model"),  # a trial that registers by itself does it by MLflow
            path=version.source,
            created=version.creation_timestamp / 1000,
            description=version.description or None,
            tags=dict(version.tags),
            aliases=tuple(aliases),
            job_name=version.run_id or None,
        )

    # Writing

    def _add(
        self, name: str, source: Source, number: int | None, description: str | None, tags: Mapping[str, str]
    ) -> ModelVersion:
        from workbench.tracking.model_versions import add_version, ensure_model  # noqa: PLC0415  # imports MLflow

        ensure_model(self._client, name)
        if number is not None:
            add_version(
                self._workspace.mlflow_uri,
                name=name,
                number=number,
                folder=source.folder,
                run_id=source.run_id,
                description=description,
                tags=tags,
            )
            made = self._one(name, str(number))
        else:
            made = self._client.create_model_version(
                name,
                source.folder.as_uri(),
                run_id=source.run_id,
                tags=dict(tags),
                description=description,
                model_id=source.model_id,
            )
        if source.model_id:
            self._link(source.model_id, made)
        return made

    def _link(self, model_id: str, version: ModelVersion) -> None:
        """Note the version with the logged model, as ``mlflow.register_model`` does."""
        known = json.loads(self._client.get_logged_model(model_id).tags.get(_MODEL_VERSIONS_TAG, "[]"))
        known.append({"name": version.name, "version": str(version.version)})
        self._client.set_logged_model_tags(model_id, {_MODEL_VERSIONS_TAG: json.dumps(known)})

    def _change(self, version: ModelVersion, description: str | None, tags: Mapping[str, str]) -> None:
        if description is not None:
            self._client.update_model_version(version.name, version.version, description)
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, version.version, str(key), str(value))

    def _lineage(self, source: Source) -> dict[str, str]:
        job = self._store.job(source.run_id) if source.run_id else None
        if job is None:
            return {}
        sweep = self._store.job(job.parent) if job.parent else None
        launch = job.launch or (sweep.launch if sweep else {})
        facts: dict[str, Any] = {
            "workbench.job": job.name,
            "workbench.sweep": job.parent,
            "workbench.params": json.dumps(dict(job.params)) if job.params else None,
            "workbench.metric": primary_metric(sweep.definition) if sweep else None,
            "workbench.score": job.score,
            "workbench.snapshot": launch.get("snapshot"),
        }
        return {key: str(value) for key, value in facts.items() if value is not None}


def _whole_number(version: str | None) -> int | None:
    if version is None:
        return None
    if not (version.isascii() and version.isdigit() and int(version) > 0):
        raise ValidationException(
            f"{version!r} cannot be a version: MLflow's are whole numbers from 1",
            where="version",
            fix="Leave it out to get the next one",
        )
    return int(version)


def _check_is_mlflow_model(folder: Path, path: str) -> None:
    if (folder / "MLmodel").is_file():
        return
    inside = sorted(str(found.parent.relative_to(folder)) for found in folder.glob("*/**/MLmodel"))
    raise ValidationException(
        f"there is no MLmodel file in {path!r}, which an mlflow_model must have",
        where="path",
        fix=f"Give the path of the model in it: {', '.join(inside)}" if inside else 'Use type="custom_model"',
    )


def _check_same_place(found: ModelVersion, source: Source) -> None:
    if found.source in {source.folder.as_uri(), str(source.folder), f"models:/{source.model_id}"}:
        return
    raise ValidationException(
        f"version {found.version} of {found.name!r} exists with another path, {found.source!r}",
        where="version",
        fix="A version's path never changes: leave the version out to get the next one",
    )


def _not_found(name: str, version: str, versions: Sequence[ModelVersion], aliases: Mapping[str, str]) -> NotFoundError:
    if not versions:
        return NotFoundError(
            f"there is no model {name!r} in this workspace", where="models", fix="See the models with models.list()"
        )
    there = ", ".join([*(str(found.version) for found in versions), *aliases])
    return NotFoundError(f"model {name!r} has no version or label {version!r}", where="models", fix=f"It has: {there}")


def _pages(search: Any, **options: Any) -> Sequence[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(page_token=token, **options)
        found += page
        token = page.token
        if not token:
            return found


@contextmanager
def _told_plainly(where: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # takes a second

    try:
        yield
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise NotFoundError(error.message, where) from error
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise ValidationException(error.message, where) from error
        raise TrackingError(error.message, where) from error
