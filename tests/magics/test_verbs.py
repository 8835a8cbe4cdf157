"""``%wb``: the verbs in a real IPython; each returns what it made or looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.magics.conftest import Notebook

YAML = """\
type: sweep
trial:
  command: python -c "import workbench; workbench.log(score=${{search_space.x}})"
search_space: {x: {type: choice, values: [1, 2, 3, 4]}}
sampling_algorithm: grid
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 2, max_concurrent_trials: 2}
"""


@pytest.fixture
def name(book: Notebook) -> str:
    """A sweep of two trials that has ended."""
    Path("sweep.yml").write_text(YAML)
    submitted = book.run("%wb run sweep.yml")
    assert book.error is None, book.shown
    book.finish(submitted.name)
    return str(submitted.name)


def test_the_last_sweep_is_meant_where_none_is_named(book: Notebook, name: str) -> None:
    assert book.run("%wb show").name == name
    again = book.run("%wb more 1")
    assert (again.name, book.shown.splitlines()[0]) == (name, f"{name} goes on with 1 more trials")
    book.finish(name)
    assert len(book.trials(name)) == 3
    book.run(f"%wb more {name} 1")
    book.finish(name)
    assert len(book.trials(name)) == 4


def test_tables_are_data_frames(book: Notebook, name: str) -> None:
    listed = book.run("%wb list --most 5")
    assert name in list(listed["name"])
    compared = book.run(f"%wb compare {name}_0 {name}_1")
    assert list(compared.columns) == [f"{name}_0", f"{name}_1"]
    assert list(compared.loc["metrics.score"]) == [1.0, 2.0]
    assert "status" not in compared.index
    assert "status" in book.run(f"%wb compare --all {name}_0 {name}_1").index
    assert list(book.run(f"%wb compare {name}").columns) == [f"{name}_1"], "a sweep means its best trial"


def test_logs_are_printed(book: Notebook, name: str) -> None:
    book.run(f"%wb logs {name}")
    assert "0:" in book.shown
    book.run(f"%wb logs {name}_0")
    assert book.error is None


def test_a_job_is_stopped_and_the_queue_shows_it_before(book: Notebook) -> None:
    job = book.run("%%job\nn = 600\n\nimport time\ntime.sleep(n)")
    assert job.name in list(book.run("%wb queue")["name"])
    stopped = book.run(f"%wb stop {job.name} --wait")
    assert stopped.status == "Canceled"
    book.run("%wb queue")
    assert "Nothing runs and nothing waits." in book.shown


def test_a_sweep_is_held_changed_and_let_go(book: Notebook, tmp_path: Path) -> None:
    os.mkfifo(gate := tmp_path / "gate")
    opened = os.open(gate, os.O_RDWR)
    cell = "%%sweep --metric s --goal maximize --trials 3 --concurrent 1\nx = Uniform(0, 1)\n\nimport workbench\n"
    sweep = book.run(f"{cell}workbench.log(s=x)\nopen({str(gate)!r}, 'rb', 0).read(1)")
    book.run("%wb pause")
    assert f"{sweep.name} is paused" in book.shown
    book.run(f"%wb narrow {sweep.name} x Uniform(0.5,0.6)")
    assert book.error is None, book.shown
    book.run(f"%wb enqueue {sweep.name} x=0.25")
    book.run(f"%wb limits {sweep.name} --total 2")
    book.run("%wb resume")
    os.write(opened, b"go")  # one for each trial
    book.finish(sweep.name)
    os.close(opened)
    assert 0.25 in [trial.params["x"] for trial in book.trials(sweep.name)]


def test_a_job_runs_again(book: Notebook) -> None:
    job = book.run("%%job --wait\nn = 3\n\nprint(n + 1)")
    again = book.run(f"%wb rerun {job.name} --wait")
    assert again.name != job.name
    assert again.status == "Completed"
    assert "\n4\n" in book.shown


MODEL = """\
%%job --wait
factor = 2

import mlflow
class Times(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None):
        return [factor * number for number in model_input]
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="times", python_model=Times(), pip_requirements=[])
"""


def test_a_jobs_model_is_registered(book: Notebook) -> None:
    job = book.run(MODEL)
    assert job.status == "Completed", book.shown
    model = book.run("%wb register --name doubler --alias champion")
    assert book.error is None, book.shown
    assert (model.name, str(model.version)) == ("doubler", "1")
    assert 'doubler version 1; mlflow.pyfunc.load_model("models:/doubler/1")' in book.shown
    listed = book.run("%wb models")
    assert [tuple(row) for row in listed[["name", "job"]].to_numpy()] == [("doubler", job.name)]
    import mlflow

    mlflow.set_tracking_uri(book.client.context.workspace.mlflow_uri)
    assert mlflow.pyfunc.load_model("models:/doubler@champion").predict([4.0]) == [8.0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%wb lst", "there is no verb 'lst'. Did you mean 'list'?"),
        ("%wb show no_such", "no job named 'no_such'"),
        ("%wb more", "%wb more: the following arguments are required: N"),
        ("%wb more a b c", "Write %wb more [NAME] N"),
        ("%wb run none.yml", "none.yml: cannot be read"),
        ("%wb list --odd", "'--odd' is not understood"),
        ("%wb queue move", "needs a place. Give --before NAME"),
        ("%wb register --name m none", "no job named 'none'"),
    ],
)
def test_errors_are_one_readable_line(book: Notebook, line: str, message: str) -> None:
    assert message in book.fails(line)


def test_a_traceback_is_there_for_who_asks(book: Notebook) -> None:
    book.run("%wb --debug show no_such")
    assert "Traceback (most recent call last)" in book.shown


def test_help_lists_the_verbs_and_their_options(book: Notebook) -> None:
    book.run("%wb -h")
    assert "compare" in book.shown
    book.run("%wb register -h")
    assert "--alias ALIAS" in book.shown


def test_new_opens_the_builder(book: Notebook, name: str) -> None:
    builder = book.run(f"%wb new {name}")
    assert builder.draft.get("limits.max_total_trials") == 2
    assert builder.problems.count == 0
    assert "does not exist" in book.fails("%wb new none.py") or "there is no file" in book.shown


@pytest.mark.filterwarnings("ignore:`Completer.complete`:PendingDeprecationWarning")
def test_completion_knows_options_values_verbs_and_names(book: Notebook, name: str) -> None:
    book.run("train_set = 1\ntrain_more = 2")
    assert book.complete("%%sweep --me") == ["--memory", "--metric"]
    assert "score" in book.complete("%%sweep --metric sc")
    assert book.complete("%%sweep --goal m") == ["maximize", "minimize"]
    assert book.complete("%%sweep --stop band") == ["bandit(slack_factor=0.1)"]
    assert book.complete("%%job --with train_m,train_s") == ["train_set"]
    assert book.complete("%wb pau") == ["pause"]
    assert name in book.complete(f"%wb show {name[:5]}")
    assert f"{name}_1" in book.complete(f"%wb show {name}_")
    assert f"{name}_1" not in book.complete(f"%wb pause {name}")
    assert book.complete("%wb register --al") == ["--alias"]
    assert book.complete("s = %wb que") == ["queue"]
    assert "print" in book.complete("%%job\nx = 1\n\nprin")
    assert book.shell.complete("", "%%sweep --go", 12)[1] == ["--goal"]
