"""What each trial of a chaos round runs: it tells that it ran, leaves processes behind, and logs its points slowly.

Copied into the round's code folder; needs only the installed package. Usage: ``trial.py X STEPS PACE RAN``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import workbench


def daemonize() -> None:
    """Leave a grandchild behind in a session of its own, as daemons do it."""
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execvp("sleep", ["sleep", "1000"])


def main(x: float, steps: int, pace: float, ran: Path) -> None:
    with (ran / f"ran-{os.environ['AZUREML_RUN_ID']}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    subprocess.Popen(["sleep", "1000"])
    daemonize()
    for step in range(steps):
        time.sleep(pace)  # the work
        workbench.log(step=step, score=x + step * 0.25)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
