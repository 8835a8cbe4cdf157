"""What every trial keeps, whatever runs it: a script or a notebook, started cold or forked warm, or a container."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import has_ended
from tests.notebook.books import write_notebook
from workbench.client.notebooks import SHELL, WORDS
from workbench.environments.cache import Cache
from workbench.environments.engine import LABEL, address, connect
from workbench.store.files import TrialFolder
from workbench.store.workspace import open_workspace
from workbench.supervisor.containers import container_of
from workbench.supervisor.launch import start_host
from workbench.supervisor.warm import ForkServer
from workbench.trial.processes import marked_processes
from workbench.trial.report import FOLDER_VARIABLE, read_points
from workbench.trial.spec import Exit, TrialSpec

CONTAINER = "script, in a container"
KINDS = ("script, cold", "script, warm", "notebook, cold", "notebook, warm", CONTAINER)


@dataclass
class Running:
    """A trial that was started."""

    kind: str
    folder: TrialFolder
    pid: int
    temporary: Path
    there: set[Path]

    @property
    def is_notebook(self) -> bool:
        return self.kind.startswith("notebook")

    @property
    def log(self) -> str:
        return self.folder.log.read_text()

    def stop(self) -> Exit:
        os.kill(self.pid, signal.SIGTERM)
        return self.ended()

    def ended(self) -> Exit:
        """Wait for the host to have ended, and see that nothing of the trial is left."""
        assert has_ended(self.pid), self.folder.host_log.read_text()
        ending = Exit.read(self.folder)
        assert ending is not None, self.folder.host_log.read_text()
        assert self.folder.host_log.read_text() == ""
        assert ending.left == []
        assert marked_processes(FOLDER_VARIABLE, str(self.folder.root)) == []
        ahead = 1 if self.kind == "notebook, warm" else 0  # the sockets of the kernel that waits for the next one
        assert len(set(self.temporary.iterdir()) - self.there) <= ahead
        if self.kind == CONTAINER:
            mine = {"label": f"{LABEL}.folder={self.folder.root}"}
            assert connect(address()).containers(all=True, filters=mine) == []
        return ending


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return for each kind where its trials make their temporary files."""
    return {kind: tmp_path_factory.mktemp("t") for kind in KINDS}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, temporary: dict[str, Path]) -> Iterator[dict[str, ForkServer]]:
    workspace = open_workspace(tmp_path_factory.mktemp("warm"))
    servers = {
        kind: ForkServer(
            sys.executable,
            dict(os.environ) | {"TMPDIR": str(temporary[kind])},
            ["workbench"],
            workspace,
            notebook=kind.startswith("notebook"),
        )
        for kind in KINDS
        if kind.endswith("warm")
    }
    for server in servers.values():
        assert server.wait(60), workspace.warm_log.read_text()
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture(params=KINDS)
def start(
    request: pytest.FixtureRequest, tmp_path: Path, servers: dict[str, ForkServer], temporary: dict[str, Path]
) -> Start:
    kind: str = request.param
    there = set(temporary[kind].iterdir())
    (tmp_path / "surroundings").write_text(json.dumps(dict(os.environ) | {"TMPDIR": str(temporary[kind])}))
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "beside.py").write_text("value = 'from beside'\n")
    folder = TrialFolder(tmp_path / "trial")
    here = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "WORKBENCH_PYTHON": sys.executable,
    }
    inside = inside_a_container(request, folder, tmp_path) if kind == CONTAINER else {}

    def start(code: str, variables: dict[str, str] | None = None, after: str = "", **settings: Any) -> Running:
        notebook: dict[str, Any] | None = None
        if kind.startswith("notebook"):
            write_notebook(snapshot / "a.ipynb", code)
            notebook = {"path": "a.ipynb", "kernel": None, "values": {}, "data": [], "outputs": []}
        else:
            (snapshot / "train.py").write_text(code)
        TrialSpec(
            name="t",
            folder="trial",
            command=SHELL if notebook else f"python3 train.py{after}",
            words=WORDS if notebook else [["python"], ["train.py"]],
            surroundings=str(tmp_path / "surroundings"),
            wake=str(tmp_path / "wake"),
            experiment_name="e",
            display_name="t",
            created=0.0,
            snapshot=str(snapshot),
            variables={
                **({} if inside else here),
                "PYTHONUNBUFFERED": "1",
                "WORKBENCH_WORKSPACE": str(tmp_path),
                FOLDER_VARIABLE: str(folder.root),
                **(variables or {}),
            },
            notebook=notebook,
            **inside,
            **settings,
        ).write_into(folder)
        pid = servers[kind].fork(folder, []) if kind in servers else start_host(folder)
        assert pid is not None
        return Running(kind, folder, pid, temporary[kind], there)

    return start


