"""The client's own surface: Azure's code finds what it calls, and bad input finds a clear answer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.supervisor.test_sweeps_end_to_end import finish, trials
from workbench import Input, MLClient, Output, command
from workbench.client.environments import recipe_of
from workbench.entities import (
    AmlCompute,
    BuildContext,
    Data,
    Environment,
    Model,
    PyTorchDistribution,
    UserIdentityConfiguration,
)
from workbench.environments.recipes import ImageRecipe
from workbench.errors import NotFoundError, StoreError, UnexpectedKeywordError, ValidationException
from workbench.sweep import Choice, Uniform

WriteCode = Callable[[str], str]


def test_azures_constructor_is_accepted_and_names_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = MLClient(object(), "sub", "group", "space", path=tmp_path, enable_telemetry=False)
    assert (client.workspace_name, client.resource_group_name) == ("space", "group")
    assert client.workspaces.get("space").mlflow_tracking_uri == os.environ["MLFLOW_TRACKING_URI"]
    with pytest.raises(UnexpectedKeywordError, match="MLClient\\(path='…'\\)"):
        MLClient(folder=tmp_path)


def test_mlflow_follows_the_newest_client_unless_the_user_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    MLClient(path=tmp_path / "a")
    MLClient(path=tmp_path / "b")
    assert os.environ["MLFLOW_TRACKING_URI"].endswith("/b/.workbench/mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mine")
    with pytest.warns(UserWarning, match="MLFLOW_TRACKING_URI is http://mine"):
        MLClient(path=tmp_path / "a")
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mine"


def test_from_config_looks_where_azure_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "project" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    with pytest.raises(NotFoundError, match=r"no config\.json or project\.json"):
        MLClient.from_config(path=below)
    (tmp_path / "project" / ".azureml").mkdir()
    config = tmp_path / "project" / ".azureml" / "config.json"
    config.write_text('{"subscription_id": "s"}')
    with pytest.raises(ValidationException, match="resource_group"):
        MLClient.from_config()
    config.write_text('{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}')
    assert MLClient.from_config(object()).workspace_name == "w"


def test_a_workspace_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        MLClient(path=tmp_path / "file")
    with pytest.raises(StoreError, match=r"may not hold \? # or %"):
        MLClient(path=tmp_path / "what?")


def test_compute_is_this_machine_under_any_name(shared_client: MLClient) -> None:
    assert shared_client.compute.get("gpu-cluster").name == "gpu-cluster"
    assert shared_client.compute.get("x").cpus == len(os.sched_getaffinity(0))
    assert len(list(shared_client.compute.list(compute_type="amlcompute"))) == 1
    cluster = AmlCompute(name="c", size="STANDARD_NC4AS_T4_V3", min_instances=0, max_instances=4, tier="Dedicated")
    made = shared_client.begin_create_or_update(cluster).result()
    assert (made.name, made.provisioning_state) == ("c", "Succeeded")
    assert "cores" in made.size


def test_azures_decorations_are_kept_and_do_not_hinder(shared_client: MLClient) -> None:
    job = command(
        command="true",
        distribution=PyTorchDistribution(process_count_per_instance=1),
        identity=UserIdentityConfiguration(),
        environment="local",
    )
    with pytest.warns(UserWarning, match="distribution: has no effect here"):
        done = finish(shared_client, job)
    assert done.status == "Completed"
    assert done.id == done.name
    assert done.services is not None
    assert done.services["Studio"].endpoint.startswith("file://")
    assert shared_client.jobs.validate(command(command="echo ${{inputs.x}}"))[0].startswith("command: ")


def test_an_environment_is_mapped_or_its_line_is_shown(ml_client: MLClient) -> None:
    job = command(command="true", environment="azureml:AzureML-sklearn-1.5@latest")
    with pytest.raises(ValidationException, match=r'"AzureML-sklearn-1\.5" = "local"') as refused:
        ml_client.jobs.create_or_update(job)
    ml_client.context.workspace.settings.write_text(str(refused.value).split(":\n", 1)[1])
    assert finish(ml_client, job).status == "Completed"
    image = command(command="true", environment=Environment(image="mcr.example/python:3"))
    ml_client.context.workspace.settings.write_text('[environments]\n"*" = "local"\n')
    assert finish(ml_client, image).status == "Completed"
    ml_client.context.workspace.settings.write_text("slot = 3\n")
    with pytest.raises(ValidationException, match="unknown setting 'slot'"):
        ml_client.jobs.create_or_update(job)


def test_outputs_go_where_the_job_says(shared_client: MLClient, tmp_path: Path) -> None:
    place = tmp_path / "new" / "place"
    job = command(
        command="echo ${{inputs.x}} > ${{outputs.here}}/x; echo y > ${{outputs.cloud}}/y",
        inputs={"x": 0},
        outputs={"here": Output(path=str(place)), "cloud": Output(path="azureml://datastores/d/paths/p")},
    )
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    assert (place / "x").read_text() == "0\n"
    shared_client.jobs.download(str(done.name), download_path=tmp_path / "got", all=True)
    assert (tmp_path / "got" / "named-outputs" / "here" / "x").exists()
    assert (tmp_path / "got" / "named-outputs" / "cloud" / "y").exists()
    sweep = job(x=Choice([1, 2])).sweep(
        primary_metric="m", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    swept = finish(shared_client, sweep)
    assert [(place / f"{swept.name}_{number}" / "x").read_text() for number in (0, 1)] == ["1\n", "2\n"]


def test_a_sweep_without_its_metric_says_so(shared_client: MLClient, write_code: WriteCode) -> None:
    code = write_code("import workbench; workbench.log(acc=1, loss=2)")
    job = command(code=code, command="python train.py ${{inputs.x}}", inputs={"x": 0})
    done = finish(shared_client, job(x=Choice([1, 2])).sweep(primary_metric="accuracy", goal="maximize"))
    assert done.status == "Completed"
    assert "no trial has logged the primary metric 'accuracy'" in str(done.reason)
    assert "(metrics logged: acc, loss)" in str(done.reason)


def test_data_assets_are_versions_of_places(shared_client: MLClient, tmp_path: Path) -> None:
    for version in ("1", "2"):
        place = tmp_path / f"v{version}"
        place.mkdir()
        (place / "a.txt").write_text(version)
        made = shared_client.data.create_or_update(Data(name="digits", path=str(place), type="uri_folder"))
        assert made.version == version
    again = shared_client.data.create_or_update(Data(name="digits", path=str(tmp_path / "v2"), description="new"))
    assert again.version == "2"
    assert shared_client.data.get("digits", label="latest").path == str(tmp_path / "v2")
    with pytest.raises(ValidationException, match="other content"):
        shared_client.data.create_or_update(Data(name="digits", version="1", path=str(tmp_path / "v2")))
    with pytest.raises(NotFoundError, match="It has: 1, 2"):
        shared_client.data.get("digits", version="9")
    for reference, text in (("azureml:digits:1", "1"), ("digits@latest", "2")):
        job = command(command="cat ${{inputs.d}}/a.txt", inputs={"d": Input(path=reference)})
        done = finish(shared_client, job)
        assert Path(str(done.log_files["user_logs/std_log.txt"])).read_text() == text  # type: ignore[index]
    shared_client.data.archive("digits", version="2")
    assert [one.version for one in shared_client.data.list("digits")] == ["1"]


def test_environments_are_identified_by_content(shared_client: MLClient, tmp_path: Path) -> None:
    conda = tmp_path / "conda.yml"
    conda.write_text("dependencies: [python=3.11]")
    environment = Environment(name="e", image="img", conda_file=str(conda))
    assert shared_client.environments.create_or_update(environment).version == "1"
    assert shared_client.environments.create_or_update(environment).version == "1"
    conda.write_text("dependencies: [python=3.12]")
    assert shared_client.environments.create_or_update(environment).version == "2"
    conda.write_text("# the same in other words\ndependencies:\n- python=3.12\n")
    assert shared_client.environments.create_or_update(environment).version == "2"
    given = Environment(name="e", image="img", conda_file={"dependencies": ["python=3.12"]}, description="no matter")
    assert shared_client.environments.create_or_update(given).version == "2"
    # What the files hold that it includes is what it is too, whatever becomes of them.
    included = tmp_path / "requirements.txt"
    included.write_text("a==1\n")
    conda.write_text("dependencies: [pip, pip: [-r requirements.txt]]")
    assert shared_client.environments.create_or_update(environment).version == "3"
    included.write_text("a==2\n")
    kept = recipe_of(shared_client.environments.get("e", "3"), shared_client.context)
    assert isinstance(kept, ImageRecipe)
    assert kept.pip == ("a==1",)
    assert shared_client.environments.create_or_update(environment).version == "4"
    # A folder is what it holds.
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM img\n")
        built = Environment(name="f", build=BuildContext(path=str(tmp_path / name)))
        assert shared_client.environments.create_or_update(built).version == "1"
    (tmp_path / "two" / "more").write_text("")
    assert shared_client.environments.create_or_update(built).version == "2"


def test_a_returned_job_can_be_swept_and_takes_nothing_of_its_life_along(shared_client: MLClient) -> None:
    done = finish(shared_client, command(command="echo ${{inputs.x}}", inputs={"x": 1}, description="kept"))
    sweep = done(x=Uniform(0, 1)).sweep(primary_metric="m", goal="maximize", max_total_trials=1)  # type: ignore[operator]
    again = finish(shared_client, sweep)
    assert (again.description, again.experiment_name) == ("kept", done.experiment_name)
    assert again.name != done.name
    assert len(trials(shared_client, again)) == 1


def test_rerun_is_the_same_again_and_says_what_is_not(
    shared_client: MLClient, tmp_path: Path, write_code: WriteCode
) -> None:
    data = tmp_path / "numbers"
    data.mkdir()
    (data / "n.txt").write_text("7")
    code = write_code("import sys, pathlib, workbench; workbench.log(m=float(sys.argv[1])); print(sys.argv[1])")
    job = command(
        code=code,
        command="python train.py ${{inputs.x}}; cat ${{inputs.d}}/n.txt",
        inputs={"x": 0, "d": Input(path=str(data))},
    )
    sweep = finish(shared_client, job(x=Uniform(0, 1)).sweep(primary_metric="m", goal="maximize", max_total_trials=3))
    Path(code, "train.py").write_text("raise SystemExit('changed since')")
    again = shared_client.jobs.rerun(str(sweep.name))
    assert list(again.drift) == []
    from tests.supervisor.test_sweeps_end_to_end import wait

    wait(shared_client, again.name)
    rerun = shared_client.jobs.get(again.name)
    assert [child.params for child in trials(shared_client, rerun)] == [
        child.params for child in trials(shared_client, sweep)
    ]
    assert rerun.properties["score"] == sweep.properties["score"]
    (data / "n.txt").write_text("8 now")
    one = shared_client.jobs.rerun(f"{sweep.name}_1")
    assert list(one.drift) == [f"input d: the files at {data} have changed"]
    wait(shared_client, one.name)
    alone = shared_client.jobs.get(one.name)
    printed = Path(str(alone.log_files["user_logs/std_log.txt"])).read_text()  # type: ignore[index]
    assert printed == f"{trials(shared_client, sweep)[1].params['x']}\n8 now"  # type: ignore[index]


def test_a_local_model_becomes_an_input(shared_client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "weights.txt").write_text("w")
    registered = shared_client.models.create_or_update(Model(name="mine", path=str(tmp_path / "m")))
    assert registered.version == "1"
    job = command(
        command="cat ${{inputs.m}}/weights.txt", inputs={"m": Input(type="custom_model", path="azureml:mine:1")}
    )
    done = finish(shared_client, job)
    assert Path(str(done.log_files["user_logs/std_log.txt"])).read_text() == "w", done.error  # type: ignore[index]


def test_an_error_in_a_cell_is_one_line() -> None:
    script = textwrap.dedent("""
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_cell("from workbench.sweep import Uniform; Uniform(5, 1)")
    """)
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "min_value" in shown
    assert "ValidationException" in shown
    assert "Traceback" not in shown
    assert len(shown.strip().splitlines()) == 1


def test_a_terminal_shows_the_log_exactly_as_it_came(shared_client: MLClient) -> None:
    script = (
        "from workbench import MLClient, command\n"
        f"c = MLClient(path={str(shared_client.workspace_folder)!r})\n"
        "j = c.jobs.create_or_update(command(command='echo a:key:b [red]x[/red]; printf \"1/2\\\\r2/2\\\\n\"'))\n"
        "c.jobs.stream(j.name)\n"
    )
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed: all has been read
            break
        if not part:
            break
        shown += part
    os.close(leader)
    assert process.wait(timeout=60) == 0, shown
    assert b"a:key:b [red]x[/red]" in shown
    assert b"1/2\r2/2" in shown
    assert b"Status: Completed" in shown


def test_interrupting_stream_leaves_the_job_running(shared_client: MLClient) -> None:
    script = (
        "import json\n"
        "from workbench import MLClient, command\n"
        "from workbench.errors import JobException\n"
        f"c = MLClient(path={str(shared_client.workspace_folder)!r})\n"
        "j = c.jobs.create_or_update(command(command='echo started; sleep 1000'))\n"
        "try:\n    c.jobs.stream(j.name)\n"
        "except JobException as e:\n    print(json.dumps([j.name, str(e)]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "started":
            break
    process.send_signal(2)
    name, message = json.loads(process.communicate(timeout=60)[0].strip().splitlines()[-1])
    assert "it is still running" in message
    assert shared_client.jobs.get(name).status == "Running"
    shared_client.jobs.begin_cancel(name).result()
    assert shared_client.jobs.get(name).status == "Canceled"
