"""Single jobs with real processes: what they see, what they leave, what MLflow knows of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.supervisor.test_sweeps_end_to_end import finish, trials
from workbench import Input, MLClient, Output, command
from workbench.errors import JobException, NotFoundError, ValidationException
from workbench.sweep import Choice, Uniform

WriteCode = Callable[[str], str]


def test_a_job_sees_what_azure_shows_it(shared_client: MLClient, tmp_path: Path) -> None:
    data = tmp_path / "data set"
    data.mkdir()
    (data / "a.csv").write_text("1")
    job = command(
        command="ls ${{inputs.data}} && echo ${{inputs.n}} ${{inputs.flag}} && env && "
        "echo made > ${{outputs.table}}/t.csv",
        inputs={"data": Input(type="uri_folder", path=str(data)), "n": 2.5, "flag": True},
        outputs={"table": Output(type="uri_folder")},
        environment_variables={"MINE": "${{inputs.n}} stays"},
        experiment_name="seen",
    )
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    lines = Path(str(done.log_files["user_logs/std_log.txt"])).read_text().splitlines()  # type: ignore[index]
    assert lines[:2] == ["a.csv", "2.5 True"]
    seen = dict(line.split("=", 1) for line in lines[2:] if "=" in line)
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == done.name
    assert seen["AZUREML_PARAMETER_n"] == "2.5"
    assert seen["AZUREML_PARAMETER_flag"] == "True"
    assert seen["AZURE_ML_INPUT_data"] == str(data)
    assert seen["MLFLOW_EXPERIMENT_NAME"] == "seen"
    assert seen["MINE"] == "${{inputs.n}} stays"
    assert (Path(seen["AZURE_ML_OUTPUT_table"]) / "t.csv").read_text() == "made\n"


@pytest.mark.parametrize(
    "value",
    [
        "$(touch {mark})",
        "; touch {mark}",
        "`touch {mark}`",
        "a' ; touch {mark} #",
        'b" ; touch {mark} #',
        "&& touch {mark}",
    ],
)
@pytest.mark.parametrize("quoting", ["{}", '"{}"', "'{}'"])
def test_a_value_never_runs_as_shell_text(shared_client: MLClient, tmp_path: Path, value: str, quoting: str) -> None:
    mark = tmp_path / "ran"
    text = value.format(mark=mark)
    job = command(command="printf %s " + quoting.format("${{inputs.x}}"), inputs={"x": text})
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    assert not mark.exists()
    assert Path(str(done.log_files["user_logs/std_log.txt"])).read_text() == text  # type: ignore[index]


def test_a_failed_job_says_why(shared_client: MLClient, capsys: pytest.CaptureFixture[str]) -> None:
    submitted = shared_client.jobs.create_or_update(command(command="echo before; echo the reason >&2; exit 3"))
    with pytest.raises(JobException, match="exit code 3: the reason"):
        shared_client.jobs.stream(str(submitted.name))
    shown = capsys.readouterr().out
    assert shown.startswith(f"RunId: {submitted.name}\n")
    assert "before\nthe reason\n" in shown
    assert "Status: Failed" in shown
    done = shared_client.jobs.get(str(submitted.name))
    assert (done.status, done.error) == ("Failed", "before\nthe reason")


def test_nothing_is_submitted_when_something_is_wrong(shared_client: MLClient) -> None:
    before = shared_client.context.store.now()
    for job, error, message in [
        (command(command="python ${{inputs.nope}}", inputs={"x": 1}), ValidationException, "nope"),
        (command(command="true", code="nowhere"), ValidationException, "nowhere"),
        (
            command(command="cat ${{inputs.d}}", inputs={"d": Input(type="uri_file", path="none.csv")}),
            NotFoundError,
            "none.csv",
        ),
        (command(command="true", environment="AzureML-sklearn-1.0:1"), ValidationException, "environment='local'"),
        (command(command="true", inputs={"x": Uniform(0, 1)}), ValidationException, "sweep"),
    ]:
        with pytest.raises(error, match=message):
            shared_client.jobs.create_or_update(job)
    assert shared_client.context.store.now() == before


def test_names_are_unique_and_stay_inside_the_workspace(shared_client: MLClient) -> None:
    shared_client.jobs.create_or_update(command(command="true", name="mine"))
    with pytest.raises(ValidationException, match="'mine' exists"):
        shared_client.jobs.create_or_update(command(command="true", name="mine"))
    for name in ("../x", "/etc", "a/b", "..", "a\u2215b"):
        with pytest.raises(ValidationException, match="name"):
            command(command="true", name=name)


def test_what_a_job_came_back_as_can_be_edited_but_does_not_run_again(shared_client: MLClient) -> None:
    done = finish(shared_client, command(command="true"))
    done.display_name = "nicer"
    done.tags["reviewed"] = "yes"
    again = shared_client.jobs.create_or_update(done)
    assert (again.name, again.display_name, again.tags["reviewed"]) == (done.name, "nicer", "yes")
    assert again.status == "Completed"


def test_download_list_archive(shared_client: MLClient, tmp_path: Path) -> None:
    job = command(command="echo 1 > outputs/a.txt; echo 2 > ${{outputs.o}}/b.txt", outputs={"o": None})
    done = finish(shared_client, job)
    name = str(done.name)
    shared_client.jobs.download(name, download_path=tmp_path)
    assert (tmp_path / "artifacts" / "outputs" / "a.txt").read_text() == "1\n"
    assert not (tmp_path / "named-outputs").exists()
    shared_client.jobs.download(name, download_path=tmp_path, output_name="o")
    assert (tmp_path / "named-outputs" / "o" / "b.txt").read_text() == "2\n"
    with pytest.raises(NotFoundError, match="It has: o"):
        shared_client.jobs.download(name, download_path=tmp_path, output_name="p")
    assert name in [one.name for one in shared_client.jobs.list()]
    shared_client.jobs.archive(name)
    assert name not in [one.name for one in shared_client.jobs.list()]
    assert name in [one.name for one in shared_client.jobs.list(list_view_type="ARCHIVED_ONLY")]
    shared_client.jobs.restore(name)
    assert name in [one.name for one in shared_client.jobs.list(list_view_type="ALL")]


def test_an_unknown_job_is_said_to_be_unknown(shared_client: MLClient) -> None:
    with pytest.raises(NotFoundError, match="no job named 'nobody'"):
        shared_client.jobs.get("nobody")
    with pytest.raises(ValidationException, match="text"):
        shared_client.jobs.get(7)  # type: ignore[arg-type]


LOGS = """
import math, mlflow, sys, workbench
x = float(sys.argv[1])
with mlflow.start_run() as run:
    for step in range(50):
        mlflow.log_metric("loss", x / (step + 1), step=step)
    mlflow.log_metric("stepless", x)
    mlflow.log_metric("odd", math.inf)
    mlflow.log_metrics({"a": 1, "b": 2}, step=3)
    mlflow.log_param("own", "p")
    mlflow.set_tag("colour", "red")
    mlflow.log_text("hello", "notes/hello.txt")
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")) == 50
    workbench.log(step=9, direct=0.5)
