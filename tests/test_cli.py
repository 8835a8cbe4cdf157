"""The command line as a user types it: a real process in a real workspace."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import requests

from tests.supervisor.gates import statuses, until
from workbench import MLClient

WB = str(Path(sys.executable).parent / "wb")

SWEEP = """
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
type: sweep
trial:
  code: code
  command: python train.py ${{search_space.x}} ${{inputs.name}}
  environment: local
inputs:
  name: lars
search_space:
  x: {type: choice, values: [1, 2, 3, 4]}
sampling_algorithm: grid
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 4, max_concurrent_trials: 2}
experiment_name: from-yaml
"""

TRAIN = """
import sys, workbench
x = float(sys.argv[1])
print("hello", sys.argv[2])
workbench.log(score=x)
if x == 3: sys.exit("three is wrong")
"""

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cli(shared_client: MLClient, tmp_path: Path) -> Cli:
    def call(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [WB, "--workspace", str(shared_client.workspace_folder), *arguments]
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120, check=False, **options
        )
        assert not check or done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(TRAIN)
    (tmp_path / "sweep.yml").write_text(SWEEP)
    (tmp_path / "job.yml").write_text("command: echo made with ${{inputs.x}}\nenvironment: local\ninputs: {x: 5}\n")
    return call


def test_run_with_overrides_streams_and_shows_the_sweep(cli: Cli) -> None:
    shown = cli(
        "run", "sweep.yml", "--set", "display_name=mine", "--set", "limits.max_total_trials=3", "--stream"
    ).stdout
    name = shown.splitlines()[0]
    assert "trial   2 Failed" in shown
    assert "Trials: 2 Completed, 1 Failed" in shown
    report = json.loads(cli("show", name, "--json").stdout)
    assert report["name"] == name
    assert (report["type"], report["status"], report["display_name"]) == ("sweep", "Completed", "mine")
    assert report["experiment_name"] == "from-yaml"
    assert report["properties"]["best_child_run_id"] == f"{name}_1"
    assert report["error"] is None
    assert [child["params"] for child in report["children"]] == [{"x": 1}, {"x": 2}, {"x": 3}]
    failed = report["children"][2]
    assert failed.keys() >= {"name", "status", "params", "score", "reason", "duration_s"}
    assert failed["status"] == "Failed"
    assert failed["reason"] == "exit code 1: three is wrong"
    assert failed["duration_s"] > 0
    table = cli("show", name).stdout
    assert f"{name}_1" in table
    assert "three is wrong" in table


def test_logs_of_a_trial_and_history_of_a_sweep(cli: Cli) -> None:
    name = cli("run", "sweep.yml", "--set", "limits.max_total_trials=1", "--stream").stdout.splitlines()[0]
    assert cli("logs", f"{name}_0").stdout == "hello lars\n"
    assert "hello lars" in cli("logs", f"{name}_0", "--follow").stdout
    assert "leads with score = 1" in cli("logs", name).stdout


def test_list_is_newest_first_and_names_what_to_do_when_empty(cli: Cli, tmp_path: Path) -> None:
    first = cli("run", "job.yml", "--stream").stdout.splitlines()[0]
    second = cli("run", "job.yml", "--stream").stdout.splitlines()[0]
    rows = json.loads(cli("list", "--json").stdout)
    assert [row["name"] for row in rows[:2]] == [second, first]
    assert rows[0]["status"] == "Completed"
    assert second in cli("list", "--most", "1").stdout
    empty = subprocess.run([WB, "-w", str(tmp_path / "new"), "list"], capture_output=True, text=True, check=True)
    assert "workbench run FILE.yml" in empty.stdout


def test_cancel_waits_until_it_is_gone(cli: Cli) -> None:
    name = cli("run", "job.yml", "--set", "command=sleep 1000").stdout.strip()
    assert cli("cancel", name).stdout.strip() == f"{name} Canceled"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.yml"], "none.yml"),
        (["run", "job.yml", "--set", "comand=x"], "command"),
        (["run", "job.yml", "--set", "command=echo ${{inputs.y}}"], "y"),
        (["show", "nobody"], "no job named 'nobody'"),
        (["cancel", "nobody"], "no job named 'nobody'"),
        (["register", "nobody", "--name", "m"], "no job named 'nobody'"),
        (["models", "nothing"], "nothing"),
    ],
)
def test_errors_are_one_readable_line(cli: Cli, arguments: list[str], message: str) -> None:
    done = cli(*arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_a_failed_job_makes_the_exit_code(cli: Cli) -> None:
    done = cli("run", "job.yml", "--set", "command=exit 3", "--stream", check=False)
    assert done.returncode == 1
    assert "exit code 3" in done.stderr


MODEL = """
import mlflow
class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None):
        return [2 * x for x in model_input]
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(), pip_requirements=[])
    mlflow.log_text("weights", "extra/weights.txt")
    mlflow.log_metric("score", 1)