def inside_a_container(request: pytest.FixtureRequest, folder: TrialFolder, shared: Path) -> dict[str, Any]:
    """Return what a specification says of a container that sees the files of a test, as the supervisor would."""
    image, cache = request.getfixturevalue("base_image"), shared / "cache"
    environment = {"kind": "image", "image": image, "engine": address(), "cache": str(cache), "key": "base"}
    Cache(cache, "image").built("base", lambda: {"image": image}, print)
    workspace = open_workspace(shared)
    os.mkfifo(workspace.wake)
    container = container_of({"runs_in": environment, "data": {}}, workspace, folder, {}, None)
    assert container is not None
    container["mounts"].append((str(shared), str(shared), "rw"))
    return {"environment": environment, "container": container}


class Begun:
    """A FIFO in which a trial says that it has begun."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self, run: Running) -> None:
        assert select.select([self._reading], [], [], 60)[0], run.log

    def close(self) -> None:
        os.close(self._reading)


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Begun]:
    begun = Begun(tmp_path / "begun")
    yield begun
    begun.close()


def test_what_it_prints_logs_and_writes_is_there(start: Start) -> None:
    run = start(
        "import os, sys, workbench, beside\n"
        "print(beside.value, os.environ['MINE'], os.path.basename(os.getcwd()), repr(sys.stdin.read()))\n"
        "print('to err', file=sys.stderr)\n"
        "workbench.log(step=1, accuracy=0.5)\nworkbench.output('made', {'a': 1})\n"
        "open('outputs/model', 'w').write('m')\nopen('made', 'w').write('kept');",
        variables={"MINE": "ü $(x)"},
    )
    ending = run.ended()
    assert (ending.cause, ending.code, ending.signal, ending.needed) == ("exited", 0, None, None), run.log
    assert sorted(run.log.splitlines()) == ["from beside ü $(x) work ''", "to err"]
    assert [(key, value, step) for key, value, step, _ in read_points(run.folder.metrics)[0]] == [("accuracy", 0.5, 1)]
    assert (run.folder.outputs / "model").read_text() == "m"
    kept = {path.name for path in run.folder.work.iterdir()}
    assert "made" in kept
    assert "beside.py" not in kept, "what it has not touched is not kept twice"


def test_an_error_is_its_failure_and_its_reason(start: Start) -> None:
    run = start("def f():\n    return 1 / 0\n\nf()")
    ending = run.ended()
    assert (ending.cause, ending.code, ending.signal) == ("exited", 1, None)
    assert "ZeroDivisionError: division by zero" in ending.message.splitlines()[-1]
    assert "return 1 / 0" in run.log


def test_an_exit_code_is_told(start: Start) -> None:
    run = start("import sys\nsys.exit(3)")
    ending = run.ended()
    if run.is_notebook:  # to a kernel it is an exception like others
        assert (ending.code, ending.message.splitlines()[-1]) == (1, "cell 1 of 1 failed: SystemExit: 3")
    else:
        assert ending.code == 3


def test_its_death_has_a_cause(start: Start) -> None:
    run = start("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    ending = run.ended()
    assert ending.cause == "exited"
    if run.is_notebook:
        assert ending.code == 1
        assert ending.message.splitlines()[-1].startswith("cell 1 of 1: the kernel died: SIGKILL killed it")
    elif run.kind == CONTAINER:  # its first process tells as a shell does
        assert ending.code == 128 + signal.SIGKILL
    else:
        assert (ending.code, ending.signal) == (None, "SIGKILL")


PRINTS = r"""
import os
print("epoch 1: accuracy=0.25", flush=True)
with open({gate!r}) as gate:
    gate.read()
