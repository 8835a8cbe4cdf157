"""A living trial as the supervisor sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.store.files import TrialFolder
from workbench.supervisor.trials import TrialHandle
from workbench.trial.leases import Resource, acquire, free_units
from workbench.trial.report import FOLDER_VARIABLE

# Has so many pages that it takes long to die, and that the kernel takes them from it before it closes its files.
_LARGE = """
import mmap, signal
memory = mmap.mmap(-1, 512 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
memory[::mmap.PAGESIZE] = bytes(len(memory) // mmap.PAGESIZE)
print("ready", flush=True)
signal.pause()
"""


def test_what_was_leased_is_free_once_the_helpers_of_a_killed_host_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.trial.processes._TICK", 0.0)
    gpu = Resource("gpu-GPU-0", 840)
    trial = TrialHandle("job", TrialFolder(tmp_path / "job"), None, engine="unix:///nowhere")
    lease = acquire([(gpu, 840)], tmp_path)
    assert lease is not None
    with subprocess.Popen(
        [sys.executable, "-c", _LARGE],
        stdout=subprocess.PIPE,
        env={**os.environ, FOLDER_VARIABLE: str(trial.folder.root)},
        pass_fds=lease.fds,
    ) as helper:
        lease.release()
        assert helper.stdout is not None
        assert helper.stdout.readline() == b"ready\n"
        assert free_units(gpu, tmp_path) == 0
        trial.end_helpers()
        assert free_units(gpu, tmp_path) == 840
