"""Sweeps of notebooks whose trials are forks, held against the same ones started cold, as a user meets them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.chaos.processes import children, fork_servers, has_ended
from tests.conftest import supervisor_of
from tests.notebook.books import write_notebook
from tests.supervisor.test_sweeps_end_to_end import finish, processes_of, trials, wait
from workbench import MLClient, command, notebook
from workbench.client.waiting import wait_until
from workbench.definition.records import AnyJob
from workbench.definition.resources import JobResourceConfiguration
from workbench.store.files import TrialFolder
from workbench.sweep import BanditPolicy, Choice
from workbench.testing.devices import InMemoryDevices
from workbench.trial.processes import is_alive

FORKED = "'workbench.notebooks.runner' in sys.modules"
HOWS = pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])


def sweep_of(book: Path, values: list[Any], **fields: Any) -> AnyJob:
    policy = fields.pop("early_termination_policy", None)
    return notebook(book, inputs={"x": 0}, **fields)(x=Choice(values)).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        max_concurrent_trials=1,
        early_termination_policy=policy,
    )


def start(client: MLClient, *, warm: bool) -> MLClient:
    client.context.workspace.settings.write_text(f"warm = {str(warm).lower()}\ngrace = 60\n")
    return client


def logs(client: MLClient, sweep: AnyJob) -> list[str]:
    return [TrialFolder(Path(str(child.folder))).log.read_text() for child in trials(client, sweep)]


@HOWS
def test_a_sweep_is_the_same_warm_and_cold(ml_client: MLClient, tmp_path: Path, *, warm: bool) -> None:
    book = write_notebook(
        tmp_path / "train.ipynb",
        f"import signal, sys, mlflow, workbench\nprint({FORKED})\nfor _ in range(3):\n    workbench.log(score=x)",
        "mlflow.log_metric('loss', 1 - x)\nmlflow.log_param('seen', x)",
        "if x < 0.5:\n    signal.pause()\nworkbench.output('kind', 'b')\nopen('outputs/model', 'w').write('m')",
        parameters="x = 0.0",
    )
    client = start(ml_client, warm=warm)
    policy = BanditPolicy(slack_factor=0.1, evaluation_interval=2)
    done = finish(client, sweep_of(book, [1.0, 0.95, 0.4], early_termination_policy=policy))
    children_ = trials(client, done)
    assert [child.status for child in children_] == ["Completed", "Completed", "Canceled"], logs(client, done)
    assert "stopped early: 0.4 < 0.9091" in str(children_[2].reason)
    assert [text.splitlines()[0] for text in logs(client, done)] == [str(warm)] * 3
    assert re.fullmatch("stopped in cell [345] of 5", logs(client, done)[2].splitlines()[-1])
    import mlflow

    tracked = mlflow.MlflowClient(client.context.workspace.mlflow_uri)
    store = client.context.store
    assert wait_until(lambda: store.cursor("mlflow") >= store.now(), client.context, 60)
    run = tracked.get_run(f"{done.name}_1")
    assert (run.data.params["x"], run.data.params["seen"]) == ("0.95", "0.95")
    assert {key: run.data.metrics[key] for key in ("score", "loss")} == {"score": 0.95, "loss": pytest.approx(0.05)}
    paths = {entry.path for entry in tracked.list_artifacts(run.info.run_id)}
    assert {"output.ipynb", "outputs", "user_logs"} <= paths
    assert run.info.status == "FINISHED"
    assert done.properties["best_child_run_id"] == f"{done.name}_0"
    assert children_[0].output_values == {"kind": "b"}
    assert processes_of(client) == []


def test_a_server_that_is_killed_is_done_without(ml_client: MLClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    wait_here = f"if x == 1:\n    open({str(gate)!r}).read()"
    book = write_notebook(
        tmp_path / "a.ipynb", f"import sys, workbench\nprint({FORKED})\n{wait_here}", parameters="x = 0"
    )
    client = start(ml_client, warm=True)
    submitted = client.create_or_update(sweep_of(book, [0, 1, 2]))
    store = client.context.store
    assert wait_until(
        lambda: len(store.children(submitted.name)) == 2 and store.children(submitted.name)[1].status == "Running",
        client.context,
        60,
    )
    supervisor = supervisor_of(client.context.workspace)
    assert supervisor is not None
    [server] = fork_servers(supervisor.pid)
    ahead = children(server)
    os.kill(server, signal.SIGKILL)
    gate.write_text("")
    wait(client, submitted.name)
    done = client.jobs.get(submitted.name)
    assert [child.status for child in trials(client, done)] == ["Completed"] * 3
    assert logs(client, done) == ["True\n", "True\n", "False\n"]
    assert "trials start cold: the fork server is of no use" in client.context.workspace.supervisor_log.read_text()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in ahead), client.context, 20), (
        "what it had ready ends with it"
    )


@HOWS
def test_a_runner_that_is_killed_leaves_no_sockets(ml_client: MLClient, tmp_path: Path, *, warm: bool) -> None:
    cell = f"import os, signal, workbench\nprint({FORKED}, os.getppid(), flush=True)"
    book = write_notebook(
        tmp_path / "a.ipynb", "import sys", cell, "os.kill(os.getppid(), signal.SIGKILL)", parameters="x = 0"
    )
    client = start(ml_client, warm=warm)
    done = finish(client, sweep_of(book, [0, 1]))
    assert [child.status for child in trials(client, done)] == ["Failed"] * 2
    for text in logs(client, done):
        forked, runner = text.splitlines()[0].split()
        assert forked == str(warm)
        assert list(Path(tempfile.gettempdir()).glob(f"workbench-{runner}-*")) == []
    assert processes_of(client) == []


def test_what_prints_when_imported_does_so_in_each_trial(ml_client: MLClient, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "talkative.py").write_text("print('hello')")
    book = write_notebook(code / "a.ipynb", f"import sys, json\nimport talkative\nprint({FORKED})", parameters="x = 0")
    client = start(ml_client, warm=True)
    variables = {"PYTHONPATH": str(tmp_path / "modules")}
    done = finish(client, sweep_of(book, [0, 1], environment_variables=variables))
    assert logs(client, done) == ["hello\nTrue\n"] * 2
    assert "each trial imports for itself: talkative" in client.context.workspace.supervisor_log.read_text()


def test_one_that_waits_for_its_server_can_be_canceled(ml_client: MLClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "slow.py").write_text(f"open({str(gate)!r}).read()")
    book = write_notebook(tmp_path / "a.ipynb", "import slow", parameters="x = 0")
    client = start(ml_client, warm=True)
    variables = {"PYTHONPATH": str(tmp_path / "modules")}
    submitted = client.create_or_update(sweep_of(book, [0, 1], environment_variables=variables))
    first = f"{submitted.name}_0"

    def waits() -> bool:
        record = client.context.store.job(first)
        return record is not None and "getting ready" in (record.reason or "")

    assert wait_until(waits, client.context, 60)
    client.jobs.begin_cancel(submitted.name).result(timeout=60)
    assert client.jobs.get(submitted.name).status == "Canceled"
    assert client.jobs.get(first).status == "Canceled"
    assert processes_of(client) == []


@HOWS
def test_a_leased_gpu_is_what_the_kernel_sees(
    ml_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, warm: bool
) -> None:
    (tmp_path / "leases").mkdir()
    monkeypatch.setenv("WORKBENCH_LEASES", str(tmp_path / "leases"))
    devices = InMemoryDevices()
    gpus = [devices.add().uuid, devices.add().uuid]
    devices.write(tmp_path / "devices.json")
    settings = f'warm = {str(warm).lower()}\ndevices = "{tmp_path / "devices.json"}"\n'
    ml_client.context.workspace.settings.write_text(settings)
    book = write_notebook(
        tmp_path / "a.ipynb",
        "import os, sys, workbench\nworkbench.output('gpu', os.environ['CUDA_VISIBLE_DEVICES'])\n"
        f"workbench.output('forked', {FORKED})",
        "!echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER",
        parameters="x = 0",
    )
    done = finish(ml_client, sweep_of(book, [0, 1, 2], resources=JobResourceConfiguration(gpus=1)))
    for child, log in zip(trials(ml_client, done), logs(ml_client, done), strict=True):
        gpu = child.output_values["gpu"]
        assert gpu in gpus
        assert child.output_values["forked"] is warm
        assert log == f"{gpu} PCI_BUS_ID\n"


SHOUTING = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class Shouting(Kernel):
    implementation = banner = "shouting"
    implementation_version = language_version = "1"
    language_info = {"name": "shouting", "mimetype": "text/plain", "file_extension": ".txt"}

    async def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        if not silent:
            text = {"name": "stdout", "text": code.upper() + "\\n"}
            self.send_response(self.iopub_socket, "stream", text)
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


IPKernelApp.launch_instance(kernel_class=Shouting)
"""


