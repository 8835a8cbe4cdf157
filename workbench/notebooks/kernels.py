"""Which kernel runs a notebook."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from workbench.errors import NotFoundError

__all__ = ["DEFAULT_KERNEL", "kernel_of", "language_of", "translated_as"]

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
        return str(specs.get_kernel_spec(kernel).language) or "python"
    except NoSuchKernel:
        known = sorted(specs.find_kernel_specs())
        close = difflib.get_close_matches(kernel, known, n=1) or known or [DEFAULT_KERNEL]
        fix = f"Installed are: {', '.join(known) or 'none'}. Write kernel='{close[0]}'"
        raise NotFoundError(f"no kernel named {kernel!r} is installed", "kernel", fix) from None


def translated_as(kernel: str) -> str | None:
    """Return the language of an installed kernelspec as papermill, which writes the assignments, spells it.

    Returns:
        None where papermill has no translator for it, so that the notebook can be given nothing.

    Raises:
        NotFoundError: there is no such kernelspec.
    """
    from papermill.exceptions import PapermillException  # noqa: PLC0415 - heavy
    from papermill.translators import papermill_translators  # noqa: PLC0415

    language = language_of(kernel)
    for spelling in (language, language.lower(), language.upper()):
        with suppress(PapermillException):
            papermill_translators.find_translator(kernel, spelling)
            return spelling
    return None
