"""Warm notebook trials against cold ones: what is left of them is the same."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.books import NOTEBOOKS, write_notebook
from tests.notebook.test_engine import comparable
from tests.trial.test_warm import ended
from workbench.client.notebooks import SHELL, WORDS
from workbench.store.files import TrialFolder
from workbench.store.workspace import open_workspace
from workbench.supervisor.launch import start_host
from workbench.supervisor.warm import ForkServer
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.spec import TrialSpec

MODULES = ["json", "numpy", "pandas", "matplotlib.pyplot", "ipywidgets", "logging_at_import", "printing_at_import"]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "printing_at_import.py").write_text("print('I am imported')")
    (folder / "logging_at_import.py").write_text(
        "import logging\nlog = logging.getLogger('mine')\nlog.addHandler(logging.StreamHandler())\n"
    )
    return folder


@pytest.fixture(scope="module")
def surroundings(modules: Path) -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(modules), "SHARED": "yes"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, surroundings: dict[str, str]) -> Iterator[ForkServer]:
    workspace = open_workspace(tmp_path_factory.mktemp("warm"))
    server = ForkServer(sys.executable, surroundings, MODULES, workspace, notebook=True)
    assert server.wait(60), workspace.warm_log.read_text()
    yield server
    server.close()


@pytest.fixture
def run(tmp_path: Path, server: ForkServer, surroundings: dict[str, str]) -> Run:
    (tmp_path / "surroundings").write_text(json.dumps(surroundings))
    os.mkfifo(tmp_path / "wake")

    def run(how: str, *cells: str, parameters: str | None = None, values: dict[str, Any] | None = None) -> Any:
        snapshot = tmp_path / f"snapshot-{how}"
        snapshot.mkdir(exist_ok=True)
        write_notebook(snapshot / "a.ipynb", *cells, parameters=parameters)
        (snapshot / "beside.py").write_text("value = 'from beside'\n")
        folder = TrialFolder(tmp_path / how)
        TrialSpec(
            name="t",
            folder=how,
            command=SHELL,
            words=WORDS,
            surroundings=str(tmp_path / "surroundings"),
            wake=str(tmp_path / "wake"),
            experiment_name="e",
            display_name="t",
            created=0.0,
            snapshot=str(snapshot),
            variables={
                FOLDER_VARIABLE: str(folder.root),
                "WORKBENCH_PYTHON": sys.executable,
                "PYTHONUNBUFFERED": "1",
                "OF_TRIAL": "one",
            },
            notebook={"path": "a.ipynb", "kernel": None, "values": values or {}, "data": [], "outputs": []},
        ).write_into(folder)
        pid = server.fork(folder, []) if how == "warm" else start_host(folder)
        assert pid is not None
        ending = ended(folder, pid)
        assert folder.host_log.read_text() == ""
        book = comparable(folder.notebook)
        if "the kernel died" in folder.log.read_text():  # chance says how much it got rid of
            cell = [one for one in book["cells"] if one["metadata"]["papermill"]["status"] != "pending"][-1]
            del cell["execution_count"], cell["metadata"]["execution"]
        text = json.dumps(book, ensure_ascii=False).replace(str(folder.root), "ROOT")
        return {
            "ending": (ending.cause, ending.code, ending.signal, ending.left),
            "log": anonymous(untimed(folder.log.read_text()).replace(str(folder.root), "ROOT")),
            "book": json.loads(untimed(text)),
            "outputs": sorted(path.name for path in folder.outputs.iterdir()),
        }

    return run


def untimed(text: str) -> str:
    return re.sub(r"\b\d[\d.e+]* [nμm]?s\b", "N s", text)


def anonymous(log: str) -> list[str]:
    """Return the lines of a log without pids and addresses; two streams may come in any order."""
    return sorted(re.sub(r"ipykernel_\d+/\d+|0x[0-9a-f]+|\b\d{4,}\b", "N", log).splitlines())


BOOKS: dict[str, list[str]] = {
    "itself": [
        "import sys, os\nprint(__name__, __doc__, sys.argv[0].rpartition('/')[2], sys.argv[1], len(sys.argv))",
        "print([path for path in sys.path if 'snapshot' not in path], sys.path.index(''))",
        "import __main__; print(__main__.__dict__ is globals())",
        "sorted(name for name in globals() if not name.startswith('_i'))",
        "print(os.path.basename(os.getcwd()), sys.flags.safe_path, sys.orig_argv[1:3], sys.executable)",
        "import beside; beside.value",
    ],
    "its environment": [
        # The shell of a cold start adds _ and SHLVL.
        "import os; print(*sorted(os.environ.keys() - {'_', 'SHLVL'}), sep='\n')",
        "print(os.environ['SHARED'], os.environ['OF_TRIAL'], os.environ['TERM'], os.environ['MPLBACKEND'])",
        "print(os.environ['JPY_PARENT_PID'] == str(os.getppid()))",
        "!echo $SHARED $OF_TRIAL $TERM",
    ],
    "its modules": [
        "import sys\n[name for name in ('papermill', 'jsonschema', 'tqdm', 'sklearn') if name in sys.modules]",
        "sys.modules.get('pyarrow', 0) is None, sys.modules.get('boto3', 0) is None",
        "import papermill, jsonschema, tqdm.auto\ntqdm.auto.tqdm, papermill.__version__",
    ],
    "its streams": [
        (
            "import sys, os\nfor s in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):\n"
            "    print(type(s), s.encoding, s.errors, s.isatty())"
        ),
        "os.system('echo from the shell; echo and err >&2')\nos.write(1, b'to one\\n');",
        "sys.__stdout__.write('to real stdout\\n'); sys.__stdout__.flush()",
        "print(repr(sys.__stdin__.read()))",
    ],
    "its signals": [
        (
            "import signal as s\nprint([str(s.getsignal(n)) for n in (1, 2, 3, 13, 17)])\n"
            "print(s.pthread_sigmask(s.SIG_BLOCK, []), callable(s.getsignal(s.SIGTERM)))"
        ),
        "import os\nprint(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid())",
    ],
    "its shell": [
        "import os\nip = get_ipython()\nprint(type(ip), type(ip.kernel), ip.loop_runner)",
        "from ipykernel.kernelapp import IPKernelApp\napp = IPKernelApp.instance()\napp.kernel is ip.kernel",
        "ip.starting_dir == os.getcwd()",
        "print(type(app), sorted(ip.config), ip.history_manager.hist_file, _dh == [__import__('pathlib').Path.cwd()])",
        "import threading; print(sorted(t.name.rpartition('-')[0] or t.name for t in threading.enumerate()))",
        "In[1][:10], Out, _oh",
        "%who",
        "%pwd\n%whos str",
    ],
    "magics": [
        "%%bash\necho from bash",
        "%%time\nx = 1",
        "%%capture kept\nprint('kept')",
        "kept.stdout",
        "!echo a\nfiles = !echo b c\nfiles",
        "%matplotlib inline\n%config InlineBackend.figure_format",
        "%env SHARED",
        "%%writefile outputs/made.txt\ntext",
        "%load_ext autoreload\n%autoreload 2",
        "%nonsense",
    ],
    "await": [
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5",
        "await f()",
        "t = asyncio.ensure_future(f())",
        "await t",
        "asyncio.get_running_loop().is_running()",
    ],
    "errors": [
        "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)",
        "from beside import nothing",
    ],
    "syntax error": ["x = (\n"],
    "error in a module": ["import json\njson.loads('{')"],
    "exits": ["print('before')", "import sys\nsys.exit(3)", "print('never')"],
    "exits at once": ["import os", "os._exit(3)"],
    "interrupts": ["raise KeyboardInterrupt"],
    "logs": [
        "import logging, logging_at_import as l\nl.log.warning('careful')\nlogging.warning('root')",
        "l.log.handlers[0].stream is __import__('sys').stderr",
    ],
    "imports what prints": ["import printing_at_import", "import warnings_of_nobody"],
    "wide frames": [
        "import pandas as pd, numpy as np\npd.DataFrame(np.zeros((2, 40)))",
        "print(pd.DataFrame(np.zeros((2, 40))))",
        "{name: pd.get_option(name) for name in ('display.width', 'display.max_columns', 'display.max_rows')}",
    ],
    "threads": [
        "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()",
        "from concurrent.futures import *\nwith ThreadPoolExecutor() as pool:\n    print(*pool.map(str, range(3)))",
    ],
    "multiprocessing": [
        (
            "import multiprocessing as m, operator\nwith m.get_context('fork').Pool(2) as pool:\n"
            "    print(pool.map(abs, [-1, 2]))"
        ),
        "with m.get_context('spawn').Pool(1) as pool:\n    print(pool.map(abs, [-3]))",
        "p = m.get_context('fork').Process(target=print, args=('from a child',))\np.start(); p.join(); p.exitcode",
    ],
    "children": [
        "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'print(1)']))",
        "subprocess.run('echo out; echo err >&2', shell=True).returncode",
    ],
    "exit handlers": ["import atexit\n_ = atexit.register(lambda: open('outputs/bye', 'w').close())"],
    "a file left open": ["f = open('outputs/left.txt', 'w')\n_ = f.write('kept')"],
    "displays": [
        "from IPython.display import HTML, JSON, Markdown, Image, display\ndisplay(HTML('<b>b</b>'), Markdown('*m*'))",
        "class R:\n    def _repr_html_(self):\n        return '<i>r</i>'\nR()",
        "class Bad:\n    def __repr__(self):\n        raise ValueError('no repr')\nBad()",
    ],
    "progress bars": ["from tqdm.auto import tqdm\ntype(tqdm(range(3), disable=True)).__mro__[1]"],
    "colors": ["print('\\x1b[31mred\\x1b[0m')", "import rich; rich.print('[red]x[/red]')"],
    "asks for a password": ["import getpass; getpass.getpass()"],
    "quits": ["quit()"],
}


# Those that end well and leave the kernel as it was run in one notebook: a cold start takes seconds.
TOGETHER = {
    "what it is": ["its environment", "its modules", "its streams", "its signals", "threads", "children"],
    "what it shows": ["await", "logs", "wide frames", "displays", "progress bars", "colors", "multiprocessing"],
    "what it leaves": ["a file left open", "exit handlers", "imports what prints"],
}
ALONE = {name: [name] for name in BOOKS if name not in itertools.chain(*TOGETHER.values())}


@pytest.mark.parametrize("name", [*TOGETHER, *ALONE, *NOTEBOOKS])
def test_a_warm_notebook_is_like_a_cold_one(run: Run, name: str) -> None:
    together = [cell for book in {**TOGETHER, **ALONE}.get(name, []) for cell in BOOKS[book]]
    parameters, cells = NOTEBOOKS.get(name, (None, together))
    warm, cold = (as_lines(run(how, *cells, parameters=parameters)) for how in ("warm", "cold"))
    assert warm == cold, "\n".join(difflib.unified_diff(cold, warm, "cold", "warm", lineterm="", n=2))


def as_lines(ran: dict[str, Any]) -> list[str]:
    return json.dumps(ran, indent=1, ensure_ascii=False, sort_keys=True).splitlines()
