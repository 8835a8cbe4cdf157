"""Who counts as alive, and that a tree is really gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.trial.processes import Identity, descendants, end_tree, is_alive

# The thread that the process began with ends, another goes on: what a killed process with many threads
# looks like for a moment, held still.
HEADLESS = """
import ctypes, os, threading, time
def say_so():
    while open(f"/proc/{os.getpid()}/stat").read().rsplit(")", 1)[1].split()[0] != "Z":
        time.sleep(0.001)
    print("headless", flush=True)
    time.sleep(600)
threading.Thread(target=say_so).start()
exit_thread = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
ctypes.CDLL(None).syscall(exit_thread, 0)
"""


@pytest.fixture
def headless() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "headless\n"
        yield process
        process.kill()


def test_a_process_lives_as_long_as_one_of_its_threads_does(headless: subprocess.Popen[str]) -> None:
    identity = Identity.of(headless.pid)
    assert identity is not None
    assert Path(f"/proc/{headless.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    assert is_alive(identity)
    assert headless.pid in descendants(os.getpid())
    assert end_tree(lambda: [headless.pid] if is_alive(identity) else [], grace=0) == ("SIGKILL", [])
    assert not is_alive(identity)
    assert headless.wait() == -signal.SIGKILL
