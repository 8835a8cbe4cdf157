"""``%%sweep`` and ``%%job`` in a real IPython, with real trials."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.magics.conftest import Notebook
from workbench.entities import Environment
from workbench.magics.dry_run import DryRun
from workbench.magics.session import Session

SWEEP = """\
%%sweep --metric score --goal maximize --trials 3 --concurrent 2 --seed 5 --with numbers,double --experiment cells
x = Uniform(0, 1)   # swept
factor: int = 3
kinds = ["a", {"b": (1, 2)}]

import workbench, helper
from pathlib import Path
Path("made.txt").write_text("mine")
print(Path("beside.txt").read_text(), numbers.sum(), double(4), kinds, f"{x}")
numbers[0] = -1
workbench.log(score=helper.half(x) * factor)
"""


def test_a_cell_is_swept_in_its_own_process(book: Notebook) -> None:
    Path("helper.py").write_text("def half(x):\n    return x / 2\n")
    Path("beside.txt").write_text("read by its relative path")
    book.run("import numpy\nnumbers = numpy.arange(100_000.0)\ndef double(x):\n    return 2 * x")
    sweep = book.run(SWEEP)
    assert book.error is None, book.shown
    assert "numbers: 800.2 kB, stored\n" in book.shown
    assert (sweep.type, sweep.experiment_name) == ("sweep", "cells")
    book.finish(sweep.name)
    found = book.trials(sweep.name)
    assert {str(trial.status) for trial in found} == {"Completed"}, [trial.error for trial in found]
    assert [trial.score for trial in found] == pytest.approx([trial.params["x"] / 2 * 3 for trial in found])
    assert (
        book.log(found[0])
        == f"read by its relative path 4999950000.0 8 ['a', {{'b': (1, 2)}}] {found[0].params['x']}\n"
    )
    folder = book.client.context.workspace.trial(found[0].folder)
    work = folder.work
    assert sorted(path.name for path in work.iterdir()) == ["logs", "made.txt", "outputs"]
    assert not Path("made.txt").exists()
    executed = json.loads(folder.notebook.read_text())
    assert "".join(executed["cells"][0]["source"]).splitlines()[1:] == [
        "x = ...  # swept",
        "factor: int = ...",
        'kinds = ["a", {"b": (1, 2)}]',
    ]


def test_what_is_handed_over_is_stored_once(book: Notebook) -> None:
    book.run("import numpy\nagain = numpy.arange(50_000.0)")
    cell = "%%job --with again\nx = 1\n\nprint(again.mean())"
    first, shown = book.run(cell), book.shown
    second = book.run(cell)
    assert ("again: 400.2 kB, stored\n" in shown, "again: 400.2 kB, stored before\n" in book.shown) == (True, True)
    for job in (first, second):
        book.finish(job.name)
        assert book.log(book.client.jobs.record(job.name)) == "24999.5\n"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("import threading\nodd = threading.Lock()", "'odd' (lock) cannot go to another process"),
        ("odd = (i for i in range(3))", "Hand over a list of what it yields"),
        ("import sqlite3\nodd = sqlite3.connect(':memory:')", "Open the connection in the cell"),
        ("odd = open('opened.txt', 'w')", "Hand over the path, and open the file in the cell"),
        ("import math as odd", "'odd' is a module. Import it in the cell: import math as odd"),
        (
            "oddd = 1\nif 'odd' in globals(): del odd",
            "there is no variable 'odd' in this notebook. Did you mean 'oddd'",
        ),
    ],
)
def test_what_cannot_be_handed_over_is_refused_with_a_way_out(book: Notebook, made: str, message: str) -> None:
    book.run(made)
    before = len(list(book.client.jobs.list()))
    assert message in book.fails("%%job --with odd\nx = 1\n\nprint(x)")
    book.run("getattr(odd, 'close', int)()")
    assert len(list(book.client.jobs.list())) == before


@pytest.mark.parametrize("sampler", ["random", "sobol", "grid", "bayesian"])
def test_a_dry_run_shows_what_is_then_sampled(book: Notebook, sampler: str) -> None:
    swept = "x = Choice([1, 2, 3])\ny = Choice(['a', 'b'])" + ("" if sampler == "grid" else "\nz = Uniform(-1, 1)")
    seed = "" if sampler == "grid" else "--seed 11"
    line = f"--metric score --goal minimize --trials 3 --concurrent 2 --sampler {sampler} {seed}"
    cell = f"{swept}\n\nimport workbench\nworkbench.log(score=x)"
    before = len(list(book.client.jobs.list()))
    dry = book.run(f"%%sweep {line} --dry-run\n{cell}")
    assert isinstance(dry, DryRun), book.shown
    assert len(list(book.client.jobs.list())) == before
    assert (dry.preview.trials, dry.preview.slots) == (3, 2)
    assert "Dry run, nothing was submitted: 3 trials, 2 at once" in book.shown
    sweep = book.run(f"%%sweep {line}\n{cell}")
    book.finish(sweep.name)
    assert [dict(trial.params) for trial in book.trials(sweep.name)] == list(dry.preview.params)
    again = book.run(f"%%sweep {line} --dry-run\n{cell}")
    assert again.preview.like == sweep.name
    assert again.preview.each is not None
    assert again.preview.seconds == pytest.approx(2 * again.preview.each)


def test_a_dry_run_without_a_seed_says_which_one_to_add(book: Notebook) -> None:
    dry = book.run("%%sweep --metric a --goal maximize --trials 3 --dry-run\nx = Uniform(0, 1)\n\nprint(x)")
    again = book.run(
        f"%%sweep --metric a --goal maximize --trials 3 --dry-run --seed {dry.preview.seed}\nx = Uniform(0, 1)\n\n1"
    )
    assert f"add --seed {dry.preview.seed} to run exactly these" in dry.note
    assert again.preview.params == dry.preview.params
    assert again.note == ""


def test_a_job_that_is_waited_for_is_streamed_and_returned_as_it_ended(book: Notebook) -> None:
    job = book.run("%%job --wait --name waited\nn = 2\n\nprint('n is', n)")
    assert (job.name, job.status) == ("waited", "Completed")
    assert "n is 2" in book.shown
    assert "Execution Summary" in book.shown


NAMED = """\
%%sweep --name again --metric score --goal maximize --trials 1 --concurrent 1 --seed 2 --with table
x = Uniform(0, 1)

