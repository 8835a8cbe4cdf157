"""``ml_client.environments`` and ``ml_client.data``: named, versioned, identified by content."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from workbench.client.context import Context
from workbench.definition.assets import Data
from workbench.definition.environment import Environment
from workbench.definition.paths import where_paths_begin
from workbench.environments.packages import conda_content, read_requirements
from workbench.errors import NotFoundError, ValidationException
from workbench.store.records import AssetRecord
from workbench.store.snapshots import take_snapshot

__all__ = ["AssetOperations", "DataOperations", "EnvironmentOperations"]

Asset = TypeVar("Asset", Environment, Data)
_FREE = ("name", "version", "description", "tags", "properties")
"""Fields that are no part of what an asset is: they may change, or differ between equal contents."""


class AssetOperations(Generic[Asset]):
    """Assets of one kind in a workspace.

    Args:
        context: the workspace.
        kind: ``environment`` or ``data``.
        entity: their class.
    """

    def __init__(self, context: Context, kind: str, entity: type[Asset]) -> None:
        self._context = context
        self._kind = kind
        self._entity: type[Asset] = entity

    def create_or_update(self, asset: Asset) -> Asset:
        """Register ``asset`` and return it with its version.

        Without a version, equal content keeps the latest version and other content becomes the next one; a given
        version can only change its description and tags.

        Raises:
            ValidationException: it has no name, or the version exists with other content.
        """
        if not asset.name:
            raise ValidationException(f"a registered {self._kind} needs a name", "name", "Give it one: name='…'")
        definition = self._definition(asset)
        content = _content(definition)
        with self._context.store.write() as writer:  # from the look at the versions on: others may register too
            versions = self._context.store.assets(self._kind, asset.name)
            version = asset.version or self._next_version(versions, content)
            existing = next((one for one in versions if one.version == version), None)
            if existing and existing.content != content:
                raise ValidationException(
                    f"version {version} of {self._kind} {asset.name!r} exists with other content",
                    "version",
                    "Leave the version out to get the next one",
                )
            record = AssetRecord(
                kind=self._kind,
                name=asset.name,
                version=version,
                content=content,
                definition={**definition, "version": version},
                created=time.time(),
            )
            writer.add_asset(record)
        return self._entity(**record.definition)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Asset:
        """Return one version; the label ``latest`` means the one created last.

        Raises:
            ValidationException: not exactly one of version and label is given.
            NotFoundError: there is none; the message lists what there is.
        """
        if (version is None) == (label is None):
            raise ValidationException(
                "give either a version or a label", f"{self._kind}.get", "For the newest one: label='latest'"
            )
        versions = self._versions(name)
        if label is not None and label != "latest":
            raise NotFoundError(f"no label {label!r}", f"{self._kind} {name}", "The only label is 'latest'")
        found = versions[-1] if label else next((one for one in versions if one.version == str(version)), None)
        if found is None:
            has = ", ".join(one.version for one in versions)
            raise NotFoundError(f"no version {version}", f"{self._kind} {name}", f"It has: {has}")
        return self._entity(**found.definition)

    def list(self, name: str | None = None) -> Iterator[Asset]:
        """Yield all versions of ``name``, or the latest version of every one; archived ones are left out."""
        records = [one for one in self._context.store.assets(self._kind, name) if not one.archived]
        if name is None:
            records = list({one.name: one for one in records}.values())
        yield from (self._entity(**one.definition) for one in records)

    def archive(self, name: str, version: str | None = None) -> None:
        """Hide one version, or all of them, from lists."""
        self._set_archived(name, version, archived=True)

    def restore(self, name: str, version: str | None = None) -> None:
        """Show one version, or all of them, in lists again."""
        self._set_archived(name, version, archived=False)

    def _definition(self, asset: Asset) -> dict[str, object]:
        return asset.to_dict()

    def _versions(self, name: str) -> tuple[AssetRecord, ...]:
        versions = self._context.store.assets(self._kind, name)
        if not versions:
            known = ", ".join(sorted({one.name for one in self._context.store.assets(self._kind)})) or "none"
            raise NotFoundError(f"no {self._kind} named {name!r}", None, f"Registered here: {known}")
        return tuple(versions)

    @staticmethod
    def _next_version(versions: Sequence[AssetRecord], content: str) -> str:
        if versions and versions[-1].content == content:
            return versions[-1].version
        return str(max((int(one.version) for one in versions if one.version.isdigit()), default=0) + 1)

    def _set_archived(self, name: str, version: str | None, *, archived: bool) -> None:
        chosen = [one for one in self._versions(name) if version is None or one.version == version]
        with self._context.store.write() as writer:
            for one in chosen:
                writer.add_asset(replace(one, archived=archived))


def _content(definition: Mapping[str, object]) -> str:
    """Return what tells an asset from others, whatever it is called."""
    told = {name: value for name, value in definition.items() if name not in _FREE}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class EnvironmentOperations(AssetOperations[Environment]):
    """Environments: what the files that they name hold is part of what they are, and is kept."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "environment", Environment)

    def _definition(self, asset: Environment) -> dict[str, object]:
        """Return the environment with its files taken in, so that a version stays what it was."""
        told: dict[str, object] = asset.to_dict()
        if asset.conda_file is not None:
            told["conda_file"] = conda_content(asset.conda_file)
        if asset.requirements is not None:
            told["requirements"] = list(read_requirements(asset.requirements))
        if asset.build is not None:
            folder = Path(asset.build.path).expanduser().absolute()
            if not folder.is_dir():
                raise NotFoundError(f"there is no folder {str(folder)!r}", "build.path", "Check the path")
            kept = self._context.workspace.snapshots / take_snapshot(folder, self._context.workspace)
            told["build"] = {**asset.build.to_dict(), "path": str(kept)}
        return told


class DataOperations(AssetOperations[Data]):
    """Data assets: files and folders of this machine under a name."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, "data", Data)

    def _definition(self, asset: Data) -> dict[str, object]:
        path = Path(asset.path or "").expanduser()
        if not asset.path or not path.exists():
            raise NotFoundError(f"there is nothing at {asset.path!r}", "path", where_paths_begin(path))
        return {**asset.to_dict(), "path": str(path.absolute())}