print("epoch 2: accuracy=0.5\n  1 %\raccuracy=0.75", end="", flush=True);
"""


def test_what_it_prints_can_be_its_metrics(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    os.mkfifo(tmp_path / "wake")
    wake = os.open(tmp_path / "wake", os.O_RDWR)
    pattern = r"(?:epoch (?P<step>\d+): )?accuracy=(?P<value>\S+)"
    run = start(PRINTS.format(gate=str(tmp_path / "gate")), metric_patterns={"accuracy": pattern})
    while not (points := read_points(run.folder.metrics)[0]):
        assert select.select([wake], [], [], 60)[0], run.log
        os.read(wake, 1)
    assert [point[:3] for point in points] == [("accuracy", 0.25, 1)]
    (tmp_path / "gate").write_text("go")
    assert run.ended().code == 0, run.log
    os.close(wake)
    values = [(value, step) for _, value, step, _ in read_points(run.folder.metrics)[0]]
    assert values == [(0.25, 1), (0.5, 2), (0.75, 2)], "a step that is not printed is the number of the value"


TIDY = """
import os, signal, time
told = []
def tell(number, frame):
    told.append(number)
    if len(told) == 1:  # what comes while it tidies up must not break that off
        raise KeyboardInterrupt
try:
    {signals}
    with open({begun!r}, "w") as begun:  # a file left to be closed by itself swallows a signal that comes meanwhile
        begun.write("x")
    while True:
        time.sleep(0.1)  # a signal just before signal.pause() would not wake it
finally:
    time.sleep({tidying})  # as long as a second signal may be on its way
    open("outputs/tidied", "w").write(str(len(told)))
"""


def test_a_request_to_stop_lets_it_tidy_up(start: Start, begun: Begun) -> None:
    # A script is told by SIGTERM, which it must want to hear; a notebook's cell is interrupted.
    listens = "signal.signal(signal.SIGTERM, tell) if 'get_ipython' not in globals() else None"
    run = start(TIDY.format(begun=begun.path, signals=listens, tidying=0.3), grace=20)
    begun.wait(run)
    ending = run.stop()
    assert (ending.cause, ending.needed) == ("terminated", "SIGTERM")
    assert (run.folder.outputs / "tidied").read_text() == ("0" if run.is_notebook else "1")


@pytest.mark.parametrize("start", ["script, cold", CONTAINER], indirect=True)
def test_a_shell_around_it_does_not_end_before_it_has_tidied_up(start: Start, begun: Begun) -> None:
    run = start(
        TIDY.format(begun=begun.path, signals="signal.signal(signal.SIGTERM, tell)", tidying=0.3),
        after="; touch outputs/went-on",
        grace=20,
    )
    begun.wait(run)
    ending = run.stop()
    assert (ending.cause, ending.needed) == ("terminated", "SIGTERM")
    assert (run.folder.outputs / "tidied").read_text() == "1"
    assert not (run.folder.outputs / "went-on").exists()


def test_a_timeout_ends_it(start: Start, begun: Begun) -> None:
    run = start(TIDY.format(begun=begun.path, signals="", tidying=0), timeout=3, grace=20)
    ending = run.ended()  # on a busy machine that may be before a cold kernel is there
    assert (ending.cause, ending.needed) == ("timeout", "SIGTERM")


def test_what_will_not_listen_is_killed(start: Start, begun: Begun) -> None:
    run = start(
        "import signal\nfor number in (signal.SIGTERM, signal.SIGINT):\n    signal.signal(number, signal.SIG_IGN)\n"
        f"open({begun.path!r}, 'w').write('x')\nwhile True:\n    signal.pause()",
        grace=0.5,
    )
    begun.wait(run)
    ending = run.stop()
    assert (ending.cause, ending.needed) == ("terminated", "SIGKILL")


DAEMON = """
import os, time
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(writing, str(os.getpid()).encode())
    os.close(writing)
    time.sleep(1000)
open("outputs/daemon", "w").write(os.read(reading, 20).decode())
{after}
"""


@pytest.mark.parametrize("how", ["ends by itself", "is stopped"])
def test_daemons_do_not_outlive_it(start: Start, begun: Begun, how: str) -> None:
    says = f"with open({begun.path!r}, 'w') as begun:\n    begun.write('x')\ntime.sleep(1000)"
    after = says if how == "is stopped" else ""
    run = start(DAEMON.format(after=after), grace=5)
    if how == "is stopped":
        begun.wait(run)
        ending = run.stop()
    else:
        ending = run.ended()
        assert ending.code == 0
    pid = int((run.folder.outputs / "daemon").read_text())
    if run.kind == CONTAINER:  # the daemon ends with its container, and its number meant something there only
        return
    assert ending.needed == "SIGTERM"
    assert not Path(f"/proc/{pid}").exists()
