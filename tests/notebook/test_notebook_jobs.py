"""Notebook jobs with real kernels, as a user meets them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.notebook.books import write_named, write_notebook
from tests.notebook.conftest import Ran
from tests.supervisor.test_sweeps_end_to_end import processes_of, trials, wait
from workbench import Input, MLClient, Output, notebook
from workbench.client.waiting import wait_until
from workbench.definition.records import AnyJob
from workbench.errors import NotFoundError, ValidationException
from workbench.notebooks.capping import TEXT_LINES
from workbench.store.files import TrialFolder
from workbench.sweep import BanditPolicy, Choice
from workbench.trial.progress import read_progress

Run = Callable[[AnyJob], Ran]


@pytest.fixture(autouse=True, scope="module")
def _grace(shared_client: MLClient) -> None:
    """What is stopped has the time that it needs, however busy the machine is."""
    shared_client.context.workspace.settings.write_text("grace = 60\n")


def test_a_notebook_computes_logs_and_stores(run: Run, tmp_path: Path, shared_client: MLClient) -> None:
    ran = run(notebook(write_named(tmp_path, "computes"), inputs={"x": 21}))
    assert (ran.job.status, ran.log) == ("Completed", "42\n")
    assert ran.job.output_values == {"twice": {"y": 42}}
    assert [(p.key, p.value) for p in shared_client.context.store.points(str(ran.job.name))] == [("score", 42.0)]
    assert ran.outputs(5)[0]["data"]["text/plain"] == "42"
    injected = next(c for c in ran.book["cells"] if "injected-parameters" in c["metadata"].get("tags", []))
    assert injected["source"] == "# Parameters\nx = 21\n"


def test_the_executed_notebook_is_an_artifact_of_the_mlflow_run(
    run: Run, tmp_path: Path, shared_client: MLClient
) -> None:
    cells = ["import mlflow\nmlflow.log_metric('loss', 0.5)\nmlflow.log_param('seen', x)"]
    ran = run(notebook(write_notebook(tmp_path / "m.ipynb", *cells, parameters="x = 1"), inputs={"x": 3}))
    assert ran.job.status == "Completed", ran.log
    import mlflow

    tracked = mlflow.MlflowClient(shared_client.context.workspace.mlflow_uri)
    assert tracked.get_run(str(ran.job.name)).data.params["seen"] == "3"
    assert "output.ipynb" in [entry.path for entry in tracked.list_artifacts(str(ran.job.name))]


def test_values_keep_their_types_and_data_arrives_as_paths(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("content")
    path = write_notebook(
        tmp_path / "t.ipynb",
        "print([type(v).__name__ for v in (n, f, t, b)], repr(t))",
        "print(open(data).read())\n_ = open(made + '/x', 'w').write('1')",
        "import os; print(os.environ['MINE'], os.path.basename(os.getcwd()))",
        parameters="n = 1\nf = 0.5\nt = 'a'\nb = False\ndata: str\nmade = None",
    )
    ran = run(
        notebook(
            path,
            inputs={
                "n": 7,
                "f": 2.0,
                "t": "$(x) \"'\\",
                "b": True,
                "data": Input(type="uri_file", path=f"{tmp_path}/data.csv"),
            },
            outputs={"made": Output()},
            environment_variables={"MINE": "1"},
        )
    )
    assert ran.log == "['int', 'float', 'str', 'bool'] '$(x) \"\\'\\\\'\ncontent\n1 work\n"
    assert (ran.folder.named_outputs / "made" / "x").read_text() == "1"


def test_code_is_the_working_directory_and_may_be_imported(run: Run, tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "books").mkdir(parents=True)
    (code / "helper.py").write_text("value = 5")
    (code / "papermill.py").write_text("raise SystemExit('the runner must not import this')")
    write_notebook(code / "books" / "a.ipynb", "import helper; print(helper.value)")
    ran = run(notebook("books/a.ipynb", code=code))
    assert (ran.job.status, ran.log) == ("Completed", "5\n")


def test_a_failing_cell_is_the_jobs_error_with_its_number(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "fails_in_cell_3")))
    assert ran.job.reason == "exit code 1: cell 3 of 4 failed: ZeroDivisionError: division by zero"
    lines = ran.log.splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "cell 3 of 4 failed: ZeroDivisionError: division by zero"
    assert "return a / 0" in ran.log
    assert "\x1b" not in ran.log
    assert ran.outputs(3)[-1]["ename"] == "ZeroDivisionError"
    assert ran.book["metadata"]["papermill"]["exception"] is True
    assert ran.book["metadata"]["workbench"] == {"job": ran.job.name}  # what leads back to it, wherever it is copied


def test_a_dead_kernel_is_told_as_one(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "kernel_dies")))
    assert ran.log.splitlines()[-1] == (
        "cell 2 of 2: the kernel died: SIGKILL killed it, as the system does when memory is out"
    )
    assert ran.outputs(1)[0]["text"] == "alive\n"


def test_a_request_for_input_is_no_riddle(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "waits_for_input")))
    assert ran.log.splitlines()[-1] == (
        "cell 1 of 1 failed: it asks for input, and nobody is there to answer; make it a parameter"
    )


def test_non_ascii_text_survives_everywhere(run: Run, tmp_path: Path) -> None:
    ran = run(
        notebook(
            write_named(tmp_path, "non_ascii"),
            inputs={"wort": "größer 'è' \\n"},
            environment_variables={"LANG": "C", "LC_ALL": "C"},
        )
    )
    assert (ran.job.status, ran.log) == ("Completed", "größer 'è' \\n → 日本語 🚀\n")
    assert ran.outputs(4)[0]["data"]["text/plain"] == "'größe'"


def test_a_flood_of_lines_neither_stalls_nor_grows_the_notebook(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "prints_a_flood")))
    lines = ran.log.splitlines()
    assert (len(lines), lines[0], lines[99_999], lines[-1]) == (100_001, "line 0", "line 99999", "after")
    kept = "".join("".join(output["text"]) for output in ran.outputs(1)).splitlines()
    assert kept[0] == "line 0"
    assert kept[TEXT_LINES - 1] == f"line {TEXT_LINES - 1}"
    assert kept[TEXT_LINES] == "… 98,000 lines are left out here; the log of the trial has them …"
    assert kept[-1] == "line 99999"
    assert ran.folder.notebook.stat().st_size < 200_000


def test_widgets_keep_their_state(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "uses_widgets")))
    assert ran.job.status == "Completed", ran.log
    state = ran.book["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    slider = next(w["state"] for w in state if w["model_name"] == "IntSliderModel")
    assert slider["value"] == 7
    shown = next(w["state"] for w in state if w["model_name"] == "OutputModel")
    assert "inside" in str(shown["outputs"])


def test_a_daemon_does_not_outlive_the_notebook(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "leaves_a_daemon")))
    assert ran.job.status == "Completed", ran.log
    pid = int((ran.folder.outputs / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


@pytest.fixture
def kernelspecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which kernelspecs are found, besides the usual ones."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return tmp_path / "jupyter" / "kernels"


def add_kernel(folder: Path, name: str, argv: list[str], language: str = "python") -> None:
    import json

    (folder / name).mkdir(parents=True)
    spec = {"argv": argv, "display_name": name, "language": language}
    (folder / name / "kernel.json").write_text(json.dumps(spec))


def test_a_kernel_that_never_answers(run: Run, tmp_path: Path, kernelspecs: Path) -> None:
    add_kernel(kernelspecs, "mute", ["sleep", "1000"])
    ran = run(
        notebook(
            write_named(tmp_path, "no_parameters_cell"),
            kernel="mute",
            environment_variables={"WORKBENCH_KERNEL_START_TIMEOUT": "1"},
        )
    )
    assert ran.log.splitlines()[-1] == (
        "kernel 'mute': it did not answer within 1 s of its start. See what it printed above"
    )


def test_a_kernel_that_ends_at_once(run: Run, tmp_path: Path, kernelspecs: Path) -> None:
    add_kernel(kernelspecs, "broken", ["sh", "-c", "echo no such library; exit 3"])
    ran = run(notebook(write_named(tmp_path, "no_parameters_cell"), kernel="broken"))
    assert ran.log.splitlines() == [
        "no such library",
        "kernel 'broken': it ended before it could run anything. See what it printed above",
    ]


def test_a_kernelspec_that_is_missing_when_the_trial_starts(run: Run, tmp_path: Path, kernelspecs: Path) -> None:
    add_kernel(kernelspecs, "other", [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    book = write_named(tmp_path, "no_parameters_cell")
    with pytest.raises(NotFoundError, match=r"no kernel named 'othe' is installed\. .*Write kernel='other'"):
        run(notebook(book, kernel="othe"))
    assert run(notebook(book, kernel="other")).log == "1\n"
    ran = run(notebook(book, kernel="other", environment_variables={"JUPYTER_PATH": str(tmp_path / "nowhere")}))
    assert ran.log.splitlines()[-1].startswith("kernel: no kernel named 'other' is installed.")


GATED = """
print("first", flush=True)
open({gate!r}).read()
print("second")
"""


def test_progress_and_notebook_can_be_read_while_it_runs(shared_client: MLClient, tmp_path: Path) -> None:
    import json

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    book = write_notebook(tmp_path / "slow.ipynb", "print('zero')", GATED.format(gate=str(gate)), "print('third')")
    submitted = shared_client.create_or_update(notebook(book))
    folder = TrialFolder(Path(submitted.folder))

    def printed() -> bool:
        now = read_progress(folder)
        return now is not None and "first" in now.output and folder.notebook.exists()

    assert wait_until(printed, shared_client.context, 60)
    now = read_progress(folder)
    assert str(now) == 'cell 2 of 3: print("first", flush=True) · first'
    assert shared_client.jobs.get(submitted.name).progress == str(now)

    def saved() -> bool:
        cells = json.loads(folder.notebook.read_text())["cells"]
        return "first" in str(cells[2]["outputs"]) and cells[2]["metadata"]["papermill"]["status"] == "running"

    assert wait_until(saved, shared_client.context, 30)
    gate.write_text("")
    wait(shared_client, submitted.name)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert (done.job.status, done.job.progress) == ("Completed", None)
    assert done.log == "zero\nfirst\nsecond\nthird\n"


PATIENT = """
import time, workbench
workbench.log(begun=1)
try:
    time.sleep(1000)
