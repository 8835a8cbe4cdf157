"""Warm starts against cold ones: whatever a program can see of itself is the same."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import children, has_ended
from tests.notebook.books import write_notebook
from workbench.definition.words import to_words
from workbench.environments.cache import Cache
from workbench.environments.output import Output
from workbench.environments.recipes import VenvRecipe
from workbench.environments.venvs import build_venv, interpreter
from workbench.store.files import TrialFolder
from workbench.store.workspace import open_workspace
from workbench.supervisor.launch import start_host
from workbench.supervisor.warm import ForkServer, WarmStarts
from workbench.trial.devices import nvml_folder
from workbench.trial.imports import imports_of, imports_of_module
from workbench.trial.processes import marked_processes
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.spec import Exit, TrialSpec

MODULES = ["json", "numpy", "logging", "argparse", "no_such_module"]
Start = Callable[..., tuple[TrialFolder, int]]
HERE, VENV = "the Python that runs this", "a virtual environment of it"


@dataclass(frozen=True)
class Place:
    """What trials run in: an interpreter, and the environment that it belongs to."""

    python: str
    environment: dict[str, Any] | None = None
    variables: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    if getattr(request, "param", HERE) == HERE:
        return Place(sys.executable)
    return virtual_environment(tmp_path_factory.mktemp("cache"))


def virtual_environment(root: Path) -> Place:
    """Return a virtual environment that has ``workbench.log`` and nothing else."""
    python, what = interpreter(None)
    recipe = VenvRecipe(python=python, version=what)
    cache = Cache(root, recipe.kind)
    facts, _ = cache.built(recipe.key, lambda: build_venv(recipe, cache, Output(print)), print)
    environment = {"kind": recipe.kind, "key": recipe.key, "recipe": "", "cache": str(root)}
    return Place(facts["python"], environment, {"PYTHONPATH": "", "PYTHONHOME": ""})


everywhere = pytest.mark.parametrize("place", [HERE, VENV], ids=["here", "venv"], indirect=True)
in_a_venv = pytest.mark.parametrize("place", [VENV], indirect=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[ForkServer]:
    workspace = open_workspace(tmp_path_factory.mktemp("warm"))
    environment = dict(os.environ) | {"SHARED": "yes"} | place.variables
    apart = place.environment is not None
    server = ForkServer(
        place.python, environment, [*MODULES, *(["workbench"] if apart else [])], workspace, apart=apart
    )
    assert server.wait(60), workspace.warm_log.read_text()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path: Path, server: ForkServer, place: Place) -> Start:
    surroundings = tmp_path / "surroundings"
    surroundings.write_text(json.dumps(dict(os.environ) | {"SHARED": "yes"}))
    os.mkfifo(tmp_path / "wake")

    def start(
        how: str, command: str, code: str, server: ForkServer = server, **settings: Any
    ) -> tuple[TrialFolder, int]:
        snapshot = tmp_path / f"snapshot-{how}"
        snapshot.mkdir(exist_ok=True)
        (snapshot / "train.py").write_text(code)
        (snapshot / "beside.py").write_text("value = 'from beside'\n")
        folder = TrialFolder(tmp_path / how)
        # One name for both, so that what a program prints of its place is the same.
        variables = {"PATH": f"{Path(place.python).parent}:{os.environ['PATH']}", FOLDER_VARIABLE: str(folder.root)}
        TrialSpec(
            name="t",
            folder=how,
            command=command,
            words=to_words(command),
            surroundings=str(surroundings),
            wake=str(tmp_path / "wake"),
            experiment_name="e",
            display_name="t",
            created=0.0,
            snapshot=str(snapshot),
            variables=variables | place.variables | settings.pop("variables", {}),
            environment=place.environment,
            **settings,
        ).write_into(folder)
        lease = [os.open(os.devnull, os.O_RDONLY)]
        pid = server.fork(folder, lease) if how == "warm" else start_host(folder, lease)
        os.close(*lease)
        assert pid is not None
        return folder, pid

    return start


@pytest.fixture(scope="module", autouse=True)
def nothing_to_inherit() -> None:
    """Keep from cold starts what this process was started with: no supervisor has it."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            os.set_inheritable(int(path.name), False)


def ended(folder: TrialFolder, pid: int) -> Exit:
    assert has_ended(pid), folder.host_log.read_text()
    ending = Exit.read(folder)
    assert ending is not None, folder.host_log.read_text()
    return ending