@pytest.fixture
def add_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a kernelspec that is found by this test's processes."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))

    def add(name: str, argv: list[str], **fields: Any) -> None:
        folder = tmp_path / "share" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": "python", **fields}
        (folder / "kernel.json").write_text(json.dumps(spec))

    return add


def test_a_kernel_of_another_language_starts_cold(
    ml_client: MLClient, tmp_path: Path, add_kernel: Callable[..., None]
) -> None:
    (tmp_path / "shouting.py").write_text(SHOUTING)
    argv = [sys.executable, str(tmp_path / "shouting.py"), "-f", "{connection_file}"]
    add_kernel("shouting", argv, language="shouting")
    book = write_notebook(tmp_path / "a.ipynb", "hello", kernel="shouting", language="shouting")
    done = finish(start(ml_client, warm=True), notebook(book))
    folder = TrialFolder(Path(str(done.folder)))
    assert done.status == "Completed"
    assert folder.log.read_text().endswith("HELLO\n")
    executed = nbformat.reads(folder.notebook.read_text(), as_version=4)
    assert executed.metadata.language_info.name == "shouting"
    assert executed.cells[1].outputs[0].text == "HELLO\n"


def test_the_python_of_another_environment_starts_cold(
    ml_client: MLClient, tmp_path: Path, add_kernel: Callable[..., None]
) -> None:
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    [packages] = other.glob("lib/*/site-packages")
    import ipykernel

    (packages / "ours.pth").write_text(str(Path(ipykernel.__file__).parents[1]))
    argv = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    add_kernel("other", [str(other / "bin" / "python"), *argv])
    add_kernel("named", [sys.executable, *argv])
    add_kernel("with-variables", [sys.executable, *argv], env={"FROM_SPEC": "1"})
    cell = f"import os, sys\nprint(sys.prefix, {FORKED}, os.environ.get('FROM_SPEC'), x)"
    book = write_notebook(tmp_path / "a.ipynb", cell, parameters="x = 0")
    client = start(ml_client, warm=True)
    for kernel, expected in {
        "other": f"{other} False None",
        "python3": f"{sys.prefix} True None",
        "named": f"{sys.prefix} False None",
        "with-variables": f"{sys.prefix} False 1",
    }.items():
        done = finish(client, sweep_of(book, [1], kernel=kernel))
        assert logs(client, done) == [f"{expected} 1\n"], kernel