"""


def test_register_and_models(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "code" / "train.py").write_text(MODEL)
    name = cli("run", "sweep.yml", "--set", "limits.max_total_trials=1", "--stream").stdout.splitlines()[0]
    first = json.loads(cli("register", name, "--name", "twice", "--alias", "champion", "--json").stdout)
    assert (first["name"], first["version"], first["job"]) == ("twice", "1", f"{name}_0")
    assert first["tags"]["workbench.sweep"] == name
    shown = cli("register", f"{name}_0", "--name", "twice", "--path", "doubler", "--description", "again").stdout
    assert "registered twice version 2" in shown
    assert 'mlflow.pyfunc.load_model("models:/twice/2")' in shown
    cli("register", name, "--name", "weights", "--path", "extra")
    assert {row["name"] for row in json.loads(cli("models", "--json").stdout)} >= {"twice", "weights"}
    assert [row["version"] for row in json.loads(cli("models", "twice", "--json").stdout)] == ["2", "1"]
    wrong = cli("register", name, "--name", "twice", "--path", "nothing", check=False)
    assert wrong.returncode == 1
    assert "doubler" in wrong.stderr, "a wrong path is answered with what the job has"
    script = dedent(shown.split("\n\n", 1)[1]) + "\nprint(model.predict([1.0, 2.0]))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[2.0, 4.0]"


def test_ui_is_mlflows_own_on_this_workspace(cli: Cli, shared_client: MLClient) -> None:
    cli("run", "job.yml", "--set", "experiment_name=seen-in-ui", "--stream")
    with serving(shared_client.workspace_folder) as address:
        searched = f"{address}/ajax-api/2.0/mlflow/experiments/search?max_results=100"
        experiments = requests.get(searched, timeout=300).json()["experiments"]
        assert "seen-in-ui" in {experiment["name"] for experiment in experiments}
        assert "<title>MLflow</title>" in requests.get(address, timeout=300).text
        elsewhere = requests.get(searched, headers={"Host": "elsewhere.example"}, timeout=300)
        assert elsewhere.status_code == 403, "a page of another host could read what is shown"


def test_ui_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with serving(tmp_path) as address:
        taken = address.rpartition(":")[2]
        command = [WB, "-w", str(tmp_path), "ui", "--port", taken]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"cannot listen at port {taken}: Address already in use" in second.stderr
    assert "--port 0" in second.stderr


@contextmanager
def serving(workspace: Path) -> Iterator[str]:
    """Run ``workbench ui`` and yield its address, once it answers; Ctrl-C must end it without a word."""
    command = [WB, "-w", str(workspace), "ui", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://\S+", process.stdout.readline())
            assert requests.get(f"{address}/health", timeout=300).text == "OK"
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


def test_help_is_quick_and_names_every_verb() -> None:
    shown = subprocess.run([WB, "-h"], capture_output=True, text=True, check=True).stdout
    for verb in ("run", "list", "show", "logs", "cancel", "register", "models", "ui"):
        assert f" {verb} " in shown


GATED = """
import sys, workbench
x = float(sys.argv[1])
workbench.log(score=x)
open(sys.argv[2]).read()
"""


def test_a_running_sweep_is_edited_and_the_queue_told_apart(cli: Cli, tmp_path: Path, shared_client: MLClient) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "code" / "train.py").write_text(GATED)
    name = cli(
        "run", "sweep.yml", "--set", f"inputs.name={gate}", "--set", "limits.max_concurrent_trials=1"
    ).stdout.strip()
    until(shared_client, lambda: statuses(shared_client, name) == ["Running"])
    assert "is paused" in cli("pause", name).stdout
    (entry,) = json.loads(cli("queue", "--json").stdout)
    assert (entry["name"], entry["held"], entry["running"]) == (name, True, 1)
    cli("limits", name, "--total", "3")
    cli("enqueue", name, "x=9")
    cli("narrow", name, "x", "{type: choice, values: [3, 4]}")
    refused = cli("narrow", name, "y", "{type: choice, values: [3]}", check=False)
    assert refused.returncode == 1
    assert "no parameter 'y'" in refused.stderr
    wrong = cli("narrow", name, "x", "nonsense", check=False)
    assert "is no distribution" in wrong.stderr
    cli("queue", "move", name, "--priority", "high")
    assert json.loads(cli("queue", "--json").stdout)[0]["priority"] > 0
    assert "goes on" in cli("resume", name).stdout
    for number in range(3):
        gate.write_text("")  # blocks until the trial waits there
        cli("logs", f"{name}_{number}", "--follow")
    cli("logs", name, "--follow")
    children = json.loads(cli("show", name, "--json").stdout)["children"]
    assert [child["params"]["x"] for child in children] == [1, 9, 3]
    history = cli("logs", name).stdout
    for told in (
        "paused",
        "limits: max_total_trials = 3",
        "enqueued by hand",
        "narrowed",
        "moved in the queue",
        "resumed",
    ):
        assert told in history
    assert "Nothing runs and nothing waits." in cli("queue").stdout


def test_more_retry_and_rerun(cli: Cli) -> None:
    name = cli("run", "sweep.yml", "--set", "limits.max_total_trials=2", "--stream").stdout.splitlines()[0]
    cli("more", name, "1")
    cli("logs", name, "--follow")
    children = json.loads(cli("show", name, "--json").stdout)["children"]
    assert [child["status"] for child in children] == ["Completed", "Completed", "Failed"]
    cli("retry", name)
    cli("logs", name, "--follow")
    assert "trying 1 failed trials again" in cli("logs", name).stdout
    again = json.loads(cli("rerun", name, "--json", "--stream").stdout.split("RunId:")[0])
    assert again["drift"] == []
    assert json.loads(cli("show", again["name"], "--json").stdout)["status"] == "Completed"