PROGRAMS = {
    "itself": "import sys, os; print(__name__, os.path.basename(__file__), sys.argv, sys.path[0] == os.getcwd(), "
    "__builtins__ is not None, __spec__, __doc__)",
    "its modules": "import beside, __main__; print(beside.value, __main__.__dict__ is globals())",
    # The shell of a cold start adds _ and SHLVL.
    "its environment": "import os; print(sorted(os.environ.keys() - {'_', 'SHLVL'}), os.environ['SHARED'])",
    "its streams": "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr):\n"
    "    print(s.encoding, s.errors, s.line_buffering, s.write_through, s.isatty(), s.fileno())",
    "its signals": "import signal as s\nprint([str(s.getsignal(n)) for n in (1, 2, 3, 13, 15, 17)])\n"
    "print(s.pthread_sigmask(s.SIG_BLOCK, []))",
    "its descriptors": "import os; print({fd: os.path.realpath(f'/proc/self/fd/{fd}') for fd in range(1 << 16) "
    "if os.path.lexists(f'/proc/self/fd/{fd}')})",
    "its session": "import os; print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())",
    "its limits": "import resource, os; print(resource.getrlimit(resource.RLIMIT_NOFILE), os.sched_getaffinity(0))",
    "input": "import sys; print(repr(sys.stdin.read()))",
    "exit code": "import sys; sys.exit(7)",
    "exit text": "import sys; sys.exit('no good')",
    "exit large": "raise SystemExit(300)",
    "exit none": "raise SystemExit",
    "an error": "def f():\n    return 1 / 0\n\nf()",
    "a syntax error": "print('a'\nx = 1",
    "an error in a module": "import json\njson.loads('{')",
    "own hook": "import sys\nsys.excepthook = lambda *a: print('mine', a[0])\n1 / 0",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "exit handlers": "import atexit; atexit.register(print, 'bye'); print('hi')",
    "threads": "import threading, time\ndef late():\n    e.wait()\n    print('late')\ne = threading.Event()\n"
    "threading.Thread(target=late).start()\nprint('first')\ne.set()",
    "daemons": "import threading, math\ndef busy():\n    began.set()\n    while True:\n        math.sqrt(2)\n"
    "class Late:\n    def __del__(self):\n        print('late', math.pi > 3)\nlate = Late()\n"
    "began = threading.Event()\n"
    "f = open('outputs/left.txt', 'w')\nf.write('kept')\n"
    "for _ in range(2):\n    threading.Thread(target=busy, daemon=True).start()\nbegan.wait()\nraise SystemExit(3)",
    "a file left open": "f = open('outputs/left.txt', 'w')\nf.write('kept')",
    "a child": "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(1)']))",
    "multiprocessing": "import multiprocessing as m\ndef f(x):\n    return x + 1\n"
    "if __name__ == '__main__':\n    print(m.get_context('spawn').Pool(1).map(f, [1, 2]))",
    "pickles": "import pickle\nclass A:\n    pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
    "logging": "import logging; logging.warning('careful'); print(logging.getLogger().level)",
    "unicode": "print('ü 漢 \\udc80'.encode('utf-8', 'surrogateescape'))",
    "a large output": "print('x' * 3_000_000)",
}


@everywhere
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_warm_start_is_like_a_cold_one(start: Start, program: str) -> None:
    seen = {}
    for how in ("cold", "warm"):
        folder, pid = start(how, "python train.py --x 'a b' 3", PROGRAMS[program], variables={"PYTHONUNBUFFERED": "1"})
        ending = ended(folder, pid)
        text = folder.log.read_text().replace(str(folder.root), "ROOT")
        left = {path.name: path.read_text() for path in folder.outputs.iterdir()}
        seen[how] = (ending.cause, ending.code, ending.signal, ending.left, text, left)
        assert folder.host_log.read_text() == ""
    assert seen["warm"] == seen["cold"]


