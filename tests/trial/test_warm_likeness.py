"""Warm starts against cold ones, where what a program finds depends on what happened before, or on its own folder."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import workbench.supervisor.warm
from tests.chaos.processes import children
from tests.trial.test_warm import ended
from workbench.definition.words import to_words
from workbench.store.files import TrialFolder
from workbench.store.workspace import open_workspace
from workbench.supervisor.launch import start_host
from workbench.supervisor.warm import ForkServer, WarmStarts
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.spec import TrialSpec

WARM = "import sys; warm = 'seen' in sys.modules\n"


class Bench:
    """Runs programs, warm and cold, that find a folder of modules on their search path.

    Args:
        root: where everything is.
        search_path: PYTHONPATH, with the folder of modules put in for ``LIBRARY``.
    """

    def __init__(self, root: Path, search_path: str = "LIBRARY") -> None:
        self.root = root
        self.library = root / "library"
        self.code = root / "code"
        for folder in (self.library, self.code):
            folder.mkdir()
        (self.library / "seen.py").write_text("")
        self.environment = dict(os.environ) | {"PYTHONPATH": search_path.replace("LIBRARY", str(self.library))}
        self.environment.pop("PYTHONUNBUFFERED", None)
        (root / "surroundings").write_text(json.dumps(self.environment))
        os.mkfifo(root / "wake")
        self.workspace = open_workspace(root / "ws")
        self.servers: list[ForkServer] = []
        self.runs = 0

    def server(self, *modules: str) -> ForkServer:
        server = ForkServer(sys.executable, self.environment, ["seen", *modules], self.workspace)
        self.servers.append(server)
        assert server.wait(60), self.workspace.warm_log.read_text()
        return server

    def run(self, server: ForkServer | None, code: str, command: str = "python train.py", **variables: str) -> str:
        """Run a program, warm where there is a server; return what it printed."""
        folder, spec = self.trial(code, command, **variables)
        spec.write_into(folder)
        return self.printed(folder, start_host(folder) if server is None else server.fork(folder, []))

    def trial(self, code: str, command: str = "python train.py", **variables: str) -> tuple[TrialFolder, TrialSpec]:
        self.runs += 1
        (self.code / "train.py").write_text(code)
        folder = TrialFolder(self.root / f"trial{self.runs}")
        marks = {FOLDER_VARIABLE: str(folder.root), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        spec = TrialSpec(
            name="t",
            parent="s",
            folder="t",
            command=command,
            words=to_words(command),
            surroundings=str(self.root / "surroundings"),
            wake=str(self.root / "wake"),
            experiment_name="e",
            display_name="t",
            created=0.0,
            snapshot=str(self.code),
            variables=marks | variables,
        )
        return folder, spec

    def printed(self, folder: TrialFolder, pid: int | None) -> str:
        assert pid is not None
        ended(folder, pid)
        assert folder.host_log.read_text() == ""
        return folder.log.read_text().replace(str(folder.root), "ROOT")

    def is_refused(self, server: ForkServer) -> bool:
        """Return whether a server forks nothing, because it is made anew."""
        refused = server.fork(TrialFolder(self.root / "refused"), []) is None
        assert server.wait(60), self.workspace.warm_log.read_text()
        return refused


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(tmp_path, *([request.param] if hasattr(request, "param") else []))
    yield bench
    for server in bench.servers:
        server.close()


def edit(library: Path) -> None:
    (library / "mine.py").write_text("value = 'edited'\n")


def edit_in_a_package(library: Path) -> None:
    (library / "package" / "deep.py").write_text("value = 'edited'\n")


def add_to_a_package(library: Path) -> None:
    (library / "package" / "new.py").write_text("")


def remove(library: Path) -> None:
    (library / "mine.py").unlink()


def add_one_that_comes_first(library: Path) -> None:
    (library / "numpy.py").write_text("value = 'not what was meant'\n")


def add_a_package(library: Path) -> None:
    (library / "another").mkdir()
    (library / "another" / "__init__.py").write_text("")


def install(library: Path) -> None:
    (library / "mine-2.0.dist-info").mkdir()


def write_data(library: Path) -> None:
    (library / "results.csv").write_text("1\n")
    (library / "data").mkdir()
    (library / "data" / "more.txt").write_text("2\n")


def touch_nothing(library: Path) -> None:
    pass


CHANGES: list[tuple[Callable[[Path], None], bool]] = [
    (edit, True),
    (edit_in_a_package, True),
    (add_to_a_package, True),
    (remove, True),
    (add_one_that_comes_first, True),
    (add_a_package, True),
    (install, True),
    (write_data, False),
    (touch_nothing, False),
]


@pytest.mark.parametrize(("change", "refuses"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_what_has_changed_since_it_was_imported_is_not_forked(
    bench: Bench, change: Callable[[Path], None], *, refuses: bool
) -> None:
    (bench.library / "mine.py").write_text("value = 'first'\n")
    (bench.library / "package").mkdir()
    (bench.library / "package" / "__init__.py").write_text("")
    (bench.library / "package" / "deep.py").write_text("value = 'first'\n")
    server = bench.server("mine", "package.deep")
    code = WARM + (
        "print(warm)\nfor name in ('mine', 'package.deep', 'numpy', 'another'):\n"
        "    try:\n        module = __import__(name, fromlist=['x'])\n        print(getattr(module, 'value', name))\n"
        "    except ImportError as error:\n        print(error)"
    )
    bench.run(server, code)
    change(bench.library)
    assert bench.is_refused(server) == refuses
    assert bench.run(server, code).splitlines()[0] == "True"
    assert bench.run(server, code).splitlines()[1:] == bench.run(None, code).splitlines()[1:]


def test_a_file_that_changes_while_it_is_imported_is_imported_again(bench: Bench) -> None:
    (bench.library / "mine.py").write_text("open(__file__, 'a').write('# once more\\n') if __file__ else 0\n")
    server = bench.server("mine")
    assert bench.is_refused(server)


@pytest.mark.parametrize("bench", ["src:LIBRARY", "LIBRARY:src:.:"], indirect=True)
@pytest.mark.parametrize("command", ["python train.py", "python -m train", "python below/run.py"])
def test_a_relative_search_path_is_the_trials_own(bench: Bench, command: str) -> None:
    (bench.code / "src").mkdir()
    (bench.code / "src" / "helper.py").write_text("value = 'mine'\n")
    (bench.code / "below").mkdir()
    (bench.code / "below" / "run.py").write_text("exec(open('train.py').read())")
    code = WARM + "import os, helper\nprint(helper.__file__, sys.path, os.environ['PYTHONPATH'])\nprint(warm)"
    server = bench.server()
    warm, cold = (bench.run(how, code, command).splitlines() for how in (server, None))
    assert warm == [*cold[:-1], "True"]


@pytest.mark.parametrize("bench", ["LIBRARY", "src:LIBRARY"], indirect=True)
@pytest.mark.parametrize("command", ["python train.py", "python -m train"])
def test_a_programs_own_modules_come_before_those_that_are_imported(bench: Bench, command: str) -> None:
    (bench.library / "utils.py").write_text("who = 'another'\n")
    (bench.library / "user.py").write_text("import utils\n")
    own = bench.code / "src" if bench.environment["PYTHONPATH"].startswith("src") else bench.code
    own.mkdir(exist_ok=True)
    (own / "utils.py").write_text("who = 'mine'\n")
    server = bench.server("user")
    assert bench.run(server, "import user, utils\nprint(utils.who)", command) == "mine\n"


def test_nothing_is_imported_from_where_the_server_happens_to_be(bench: Bench) -> None:
    server = bench.server("etc", "proc")
    assert (
        bench.run(server, "try:\n    import etc\nexcept ImportError as e:\n    print(e)") == "No module named 'etc'\n"
    )


@pytest.mark.parametrize(
    "daemon", ["", "\nimport threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"]
)
def test_what_c_has_printed_is_in_the_log(bench: Bench, daemon: str) -> None:
    server = bench.server()
    code = f"import ctypes; ctypes.CDLL(None).printf(b'from C'){daemon}"
    assert bench.run(server, code) == bench.run(None, code) == "from C"


SEEDS = {
    "both": "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\nnumpy.random.rand()\n",
    "random": "import random\nfrom random import seed\nseed(5)\n",
    "numpy": "import numpy as np\nnp.random.seed(7)\n",
    "states": "import random, numpy\nrandom.setstate(random.Random(3).getstate())\n"
    "numpy.random.set_state(numpy.random.RandomState(3).get_state())\n",
}


@pytest.mark.parametrize("seeds", SEEDS)
def test_numbers_are_those_of_a_seed_that_was_set_by_what_was_imported(bench: Bench, seeds: str) -> None:
    (bench.library / "seeds.py").write_text(SEEDS[seeds])
    (bench.library / "unseeded.py").write_text(
        "import numpy\nnumpy.random.default_rng(3).random()\nnumpy.random.RandomState(3).rand()\n"
    )
    code = WARM + (
        "import seeds, random, numpy\nprint(random.random())\nprint(numpy.random.rand())\n"
        "print(warm, *(type(f).__name__ for f in (random.seed, random.setstate, numpy.random.seed)))"
    )
    server = bench.server("seeds", "unseeded")
    first, second, cold = (bench.run(how, code).splitlines() for how in (server, server, None))
    assert first[2].split()[0] == "True"
    assert first.pop().split()[1:] == cold.pop().split()[1:]
    second.pop()
    has_seed = [seeds != "numpy", seeds != "random"]
    assert [a == b for a, b in zip(first, cold, strict=True)] == has_seed
    assert [a == b for a, b in zip(first, second, strict=True)] == has_seed


def test_numbers_are_each_trials_own_where_no_seed_is_left(bench: Bench) -> None:
    (bench.library / "drawn.py").write_text(
        "import random, numpy\nrandom.seed(1)\nnumpy.random.seed(1)\nrandom.seed()\nnumpy.random.seed(None)\n"
    )
    server = bench.server("drawn")
    code = "import drawn, random, numpy\nprint(random.random(), numpy.random.rand())"
    numbers = [number for _ in range(2) for number in bench.run(server, code).split()]
    assert len(set(numbers)) == 4


@pytest.mark.parametrize(
    ("preload", "found"), [(None, "numpy"), (["seen"], "seen"), ([], ""), (["seen", "numpy"], "seen numpy")]
)
@pytest.mark.parametrize("command", ["python train.py", "python -m train"])
def test_what_is_imported_ahead_is_what_the_job_says_or_what_its_code_imports(
    bench: Bench, command: str, preload: list[str] | None, found: str
) -> None:
    code = "import sys\nprint(*(name for name in ('seen', 'numpy') if name in sys.modules))\nimport numpy"
    launch = {"python": sys.executable, "preload": preload}
    with closing(WarmStarts(bench.workspace, enabled=True)) as warm:
        folder, spec = bench.trial(code, command)
        assert warm.start_host(spec, launch, folder, []) is None
        [server] = warm._servers.values()
        assert server.wait(60)
        spec.write_into(folder)
        assert bench.printed(folder, warm.start_host(spec, launch, folder, [])).strip() == found


def test_a_limit_of_cores_holds_for_what_was_imported_without_it(bench: Bench) -> None:
    code = WARM + "import numpy, os\nprint(warm, 'numpy' in sys.modules, os.environ['OMP_NUM_THREADS'])"
    server = bench.server()
    for limit in ("1", "2"):
        assert bench.run(server, code, OMP_NUM_THREADS=limit) == f"True True {limit}\n"


def test_cuda_that_was_initialized_when_something_was_imported_is_not_forked(bench: Bench) -> None:
    (bench.library / "torch.py").write_text("class cuda:\n    used = False\n    is_initialized = lambda: cuda.used\n")
    (bench.library / "uses.py").write_text("import torch\ntorch.cuda.used = True\n")
    for modules, why in ((["torch"], ""), (["uses"], "importing initialized CUDA, which does not work in a fork")):
        server = ForkServer(sys.executable, bench.environment, modules, bench.workspace)
        bench.servers.append(server)
        assert server.wait(60) == (not why)
        assert server.trouble == why


def test_many_trials_leave_nothing_behind_in_server_and_supervisor(bench: Bench) -> None:
    before = set(children(os.getpid()))
    server = bench.server("json", "numpy")
    [pid] = set(children(os.getpid())) - before

    def facts() -> list[int]:
        status = Path(f"/proc/{pid}/status").read_text()
        kilobytes = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        return [kilobytes, *(len([*Path(f"/proc/{one}/fd").iterdir()]) for one in (pid, os.getpid()))]

    for _ in range(3):
        bench.run(server, "pass")
    memory, *descriptors = facts()
    for _ in range(30):
        bench.run(server, "pass")
    now, *descriptors_now = facts()
    assert descriptors_now == descriptors
    assert now <= memory + 1024


def test_a_server_that_was_of_no_use_is_tried_again_after_longer_and_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    before = set(children(os.getpid()))
    server = bench.server()
    monkeypatch.setattr(workbench.supervisor.warm, "time", clock)

    def kill() -> None:
        [pid] = set(children(os.getpid())) - before
        os.kill(pid, signal.SIGKILL)
        assert server.fork(TrialFolder(bench.root / "none"), []) is None
        assert server.trouble == "it does not answer"

    def seconds_until_it_is_tried_again() -> int:
        for seconds in range(5000):
            server.fork(TrialFolder(bench.root / "none"), [])
            if not server.trouble:
                return seconds
            clock.now += 1
        raise AssertionError("never")

    kill()
    assert seconds_until_it_is_tried_again() == 30
    with monkeypatch.context() as patch:
        patch.setattr(workbench.supervisor.warm, "time", time)
        assert server.wait(60)
    assert bench.run(server, WARM + "print(warm)") == "True\n"
    kill()
    server._python = "/no/such/python"
    assert [seconds_until_it_is_tried_again_in_vain(server, clock, bench) for _ in range(7)] == [
        *(30, 60, 120, 240, 480, 960, 960)
    ]


def seconds_until_it_is_tried_again_in_vain(server: ForkServer, clock: SimpleNamespace, bench: Bench) -> int:
    planned = server._again
    started = clock.now
    while server._again == planned:
        clock.now += 1
        server.fork(TrialFolder(bench.root / "none"), [])
    return int(clock.now - started)
