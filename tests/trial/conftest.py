"""A trial host run for real, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.store.files import TrialFolder
from workbench.trial.host import command_line
from workbench.trial.spec import Exit, TrialSpec


@dataclass
class HostRun:
    folder: TrialFolder
    process: subprocess.Popen[bytes]

    def wait(self) -> Exit:
        self.process.wait(timeout=60)
        ending = Exit.read(self.folder)
        assert ending is not None, self.folder.host_log.read_text()
        return ending

    @property
    def log(self) -> str:
        return self.folder.log.read_text()


StartHost = Callable[..., HostRun]


@pytest.fixture
def start_host(tmp_path: Path) -> StartHost:
    surroundings = tmp_path / "surroundings"
    surroundings.write_text(json.dumps(dict(os.environ)))

    def start(command: str, **settings: Any) -> HostRun:
        folder = TrialFolder(tmp_path / f"trial{len(list(tmp_path.iterdir()))}")
        folder.root.mkdir()
        facts: dict[str, Any] = {
            "name": "t",
            "folder": folder.root.name,
            "command": command,
            "surroundings": str(surroundings),
            "wake": str(tmp_path / "wake"),
            "experiment_name": "e",
            "display_name": "t",
            "created": 0.0,
        }
        TrialSpec(**(facts | settings)).write_into(folder)
        host_log = folder.host_log.open("wb")
        process = subprocess.Popen(command_line(folder), stdout=host_log, stderr=host_log, start_new_session=True)
        host_log.close()
        return HostRun(folder, process)

    return start
