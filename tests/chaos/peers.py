"""``python -m tests.chaos.peers``: the same deaths with papermill, Optuna and Workbench, as a table.

The same work everywhere: a process that leaves a background child and a daemonized grandchild behind, takes two
seconds, and has a result. In its middle whoever started it is killed; then its user comes back and goes on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import stop_everything, supervisor_of
from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.store.files import read_json
from workbench.sweep import Choice
from workbench.trial.processes import marked_processes

__all__ = ["main"]

_MARK = "CHAOS_PEERS"
_TIDYING = 10.0  # seconds in which whoever wants to tidy up can have done so
_TRIALS = 3

_WORK = """
import os, subprocess, sys, time
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
subprocess.Popen(["sleep", "1000"], **quiet)
subprocess.Popen(["setsid", "--fork", "sleep", "1000"], **quiet)
open(os.path.join(sys.argv[1], f"started-{time.time_ns()}"), "w").close()
time.sleep(2)
print(1.0)
"""

_OPTUNA = """
import subprocess, sys
import optuna
folder, trials = sys.argv[1], int(sys.argv[2])
def objective(trial):
    trial.suggest_float("x", 0, 1)
    return float(subprocess.run([sys.executable, f"{folder}/work.py", folder], capture_output=True, text=True).stdout)
study = optuna.create_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db", load_if_exists=True)
study.optimize(objective, n_trials=trials - sum(trial.state.is_finished() for trial in study.trials))
print([trial.state.name for trial in study.trials])
"""

_PAPERMILL = "import sys, papermill; papermill.execute_notebook(sys.argv[1], sys.argv[2], progress_bar=False)"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        who: the program.
        death: what was killed, and how.
        left: the commands of processes that are left over.
        outcome: what became of the work.
    """

    who: str
    death: str
    left: list[str]
    outcome: str


def main() -> None:
    """Run everything and print the table."""
    rows = [
        papermill("in process", signal.SIGKILL),
        papermill("in process", signal.SIGTERM),
        papermill("CLI", signal.SIGKILL),
        papermill("CLI", signal.SIGTERM),
        optuna(signal.SIGKILL),
        optuna(signal.SIGTERM),
        workbench("supervisor"),
        workbench("trial host"),
    ]
    print(f"{'who':<22} {'killed':<24} {'left over':<16} what became of it")
    for row in rows:
        print(f"{row.who:<22} {row.death:<24} {_count(row.left):<16} {row.outcome}")


def _count(commands: list[str]) -> str:
    return ", ".join(f"{number} x {command}" for command, number in Counter(commands).items()) or "nothing"


def papermill(how: str, death: signal.Signals) -> Row:
    """Kill papermill in the middle of a notebook."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_notebook(folder)
        books = [str(folder / "in.ipynb"), str(folder / "out.ipynb")]
        program = ["-c", _PAPERMILL, *books] if how == "in process" else ["-m", "papermill", *books]
        runner = _start(folder, *program)
        _until(lambda: _starts(folder) == 1)
        runner.send_signal(death)
        runner.wait()
        left = _left(folder)
        written = json.loads((folder / "out.ipynb").read_text()) if (folder / "out.ipynb").exists() else {"cells": []}
        status = [cell["metadata"].get("papermill", {}).get("status") for cell in written["cells"]]
        return Row(f"papermill, {how}", f"papermill, {death.name}", left, f"the notebook says {status}, nobody goes on")


def optuna(death: signal.Signals) -> Row:
    """Kill the process that runs Optuna's trials as subprocesses, and start it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_work(folder)
        (folder / "study.py").write_text(_OPTUNA)
        runner = _start(folder, str(folder / "study.py"), str(folder), str(_TRIALS))
        _until(lambda: _starts(folder) == 2)
        runner.send_signal(death)
        runner.wait()
        left = _left(folder)
        again = _start(folder, str(folder / "study.py"), str(folder), str(_TRIALS))
        states = again.communicate()[0].strip().splitlines()[-1]
        _left(folder)
        return Row("Optuna, SQLite", f"the study, {death.name}", left, f"after a restart: {states}")


def workbench(victim: str) -> Row:
    """Kill parts of Workbench in the middle of a sweep, and look again."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _write_work(folder)
        os.environ["WORKBENCH_LEASES"] = str(folder)
        client = MLClient(path=folder / "workspace")
        work = f"python {folder}/work.py {folder} && python -c 'import workbench; workbench.log(score=1)'"
        job = command(command=f"{work} # ${{{{inputs.x}}}}", inputs={"x": 0}, environment_variables={_MARK: name})
        sweep = job(x=Choice(list(range(_TRIALS)))).sweep(
            primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=1
        )
        sweep.retries = {"host_lost": 1}
        submitted = str(client.create_or_update(sweep).name)
        wait_until(lambda: _starts(folder) == 2, client.context)
        pid, death = _victim(client, f"{submitted}_1", victim)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: client.jobs.record(submitted).status.is_finished, client.context)
        left = _commands(marked_processes(_MARK, name))
        trials = client.context.store.children(submitted)
        ends = [trial.status.value + (f" (attempt {trial.attempt})" if trial.attempt > 1 else "") for trial in trials]
        client.context.store.close()
        stop_everything(client.context.workspace)
        return Row("Workbench", death, left, f"after a look: {ends}, {_starts(folder)} starts")


def _victim(client: MLClient, trial: str, victim: str) -> tuple[int, str]:
    if victim == "trial host":
        record = read_json(client.context.workspace.trial(client.jobs.record(trial).folder).host) or {}
        return record["host"]["pid"], "trial host, SIGKILL"
    supervisor = supervisor_of(client.context.workspace)
    if supervisor is None:
        raise RuntimeError("there is no supervisor")
    return supervisor.pid, "supervisor, SIGKILL"


def _write_work(folder: Path) -> None:
    (folder / "work.py").write_text(_WORK)


def _write_notebook(folder: Path) -> None:
    source = f"import sys\nsys.argv = ['work', {str(folder)!r}]\n{_WORK}"
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "work",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "in.ipynb").write_text(json.dumps(notebook))


def _start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, _MARK: str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _starts(folder: Path) -> int:
    return len(list(folder.glob("started-*")))


def _until(done: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Look until ``done()``: nothing tells of what these programs do."""
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def _left(folder: Path) -> list[str]:
    """Return what is still there after a while, and end it."""
    _until(lambda: not marked_processes(_MARK, str(folder)), _TIDYING)
    pids = marked_processes(_MARK, str(folder))
    commands = _commands(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return commands


def _commands(pids: list[int]) -> list[str]:
    found = []
    for pid in pids:
        with suppress(OSError):  # it has just ended
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found.append(" ".join(Path(os.fsdecode(word)).name for word in words[:2]))
    return found


if __name__ == "__main__":
    main()