@pytest.fixture
def ignored_signals() -> Iterator[None]:
    """Ignore what a shell ignores for ``nohup … &``."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_trial_ignores_no_signal_because_its_submitter_does(
    start: Start, tmp_path: Path, ignored_signals: None
) -> None:
    server = ForkServer(sys.executable, dict(os.environ), [], open_workspace(tmp_path / "ws"))
    assert server.wait(60)
    code = "import signal\nprint([n.name for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN])"
    for how in ("cold", "warm"):
        folder, pid = start(how, "python train.py", code, server)
        assert ended(folder, pid).code == 0
        assert set(ast.literal_eval(folder.log.read_text())) == {"SIGPIPE", "SIGXFSZ"}, "as Python itself does"
    server.close()


@everywhere
def test_modules_are_run_too(start: Start) -> None:
    for number, command in enumerate(("python -m beside", "python -m json.tool --help", "python -m nothing.there")):
        seen = []
        for how in ("cold", "warm"):
            folder, pid = start(how, command, "")
            seen.append(ended(folder, pid))
            folder.root.rename(folder.root.with_name(f"{how}{number}"))  # a folder is for one trial
        assert (seen[0].code, seen[0].message.splitlines()[-1:]) == (seen[1].code, seen[1].message.splitlines()[-1:])


@everywhere
def test_a_missing_script_is_pythons_own_error(start: Start) -> None:
    seen = []
    for how in ("cold", "warm"):
        folder, pid = start(how, "python gone.py", "")
        ending = ended(folder, pid)
        seen.append((ending.code, ending.message.replace(str(folder.root), "ROOT")))
    assert seen[0] == seen[1]
    assert seen[0][0] == 2


def test_what_was_imported_is_shared_and_random_numbers_are_not(start: Start) -> None:
    code = (
        "import sys; had = 'numpy' in sys.modules; import numpy, random; "
        "print(had, numpy.random.rand(), random.random())"
    )
    printed = []
    for number in range(3):
        folder, pid = start("warm", "python train.py", code)
        assert ended(folder, pid).code == 0
        printed.append(folder.log.read_text().split())
        folder.root.rename(folder.root.with_name(f"done{number}"))
    assert [words[0] for words in printed] == ["True"] * 3
    assert len({word for words in printed for word in words[1:]}) == 6


@everywhere
def test_a_warm_trial_can_be_told_apart_by_its_environment(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    code = (
        f"import os, signal\nopen({str(tmp_path / 'ready')!r}, 'w').write('x')\n"
        "os.fork()\nif os.fork() == 0:\n    os.setpgid(0, 0)\nsignal.pause()"  # its leader must not leave its session
    )
    folder, pid = start("warm", "python train.py", code)
    (tmp_path / "ready").read_text()
    marked = marked_processes(FOLDER_VARIABLE, str(folder.root))
    assert len(marked) >= 2, "host and program, whichever of its forks are there"
    os.kill(pid, signal.SIGTERM)
    ending = ended(folder, pid)
    assert (ending.cause, ending.left) == ("terminated", [])
    assert marked_processes(FOLDER_VARIABLE, str(folder.root)) == []


def test_a_server_that_is_killed_gives_way_to_cold_starts(tmp_path: Path) -> None:
    before = set(children(os.getpid()))
    server = ForkServer(sys.executable, dict(os.environ), [], open_workspace(tmp_path / "ws"))
    assert server.wait(60)
    [pid] = set(children(os.getpid())) - before
    os.kill(pid, signal.SIGKILL)
    folder = TrialFolder(tmp_path / "trial")
    assert server.fork(folder, []) is None
    assert server.fork(folder, []) is None


def test_a_module_that_starts_threads_makes_a_server_unfit(tmp_path: Path) -> None:
    (tmp_path / "threads_at_import.py").write_text(
        "import threading, signal\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    server = ForkServer(sys.executable, environment, ["threads_at_import"], open_workspace(tmp_path / "ws"))
    assert not server.wait(60)


_SEES = """
import sys
preloaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
import importlib.util, workbench
print(sys.executable, sys.prefix, sys.base_prefix, sys.version, sys.path)
print(workbench.__file__, hasattr(workbench, "__path__"))
print({name: importlib.util.find_spec(name) for name in ("numpy", "optuna", "pytest", "papermill")})
print([name for name in sys.modules if name.startswith("workbench.")])
for use in ("workbench.MLClient", "import workbench.trial.report"):
    try:
        exec(use)
    except (AttributeError, ImportError) as error:
        print(error)
