"""Where a notebook's cells run: the kernelspec of the running kernel."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.notebooks.kernels import DEFAULT_KERNEL

__all__ = ["running_kernel"]


def running_kernel() -> str:
    """Return the name of the kernelspec that starts this Python; ``python3`` where none says so.

    A kernel does not know by which name it was started, so the specs are asked for the interpreter they run. A spec
    that only says ``python`` means the interpreter of whoever starts it, which for a trial is this one.
    """
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - heavy

    specs: Mapping[str, Mapping[str, Any]] = KernelSpecManager().get_all_specs()
    fitting = [name for name, entry in specs.items() if _is_ours(entry.get("spec", {}).get("argv", []))]
    return DEFAULT_KERNEL if DEFAULT_KERNEL in fitting or not fitting else sorted(fitting)[0]


def _is_ours(argv: list[str]) -> bool:
    if "ipykernel_launcher" not in argv:
        return False
    if "/" not in argv[0]:
        return argv[0].startswith("python")
    # Not the file behind the links: the Pythons of all virtual environments are one file.
    return Path(argv[0]).absolute().parent == Path(sys.executable).absolute().parent
