"""Names of registered assets, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.client.context import Context
from workbench.errors import NotFoundError, ValidationException

__all__ = ["resolve_asset", "split_reference"]


def resolve_asset(kind: str, reference: str, context: Context) -> Mapping[str, Any]:
    """Return the definition of a registered asset that ``reference`` (``name:version``, ``name@latest``) means.

    Raises:
        NotFoundError: there is no such asset; the message lists what there is.
    """
    name, label, version = split_reference(reference)
    versions = context.store.assets(kind, name)
    if not versions:
        known = sorted({asset.name for asset in context.store.assets(kind)}) or ["none"]
        raise NotFoundError(f"no {kind} named {name!r}", reference, f"Registered here: {', '.join(known)}")
    if label:
        return versions[-1].definition
    for asset in versions:
        if asset.version == version:
            return asset.definition
    has = ", ".join(asset.version for asset in versions)
    raise NotFoundError(f"{kind} {name!r} has no version {version!r}", reference, f"Versions: {has}")


def split_reference(reference: str) -> tuple[str, str | None, str | None]:
    """Return name, label and version of ``name:version`` or ``name@latest``; a bare name means its latest.

    Raises:
        ValidationException: another label.
    """
    text = reference.removeprefix("azureml:")
    if "@" in text:
        name, _, label = text.partition("@")
        if label != "latest":
            raise ValidationException(f"the label {label!r} is unknown", reference, "Write name@latest or name:version")
        return name, label, None
    name, _, version = text.partition(":")
    return (name, None, version) if version else (name, "latest", None)