except KeyboardInterrupt:
    print("interrupted")
    raise
"""


def test_canceling_interrupts_the_kernel_first(shared_client: MLClient, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "patient.ipynb", PATIENT, "print('never')")
    submitted = shared_client.create_or_update(notebook(book))
    store = shared_client.context.store
    assert wait_until(lambda: bool(store.points(submitted.name)), shared_client.context, 60)
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert done.job.status == "Canceled"
    assert done.log.splitlines()[-1] == "stopped in cell 1 of 2"
    assert "never" not in done.log
    assert "KeyboardInterrupt" in str(done.outputs(1)), "the notebook was saved after the interruption"
    assert "SIGKILL" not in str(done.job.reason)
    assert processes_of(shared_client) == []


CHILD = """
import subprocess, workbench
child = subprocess.Popen(["sleep", "1000"])
workbench.log(begun=1)
try:
    child.wait()
except KeyboardInterrupt:
    print("while it tidies up its child", "runs" if child.poll() is None else "is gone")
    raise
"""


def test_the_processes_of_a_cell_are_there_while_it_tidies_up(shared_client: MLClient, tmp_path: Path) -> None:
    submitted = shared_client.create_or_update(notebook(write_notebook(tmp_path / "child.ipynb", CHILD)))
    store = shared_client.context.store
    assert wait_until(lambda: bool(store.points(submitted.name)), shared_client.context, 60)
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert "while it tidies up its child runs" in done.log
    assert processes_of(shared_client) == []


@pytest.fixture
def r_kernel(kernelspecs: Path) -> str:
    """A kernel whose language is R by name: papermill writes ``x = 0.5`` in both."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    add_kernel(kernelspecs, "ir", argv, language="R")
    return "ir"