def test_many_trials_leave_nothing_behind(ml_client: MLClient, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "a.ipynb", "import workbench\nworkbench.log(score=x)", parameters="x = 0")
    client = start(ml_client, warm=True)
    submitted = client.create_or_update(sweep_of(book, list(range(12))))
    store = client.context.store

    def ended(count: int) -> bool:
        return sum(child.status.is_finished for child in store.children(submitted.name)) >= count

    assert wait_until(lambda: ended(3), client.context, 60)
    supervisor = supervisor_of(client.context.workspace)
    assert supervisor is not None
    [server] = fork_servers(supervisor.pid)
    wait(client, submitted.name)
    assert wait_until(lambda: len(children(server)) == 1, client.context, 20), "one trial is ready ahead, no more"
    assert len(list(Path(f"/proc/{server}/task").iterdir())) == 1
    # Standard streams, the channel to the supervisor, the one to what is ready ahead.
    assert len(list(Path(f"/proc/{server}/fd").iterdir())) == 5
    assert [pid for pid in children(supervisor.pid) if state(pid) == "Z"] == []
    assert is_alive(supervisor)
    assert {child.status.value for child in store.children(submitted.name)} == {"Completed"}


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


RUN = """
import sys

import workbench.supervisor.warm
from workbench.supervisor.__main__ import main

workbench.supervisor.warm._IDLE = float(sys.argv[2])
main(sys.argv[1])
"""


def supervise(client: MLClient, idle: float) -> int:
    """Start a supervisor that ends fork servers which nobody asks for ``idle`` seconds; return its pid."""
    root = str(client.context.workspace.root)
    subprocess.run([sys.executable, "-c", RUN, root, str(idle)], cwd="/", check=True, start_new_session=True)
    assert wait_until(lambda: supervisor_of(client.context.workspace) is not None, client.context, 20)
    supervisor = supervisor_of(client.context.workspace)
    assert supervisor is not None
    return supervisor.pid


def test_a_notebook_that_runs_by_itself_starts_warm(ml_client: MLClient, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "a.ipynb", f"import sys\nprint({FORKED})", parameters="x = 0")
    client = start(ml_client, warm=True)
    supervisor = supervise(client, idle=2)
    for value in (1, 2):
        done = finish(client, notebook(book, inputs={"x": value}))
        assert TrialFolder(Path(str(done.folder))).log.read_text() == "True\n"
    for server in fork_servers(supervisor):  # none, if this is looked at too late
        assert has_ended(server), "nobody asks it any more, and the supervisor sees to it"
    assert fork_servers(supervisor) == []


def test_a_script_that_is_run_again_starts_warm(ml_client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nprint('workbench.trial.warm_process' in sys.modules)")
    client = start(ml_client, warm=True)

    def run() -> str:
        done = finish(client, command(code=tmp_path, command="python train.py"))
        return TrialFolder(Path(str(done.folder))).log.read_text()

    assert run() == "False\n"
    supervisor = supervisor_of(client.context.workspace)
    assert supervisor is not None
    assert fork_servers(supervisor.pid) == [], "one that runs once would not see a server ready"
    give_up = time.monotonic() + 60
    while (seen := run()) == "False\n":  # the server has to be ready first
        assert time.monotonic() < give_up
    assert seen == "True\n"
