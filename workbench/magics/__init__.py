"""``%load_ext workbench``: the magics ``%%sweep``, ``%%job`` and ``%wb``, thin skins over the client."""

from __future__ import annotations

from typing import Any

__all__ = ["load"]


def load(shell: Any) -> None:
    """Register the magics and their completion in an IPython shell."""
    from workbench.magics.cells import CellMagics  # noqa: PLC0415 - IPython need not be loaded before
    from workbench.magics.completion import complete_in  # noqa: PLC0415
    from workbench.magics.verbs import VerbMagics  # noqa: PLC0415
    from workbench.views.display import install  # noqa: PLC0415

    install()
    shell.register_magics(CellMagics, VerbMagics)
    complete_in(shell)