def test_a_kernel_of_r_has_parameters_and_is_interrupted(
    run: Run, shared_client: MLClient, tmp_path: Path, r_kernel: str
) -> None:
    book = write_notebook(tmp_path / "r.ipynb", "print(x)", PATIENT, parameters="x = 1", kernel=r_kernel, language="R")
    submitted = shared_client.create_or_update(notebook(book, inputs={"x": 0.5}))
    store = shared_client.context.store
    assert wait_until(lambda: bool(store.points(submitted.name)), shared_client.context, 60)
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert done.log.splitlines()[0] == "0.5"
    assert "interrupted" in done.log, "SIGINT comes before the end of the tree"


def test_a_language_that_papermill_does_not_write_takes_no_parameters(
    shared_client: MLClient, tmp_path: Path, kernelspecs: Path
) -> None:
    add_kernel(kernelspecs, "odd", ["odd", "{connection_file}"], language="odd")
    book = write_notebook(tmp_path / "odd.ipynb", parameters="x := 1", kernel="odd", language="odd")
    with pytest.raises(ValidationException, match="papermill cannot write x in the language of the kernel 'odd'"):
        shared_client.create_or_update(notebook(book, inputs={"x": 2}))


DEEP = """
def f(n):
    if n == 0:
        raise ValueError("at the bottom")
    a = n + 1
    b = a + 1
    return (f if n % 2 else g)(n - 1)

def g(n):
    a = n + 1
    b = a + 1
    return f(n - 1)

f(6)
"""


