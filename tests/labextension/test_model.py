"""The front end's own tests: types and unit tests of its model, run by Node."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

FRONT = Path(__file__).parents[2] / "labextension"


def test_the_model_of_the_front_end() -> None:
    assert (FRONT / "node_modules").is_dir(), "make labextension/node_modules"
    scripts = sysconfig.get_path("scripts")
    ran = subprocess.run(
        [Path(scripts) / "npm", "test"],
        check=False,
        cwd=FRONT,
        env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Tests  " in ran.stdout
