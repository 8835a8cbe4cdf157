"""What an install leaves behind: both halves are there and enabled, with no step by the user."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("command", "told"),
    [(("labextension", "list"), "workbench-lab v"), (("server", "extension", "list"), "workbench.server")],
)
def test_both_halves_are_enabled(command: tuple[str, ...], told: str) -> None:
    jupyter = Path(sysconfig.get_path("scripts")) / "jupyter"
    ran = subprocess.run([jupyter, *command], capture_output=True, text=True, timeout=120, check=True)
    (line,) = (line for line in (ran.stdout + ran.stderr).splitlines() if told in line and "enabled" in line)
    assert "disabled" not in line