"""


def test_mlflow_sees_exactly_what_was_logged_once(shared_client: MLClient, write_code: WriteCode) -> None:
    job = command(
        code=write_code(LOGS), command="python train.py ${{inputs.x}}", inputs={"x": 0}, experiment_name="mlf"
    )
    sweep = job(x=Choice([1.0, 2.0])).sweep(
        primary_metric="loss", goal="minimize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    done = finish(shared_client, sweep)
    assert done.status == "Completed", [child.error for child in trials(shared_client, done)]
    script = f"""
import json, mlflow
mlflow.set_tracking_uri({shared_client.context.workspace.mlflow_uri!r})
client = mlflow.MlflowClient()
out = {{}}
for n in range(2):
    run = client.get_run({done.name!r} + f"_{{n}}")
    out[n] = dict(
        loss=[(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")],
        latest=run.data.metrics, params=run.data.params, tags=run.data.tags, status=run.info.status,
        files=[f.path for f in client.list_artifacts(run.info.run_id)], end=run.info.end_time,
    )
print(json.dumps(out))
"""
    seen = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
    for number, x in (("0", 1.0), ("1", 2.0)):
        run = seen[number]
        assert run["loss"] == [[step, x / (step + 1)] for step in range(50)]
        assert run["latest"]["direct"] == 0.5
        assert run["latest"]["stepless"] == x
        assert run["latest"]["odd"] > 1e308
        assert run["params"] == {"x": str(x), "own": "p"}
        assert run["tags"]["mlflow.parentRunId"] == done.name
        assert run["tags"]["colour"] == "red"
        assert run["status"] == "FINISHED"
        assert {"notes", "outputs", "logs", "user_logs"} <= set(run["files"])
    children = trials(shared_client, done)
    assert [child.score for child in children] == [1 / 50, 2 / 50]
    assert not any(math.isnan(float(str(child.score))) for child in children)