def test_the_whole_traceback_is_the_error(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_notebook(tmp_path / "deep.ipynb", "print('noise\\n' * 50)", DEEP)))
    error = str(ran.job.error)
    assert error.splitlines()[-1] == "cell 2 of 2 failed: ValueError: at the bottom"
    assert "f(6)" in error, "it begins where the cell calls"
    assert error.count("in f(n)") + error.count("in g(n)") == 7
    assert "noise" not in error
    assert str(ran.job.reason) == "exit code 1: cell 2 of 2 failed: ValueError: at the bottom"


def test_a_flood_in_an_output_widget_is_bounded(run: Run, tmp_path: Path) -> None:
    ran = run(notebook(write_named(tmp_path, "floods_a_widget")))
    assert ran.job.status == "Completed", ran.log
    assert ran.log.endswith("line 99999\nafter\nmore\n")
    state = ran.book["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    (shown,) = [model["state"]["outputs"] for model in state.values() if model["model_name"] == "OutputModel"]
    lines = "".join(output["text"] for output in shown).splitlines()
    assert lines[TEXT_LINES - 1 :] == [
        f"line {TEXT_LINES - 1}",
        "… what else was shown here is left out; the log of the trial has what was printed …",
    ]


# What a kernel does beside the cells lasts until it is told to stop: before the second cell, or after it.
WAITS = """
import os, signal
kernel = get_ipython().kernel
begin, run = kernel.pre_handler_hook, kernel.do_execute
def wait():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    there = signal.set_wakeup_fd(writing)
    with open({ready!r}, "w") as ready:
        ready.write("x")
    os.read(reading, 1)
    signal.set_wakeup_fd(there)
def wait_before():
    kernel.pre_handler_hook = begin
    wait()
    begin()
async def wait_after(*words, **more):
    kernel.do_execute = run
    answer = await run(*words, **more)
    wait()
    return answer
if {when!r} == "before":
    kernel.pre_handler_hook = wait_before
else:
    kernel.do_execute = wait_after
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kernel_that_is_busy_beside_its_cells_is_stopped_too(
    shared_client: MLClient, tmp_path: Path, when: str
) -> None:
    os.mkfifo(tmp_path / "ready")
    cell = "import time\nwhile True:\n    time.sleep(0.1)" if when == "before" else "print('done')"
    waits = WAITS.format(ready=str(tmp_path / "ready"), when=when)
    submitted = shared_client.create_or_update(
        notebook(write_notebook(tmp_path / "waits.ipynb", waits, cell, "print('never')"))
    )
    (tmp_path / "ready").read_text()
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert done.job.status == "Canceled"
    if when == "before":
        assert done.log.splitlines() == ["stopped in cell 2 of 3"]
        assert "KeyboardInterrupt" in str(done.outputs(2))
    else:
        assert done.log.splitlines() == ["done", "stopped in cell 3 of 3"]
        assert "done" in str(done.outputs(2))


def test_a_timeout_stops_a_notebook_wherever_it_is(run: Run, shared_client: MLClient, tmp_path: Path) -> None:
    ran = run(notebook(write_notebook(tmp_path / "patient.ipynb", PATIENT, "print('never')"), timeout=2))
    assert (ran.job.status, str(ran.job.reason)[:23]) == ("Canceled", "its timeout was reached")
    assert "never" not in ran.log
    assert processes_of(shared_client) == []


def test_a_cell_that_ignores_interrupts_is_killed_and_the_notebook_saved(
    shared_client: MLClient, tmp_path: Path
) -> None:
    stubborn = (
        "import signal, workbench\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('here', flush=True)\n"
        "workbench.log(begun=1)\nwhile True:\n    signal.pause()"
    )
    submitted = shared_client.create_or_update(notebook(write_notebook(tmp_path / "s.ipynb", stubborn)))
    store = shared_client.context.store
    assert wait_until(lambda: bool(store.points(submitted.name)), shared_client.context, 60)
    shared_client.jobs.begin_cancel(submitted.name).result(timeout=60)
    done = Ran(shared_client.jobs.get(submitted.name))
    assert done.job.status == "Canceled"
    assert "here" in str(done.book["cells"][1]["outputs"])
    assert processes_of(shared_client) == []


def test_a_sweep_of_a_notebook(shared_client: MLClient, run: Run, tmp_path: Path) -> None:
    book = write_notebook(
        tmp_path / "train.ipynb",
        "import signal, workbench\nfor _ in range(3):\n    workbench.log(score=x)",
        "if x < 0.5:\n    signal.pause()\nworkbench.output('kind', kind)",
        parameters="x = 0.0\nkind = 'a'",
    )
    sweep = notebook(book, inputs={"kind": "b", "x": 0})(x=Choice([1.0, 0.4])).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        max_concurrent_trials=1,
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
    )
    done = run(sweep).job
    children = trials(shared_client, done)
    assert [child.status for child in children] == ["Completed", "Canceled"]
    assert [child.type for child in children] == ["notebook", "notebook"]
    assert "stopped early: 0.4 < 0.9091" in str(children[1].reason)
    table = shared_client.sweeps.trials(str(done.name))
    assert table["params.x"].tolist() == [1.0, 0.4]
    assert table["metrics.score"].tolist() == [1.0, 0.4]
    assert table["outputs.kind"][0] == "b"
    assert table["status"].tolist() == ["Completed", "Canceled"]
    assert Path(table["notebook"][1]).exists()
    assert table.equals(done.trials())  # type: ignore[union-attr]
    again = shared_client.jobs.rerun(f"{done.name}_0")
    wait(shared_client, again.name)
    assert shared_client.jobs.get(again.name).output_values == {"kind": "b"}


def test_processes_that_a_kernel_forks_can_be_terminated(run: Run, tmp_path: Path) -> None:
    cell = (
        "import multiprocessing, time\n"
        "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(1000,))\n"
        "child.start(); child.terminate(); child.join(20); print(child.exitcode)"
    )
    assert run(notebook(write_notebook(tmp_path / "forks.ipynb", cell))).log == "-15\n"