workbench.log(score=3)
print(*sorted(preloaded - {"__main__"}), file=open("outputs/preloaded", "w"))
"""


@in_a_venv
def test_a_virtual_environments_programs_see_its_packages_and_no_others(start: Start, place: Place) -> None:
    seen = {}
    preloaded = {}
    for how in ("cold", "warm"):
        # With a GPU its host looks at the driver, through a package of the supervisor's.
        folder, pid = start(how, "python train.py", _SEES, gpus=["GPU-0"], nvml=nvml_folder())
        assert ended(folder, pid).code == 0, folder.log.read_text()
        seen[how] = folder.log.read_text().replace(str(folder.root), "ROOT")
        preloaded[how] = set((folder.outputs / "preloaded").read_text().split())
        [point] = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        assert (point["k"], point["v"]) == ("score", 3)
    assert seen["warm"] == seen["cold"]
    assert f"{Path(place.python).parents[1]}/lib" in seen["warm"]
    assert str(Path(sys.executable).parents[1]) not in seen["warm"]
    assert preloaded["warm"] - preloaded["cold"] == {"workbench"}, "the environment's own, as it was told to import"


@pytest.mark.parametrize(
    "pretence", ["sys.implementation.name = 'pypy'", "sys.version_info = (3, 10, 12, 'final', 0)", "os._exit(3)"]
)
def test_a_python_that_cannot_load_the_fork_server_gives_way_to_cold_starts(
    tmp_path: Path, pretence: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import os, sys\n{pretence}\n")
    workspace = open_workspace(tmp_path / "ws")
    server = ForkServer(sys.executable, dict(os.environ) | {"PYTHONPATH": str(tmp_path)}, [], workspace, apart=True)
    assert not server.wait(60)
    assert server.fork(TrialFolder(tmp_path / "trial"), []) is None
    why = "it has ended" if "exit" in pretence else "it takes CPython 3.11 or newer"
    assert caplog.messages == [f"trials start cold: the fork server is of no use: {why}"]
    assert workspace.warm_log.read_text() == ""


def test_one_that_ends_before_it_is_told_anything_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ended(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = really_start(*arguments, **options)
        process.wait()
        return process

    really_start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", ended)
    (tmp_path / "sitecustomize.py").write_text("import os\nos._exit(3)\n")
    server = ForkServer(sys.executable, {"PYTHONPATH": str(tmp_path)}, [], open_workspace(tmp_path / "ws"))
    assert not server.wait(60)
    assert caplog.messages == ["trials start cold: the fork server is of no use: it has ended"]


def test_an_interpreter_that_is_gone_gives_way_to_cold_starts(tmp_path: Path) -> None:
    server = ForkServer(str(tmp_path / "python"), {}, [], open_workspace(tmp_path / "ws"), apart=True)
    assert not server.wait(60)
    assert server.fork(TrialFolder(tmp_path / "trial"), []) is None


def test_a_server_is_of_one_build_of_an_environment_and_of_none_that_is_not_built(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", "venv")
    workspace = open_workspace(tmp_path / "ws")
    (tmp_path / "surroundings").write_text("{}")
    (tmp_path / "never_ready.py").write_text("import signal\nsignal.pause()\n")
    launch = {"python": sys.executable, "preload": ["never_ready"]}

    def trial(number: int, parent: str | None) -> TrialSpec:
        return TrialSpec(
            name=f"s_{number}",
            parent=parent,
            folder=f"s/{number}",
            command="python x.py",
            words=[["python"], ["x.py"]],
            surroundings=str(tmp_path / "surroundings"),
            wake="w",
            experiment_name="e",
            display_name="d",
            created=0.0,
            environment={"kind": "venv", "key": "k", "recipe": "", "cache": str(tmp_path / "cache")},
            variables={"PYTHONPATH": str(tmp_path)},
        )

    built = tmp_path / "venv" / "bin" / "python"
    built.parent.mkdir(parents=True)
    built.symlink_to(sys.executable)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    before = set(children(os.getpid()))
    with closing(WarmStarts(workspace, enabled=True)) as warm:

        def ask(number: int, parent: str | None = "s") -> set[int]:
            assert warm.start_host(trial(number, parent), launch, TrialFolder(tmp_path / "t"), []) is None
            return set(children(os.getpid())) - before

        assert ask(0) == set()
        cache.built("k", lambda: {"python": str(built)}, print)
        first = ask(1)
        assert len(first) == 1
        cache.forget("k")
        assert ask(2) == first
        cache.built("k", lambda: {"python": str(built)}, print)
        assert len(ask(3)) == 2
        launch["preload"] = ["never_ready", "json"]
        assert [len(ask(number, parent=None)) for number in (4, 5, 6)] == [2, 3, 3], "worth it from the second time on"
    assert set(children(os.getpid())) <= before


def test_switched_off_nothing_is_started(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    spec = TrialSpec(
        name="s_0",
        parent="s",
        folder="s/0",
        command="python x.py",
        words=[["python"], ["x.py"]],
        surroundings="/dev/null",
        wake="w",
        experiment_name="e",
        display_name="d",
        created=0.0,
    )
    warm = WarmStarts(workspace, enabled=False)
    assert warm.start_host(spec, {"python": sys.executable}, TrialFolder(tmp_path / "t"), []) is None
    assert not workspace.warm_log.exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python train.py", [["python"], ["train.py"]]),
        (
            "python src/train.py --lr ${{search_space.lr}} \\\n  --data=${{inputs.d}}/x 'a b' \"c\"",
            [
                ["python"],
                ["src/train.py"],
                ["--lr"],
                [{"variable": "AZUREML_SWEEP_lr"}],
                ["--data=", {"variable": "AZURE_ML_INPUT_d"}, "/x"],
                ["a b"],
                ["c"],
            ],
        ),
        (
            "python -m pkg.train --n ${{ inputs.n }}",
            [["python"], ["-m"], ["pkg.train"], ["--n"], [{"variable": "AZUREML_PARAMETER_n"}]],
        ),
        ("python -u train.py", None),
        ("python", None),
        ("python ${{inputs.n}}", None),
        ("pythonw train.py", None),
        ("python train.py > log", None),
        ("python train.py; echo done", None),
        ("python train.py $HOME", None),
        ('python train.py "$HOME"', None),
        ("python train.py *.csv", None),
        ("python train.py ~/x", None),
        ("A=1 python train.py", None),
        ("cd x && python train.py", None),
        ("python train.py $[[--x ${{inputs.n}}]]", None),
        ("python a.py\npython b.py", None),
        ("python train.py # note", None),
        ("python train.py {a,b}", None),
        ("python train.py \\x", None),
    ],
)
def test_only_plain_python_commands_are_recognised(command: str, words: object) -> None:
    assert to_words(command, data=["d"]) == words


def test_imports_are_found_through_the_programs_own_files(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import numpy as np, helper\nfrom sklearn.svm import SVC\nfrom . import x\n")
    (tmp_path / "helper.py").write_text("import pandas\ndef f():\n    import mlflow.pyfunc\nimport train\n")
    (tmp_path / "unused.py").write_text("import torch\n")
    assert set(imports_of(tmp_path / "train.py", [tmp_path])) == {"numpy", "sklearn.svm", "pandas", "mlflow.pyfunc"}
    (tmp_path / "broken.py").write_text("import (")
    assert imports_of(tmp_path / "broken.py", [tmp_path]) == []
    assert imports_of(tmp_path / "none.py", [tmp_path]) == []


def test_imports_are_found_in_the_cells_of_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import pandas\n")
    book = write_notebook(
        tmp_path / "a.ipynb",
        "import numpy as np\n%matplotlib inline\n!pip list",
        "%%bash\nimport nothing",
        "%%time\nfor _ in []:\n    %who\nimport helper",
        "files = !ls\nhelper?\nfrom sklearn.svm import SVC",
        "import broken (",
    )
    assert set(imports_of(book, [tmp_path])) == {"numpy", "pandas", "sklearn.svm"}
    (tmp_path / "none.ipynb").write_text('{"cells": 1}')
    assert imports_of(tmp_path / "none.ipynb", [tmp_path]) == []


@pytest.mark.parametrize(
    "change",
    [
        "os.environ['A'] = 'b'",
        "os.environ.setdefault('A', 'b')",
        "os.environ.update(A='b')",
        "os.environ |= {'A': 'b'}",
        "del os.environ['A']",
        "from os import environ\nenviron['A'], x = 1, 2",
        "os.putenv('A', 'b')",
        "dotenv.load_dotenv()",
        "import sys\nsys.path.insert(0, 'src')",
        "sys.path = ['src'] + sys.path",
        "sys.path[:0] = ['src']",
        "sys.path += ['src']",
        "sys.modules['x'] = None",
        "os.chdir('src')",
        "if True:\n    with x:\n        os.environ['A'] = 'b'",
        "def f():\n    os.environ['A'] = 'b'\nf()",
        "import changing",
        "from package import changing",
        "from package.deep import x",
    ],
)
def test_what_is_imported_after_the_environment_was_changed_is_not_found(tmp_path: Path, change: str) -> None:
    for own in ("changing.py", "package/__init__.py", "package/changing.py", "package/deep.py"):
        (tmp_path / own).parent.mkdir(exist_ok=True)
        (tmp_path / own).write_text("import os\nos.environ['A'] = 'b'\n" if "changing" in own else "")
    (tmp_path / "package" / "deep.py").write_text("from . import changing\n")
    code = "import os, numpy\ndef later():\n    import torch\n{}\nimport pandas\nlater()\n"
    (tmp_path / "train.py").write_text(code.format(change))
    assert set(imports_of(tmp_path / "train.py", [tmp_path])) <= {"os", "numpy", "sys"}
    reads = "os.environ.get('A', os.environ['A']); x = dict(os.environ); print(sys.path, sys.path.index(''))"
    (tmp_path / "train.py").write_text(code.format(reads))
    assert imports_of(tmp_path / "train.py", [tmp_path]) == ["os", "numpy", "pandas", "torch"]


@pytest.mark.parametrize(
    "cell",
    [
        "%env A=b",
        "%env A b",
        "%set_env A b",
        "%cd src",
        "%run x.py",
        "%dotenv",
        "!pip install pandas",
        "%pip install pandas",
        "%%writefile pandas.py\nx = 1",
    ],
)
def test_what_a_kernels_own_words_change_counts_too(tmp_path: Path, cell: str) -> None:
    book = write_notebook(tmp_path / "a.ipynb", "import numpy", cell, "import pandas")
    assert imports_of(book, [tmp_path]) == ["numpy"]
    for harmless in ("%env", "%env A", "!ls", "%matplotlib inline", "x = 5 % cd"):
        book = write_notebook(tmp_path / "a.ipynb", "import numpy", harmless, "import pandas")
        assert imports_of(book, [tmp_path]) == ["numpy", "pandas"]


def test_imports_of_a_program_that_is_run_as_a_module_are_found(tmp_path: Path) -> None:
    for path, text in {
        "pkg/__init__.py": "import pandas",
        "pkg/train.py": "import numpy\nfrom .parts import deep\nfrom ..other import x",
        "pkg/parts/deep.py": "import scipy",
        "pkg/__main__.py": "import torch",
        "src/lib.py": "import yaml",
        "tool.py": "import lib, sklearn",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_text(text)
    assert imports_of_module("pkg.train", [tmp_path]) == ["pandas", "numpy", "scipy"]
    assert imports_of_module("pkg", [tmp_path]) == ["pandas", "torch"]
    assert imports_of_module("tool", [tmp_path, tmp_path / "src"]) == ["yaml", "sklearn"]
    assert imports_of_module("torch.distributed.run", [tmp_path]) == ["torch.distributed"]
    assert imports_of_module("timeit", [tmp_path]) == []


def test_what_importing_prints_and_does_to_the_environment_is_as_in_a_cold_start(tmp_path: Path) -> None:
    (tmp_path / "talks.py").write_text("import sys\nprint('hello', file=sys.stderr)\n")
    (tmp_path / "warns.py").write_text("import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n")
    (tmp_path / "sets.py").write_text("import os\nos.environ['SET'] = 'yes'\nos.environ.pop('TAKEN', None)\n")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "train.py").write_text(
        "import os, sys\nhad = set(sys.modules)\nimport talks, warns, sets\n"
        "print(*sorted({'talks', 'warns', 'sets'} & had))\nprint(os.environ['SET'], os.environ.get('TAKEN'))\n"
    )
    surroundings = dict(os.environ) | {"PYTHONPATH": str(tmp_path), "TAKEN": "no"}
    (tmp_path / "surroundings").write_text(json.dumps(surroundings))
    workspace = open_workspace(tmp_path / "ws")
    server = ForkServer(sys.executable, surroundings, ["talks", "warns", "sets"], workspace)
    assert server.wait(60), workspace.warm_log.read_text()
    folder = TrialFolder(tmp_path / "trial")
    TrialSpec(
        name="t",
        folder="trial",
        command="",
        words=[["python"], ["train.py"]],
        surroundings=str(tmp_path / "surroundings"),
        wake=str(tmp_path / "wake"),
        experiment_name="e",
        display_name="t",
        created=0.0,
        snapshot=str(tmp_path / "snapshot"),
        variables={"PYTHONUNBUFFERED": "1"},
    ).write_into(folder)
    pid = server.fork(folder, [])
    assert pid is not None
    assert ended(folder, pid).code == 0
    server.close()
    assert folder.log.read_text().splitlines() == [
        "hello",
        f"{folder.work}/train.py:3: DeprecationWarning: old",
        "  import talks, warns, sets",
        "sets",
        "yes None",
    ]
