"""Which kernel runs a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.definition.checking import nearest
from workbench.errors import NotFoundError

__all__ = ["DEFAULT_KERNEL", "kernel_of", "language_of"]

DEFAULT_KERNEL = "python3"
"""What runs a notebook that names no kernel."""


def kernel_of(metadata: Mapping[str, Any], asked: str | None = None) -> str:
    """Return the name of the kernelspec that runs a notebook with this metadata."""
    return asked or (metadata.get("kernelspec") or {}).get("name") or DEFAULT_KERNEL


def language_of(kernel: str) -> str:
    """Return the language of an installed kernelspec.

    Raises:
        NotFoundError: there is none of that name; the message lists what there is.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415 - heavy

    specs = KernelSpecManager()
    try:
        return str(specs.get_kernel_spec(kernel).language).lower() or "python"
    except NoSuchKernel:
        known = sorted(specs.find_kernel_specs())
        fix = f"{nearest(kernel, known)}. Name one of them, as in kernel='{known[0] if known else DEFAULT_KERNEL}'"
        raise NotFoundError(f"no kernel named {kernel!r} is installed", "kernel", fix) from None