import workbench
workbench.log(score=x * table.sum())
"""


def test_the_same_cell_in_a_new_kernel_is_the_same_sweep(book: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    book.run("import numpy\ntable = numpy.arange(5.0)")
    book.run(NAMED)
    assert book.error is None, book.shown
    book.finish("again")
    book.run("%wb more again 1")
    book.finish("again")
    monkeypatch.setattr(Session, "last", None)
    attached = book.run(NAMED)
    assert book.error is None, book.shown
    assert (attached.name, attached.status) == ("again", "Completed")
    assert "again is there already (Completed), and was not started anew" in book.shown
    assert "write %wb rerun again, or another --name" in book.shown
    assert Session.last == "again"
    assert len(book.trials("again")) == 2, "nothing was started"

    for changed, differing in [
        (NAMED.replace("Uniform(0, 1)", "Uniform(0, 2)"), "x"),
        (NAMED.replace("--trials 1", "--trials 3"), "limits.max_total_trials"),
        (NAMED.replace("x * ", "2 * x * "), "what it runs"),
        (NAMED.replace("(0, 1)", "(0, 1)\nn = 3"), "what it runs, n"),
        (NAMED.replace(" --seed 2", ""), "sampling_algorithm"),
    ]:
        told = book.fails(changed)
        assert "name: a job named 'again' exists already, and differs from this cell in " in told
        assert set(differing.split(", ")) == set(told.partition("this cell in ")[2].partition(". ")[0].split(", "))
    book.run("table[0] = 7")
    assert "differs from this cell in --with table. Choose another name, or leave it out" in book.fails(NAMED)


def test_the_same_command_with_other_code_is_another_job(book: Notebook) -> None:
    Path("src").mkdir()
    Path("src/t.py").write_text("print(1)\n")
    cell = "%%job --name of_code --shell --code src\nn = 1\n\npython t.py ${{inputs.n}}"
    book.run(cell)
    book.finish("of_code")
    assert book.run(cell).name == "of_code"
    Path("src/t.py").write_text("print(2)\n")
    assert "differs from this cell in the files of its code" in book.fails(cell)


def test_a_shell_command_takes_the_same_line(book: Notebook) -> None:
    Path("code").mkdir()
    Path("code/train.py").write_text("import sys, workbench\nworkbench.log(score=float(sys.argv[1]))\n")
    sweep = book.run(
        "%%sweep --metric score --goal maximize --trials 2 --sampler grid --shell --code code\n"
        "x = Choice([1, 2])\n\npython train.py ${{inputs.x}}"
    )
    assert book.error is None, book.shown
    book.finish(sweep.name)
    assert [trial.score for trial in book.trials(sweep.name)] == [1.0, 2.0]


def test_a_job_that_takes_longer_than_its_time_limit_is_ended(book: Notebook) -> None:
    job = book.run("%%job --shell --timeout 1\nn = 600\n\nsleep ${{inputs.n}}")
    assert book.error is None, book.shown
    book.finish(job.name)
    record = book.client.jobs.record(job.name)
    assert str(record.status) == "Canceled"
    assert "its timeout was reached" in str(record.reason)


def test_a_cell_runs_in_a_registered_environment(book: Notebook) -> None:
    book.client.environments.create_or_update(Environment(name="small", requirements=["iniconfig"]))
    job = book.run("%%job --shell --environment azureml:small:1\nn = 1\n\npython -c 'import sys; print(sys.prefix)'")
    assert book.error is None, book.shown
    book.finish(job.name)
    record = book.client.jobs.record(job.name)
    assert str(record.status) == "Completed", record.error
    prefix = Path(book.log(record).splitlines()[-1])
    assert prefix != Path(sys.prefix)
    assert list(prefix.glob("lib/python*/site-packages/iniconfig"))


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        (
            "%%sweep --metric a --goal maximize\nx = 1\n\nprint(x)",
            "%%sweep: no parameter at the top of the cell is swept.",
        ),
        ("%%sweep\nx = Uniform(0, 1)\n\nprint(x)", "%%sweep: the metric that decides is missing. Add --metric"),
        ("%%sweep --metric a\nx = Uniform(0, 1)\n\nprint(x)", "objective.goal: is needed and was not given"),
        ("%%sweep --metric a --goal up\nx = Uniform(0, 1)\n\n1", "'up' is not a goal. Valid are: maximize, minimize"),
        ("%%sweep --trials x --metric a --goal maximize\ny = Uniform(0, 1)\n\n1", "limits.max_total_trials: must be a"),
        ("%%sweep --metric a --goal maximize\nx = Uniform(1, 0)\n\n1", "search_space.x.min_value: 1 is not below max_"),
        ("%%job --gpus 99\nx = 1\n\nprint(x)", "resources: "),
        ("%%job --environment azureml:x\nx = 1\n\nprint(x)", "no environment 'x' is registered here"),
        ("%%job --kernel no-such\nx = 1\n\nprint(x)", "kernel: no kernel named 'no-such' is installed"),
        ("%%job\nx = Uniform(0, 1)\n\nprint(x)", "inputs.x: "),
        ("%%job --folder\nx = 1\n\n1", "%%job: argument --folder: expected one argument"),
    ],
)
def test_errors_are_one_readable_line(book: Notebook, cell: str, line: str) -> None:
    before = len(list(book.client.jobs.list()))
    assert line in book.fails(cell)
    assert len(list(book.client.jobs.list())) == before


def test_a_traceback_is_there_for_who_asks(book: Notebook) -> None:
    book.run("%%job --traceback\nx = Uniform(0, 1)\n\nprint(x)")
    assert "Traceback (most recent call last)" in book.shown


def test_braces_and_dollars_on_the_line_and_in_the_cell_are_left_alone(book: Notebook) -> None:
    book.run("x = 'WRONG'")
    job = book.run("%%job --wait --set 'tags={\"k\": \"{x} $x\"}'\nn = 1\n\ny = 5\nprint(f'{y}', '$x {x}')")
    assert "5 $x {x}" in book.shown
    assert job.tags["k"] == "{x} $x"


def test_help_lists_the_options(book: Notebook) -> None:
    for line in ("%sweep -h", "%%sweep --help\n1", "%%sweep?"):
        book.run(line)
        assert "--stop POLICY" in book.shown, line
