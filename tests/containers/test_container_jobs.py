"""Jobs in real containers: what they see, what they leave, how they end."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.containers.conftest import containers_of, until_it_runs
from tests.environments.test_venvs import builds_in, log_of, outputs_of, ten_at_once
from tests.notebook.books import write_notebook
from tests.supervisor.gates import until
from tests.supervisor.test_sweeps_end_to_end import finish, trials
from workbench import Input, MLClient, Output, command, notebook
from workbench.entities import BuildContext, Environment
from workbench.environments.engine import address, connect, is_podman
from workbench.environments.images import BuiltImage, remove_image
from workbench.errors import EngineError, NotFoundError
from workbench.sweep import Choice

WriteCode = Callable[[str], str]


def test_a_job_sees_what_azure_shows_it(shared_client: MLClient, in_image: Environment, tmp_path: Path) -> None:
    data = tmp_path / "data set"
    data.mkdir()
    (data / "a.csv").write_text("1")
    elsewhere = tmp_path / "else" / "where"
    job = command(
        command="ls ${{inputs.data}} && cat ${{inputs.file}} && echo && echo ${{inputs.n}} && id -u && env && "
        "echo made > ${{outputs.table}}/t.csv && echo more > ${{outputs.place}}/p && echo kept > outputs/o; "
        "touch ${{inputs.data}}/b || echo read-only; touch ${{inputs.copy}}/c && ls ${{inputs.copy}}",
        inputs={
            "data": Input(type="uri_folder", path=str(data)),
            "file": Input(type="uri_file", path=str(data / "a.csv")),
            "copy": Input(type="uri_folder", path=str(data), mode="download"),
            "n": 2.5,
        },
        outputs={"table": Output(type="uri_folder"), "place": Output(type="uri_folder", path=str(elsewhere))},
        environment_variables={"MINE": "${{inputs.n}} stays"},
        environment=in_image,
        experiment_name="seen",
    )
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    lines = log_of(shared_client, done.name).splitlines()
    lines = lines[lines.index("a.csv") :]
    assert lines[:4] == ["a.csv", "1", "2.5", str(os.getuid())]
    seen = dict(line.split("=", 1) for line in lines if "=" in line)
    assert seen["AZUREML_RUN_ID"] == seen["MLFLOW_RUN_ID"] == done.name
    assert seen["AZUREML_PARAMETER_n"] == "2.5"
    assert seen["MINE"] == "${{inputs.n}} stays"
    assert "VIRTUAL_ENV" not in seen
    assert "read-only" in lines
    assert lines[-2:] == ["a.csv", "c"]
    folder = shared_client.context.workspace.trial(shared_client.jobs.record(str(done.name)).folder)
    made = [folder.named_outputs / "table" / "t.csv", elsewhere / "p", folder.outputs / "o"]
    assert [path.read_text() for path in made] == ["made\n", "more\n", "kept\n"]
    assert {path.stat().st_uid for path in made} == {os.getuid()}
    assert not (data / "b").exists()


def test_the_code_runs_with_the_images_python_and_reports(
    shared_client: MLClient, in_image: Environment, write_code: WriteCode
) -> None:
    code = write_code(
        "import sys, workbench\nfor step in range(3):\n    workbench.log(step=step, score=step / 2)\n"
        "workbench.output('where', sys.prefix)\nprint(sys.argv[1:])\n"
    )
    sweep = command(code=code, command="python3 train.py ${{inputs.x}}", inputs={"x": "a"}, environment=in_image)(
        x=Choice(["$(touch mark)", "b'; touch mark #"])
    ).sweep(
        sampling_algorithm="grid", primary_metric="score", goal="maximize", max_total_trials=2, max_concurrent_trials=2
    )
    done = finish(shared_client, sweep)
    assert done.status == "Completed", done.error
    for trial in trials(shared_client, done):
        record = shared_client.jobs.record(str(trial.name))
        assert [point.value for point in shared_client.context.store.points(record.name)] == [0.0, 0.5, 1.0]
        assert log_of(shared_client, record.name).splitlines()[-1] == repr([record.params["x"]])
        assert not list(shared_client.context.workspace.trial(record.folder).root.rglob("mark"))
    assert done.properties["score"] == "1.0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo before; echo the reason >&2; exit 3", "exit code 3: the reason"),
        ("kill -9 $$", "exit code 137"),
        ("nosuchprogram", "exit code 127: .*nosuchprogram: (command )?not found"),
    ],
)
def test_a_failed_job_says_why(shared_client: MLClient, in_image: Environment, text: str, reason: str) -> None:
    done = finish(shared_client, command(command=text, environment=in_image))
    assert done.status == "Failed"
    assert re.match(reason, shared_client.jobs.record(str(done.name)).reason or ""), done.error


def test_too_much_memory_is_told_as_that(shared_client: MLClient, in_image: Environment) -> None:
    text = "python3 -c 'x = bytearray(1 << 30); print(len(x))'"
    done = finish(shared_client, command(command=text, environment=in_image, resources={"memory": "64m"}))
    assert done.status == "Failed"
    assert (shared_client.jobs.record(str(done.name)).reason or "").startswith("out of memory (killed by the kernel; ")
    # A worker that was killed is why its parent failed, whatever that says itself.
    text = f"{text}; python3 -c 'x = 1 / 0'"
    done = finish(shared_client, command(command=text, environment=in_image, resources={"memory": "64m"}))
    assert (shared_client.jobs.record(str(done.name)).reason or "").startswith("out of memory (killed by the kernel; ")


def test_resources_and_docker_args_reach_the_container(shared_client: MLClient, in_image: Environment) -> None:
    job = command(
        command="df -k /dev/shm | tail -1; ulimit -n; echo $MORE; ls -d /sys/class/net/*; "
        "cat /proc/sys/kernel/hostname",
        environment=in_image,
        resources={
            "shm_size": "96m",
            "docker_args": "--ulimit nofile=123:456 -e MORE=more --hostname here --network=bridge",
        },
    )
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    lines = log_of(shared_client, done.name).splitlines()
    assert any(line.split()[1:2] == [str(96 << 10)] for line in lines if "/dev/shm" in line), lines
    assert "123" in lines
    assert "more" in lines
    assert lines[-1] == "here"
    assert {"/sys/class/net/eth0", "/sys/class/net/eth1"} <= set(lines)


_CALLS = """
import json, os, urllib.request as r
base, token = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_TRACKING_TOKEN"]
def ask(path, token, body=None):
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    try:
        call = r.Request(base + path, json.dumps(body).encode() if body else None, headers)
        return r.urlopen(call, timeout=60).status
    except r.HTTPError as error:
        return error.code
run = os.environ["MLFLOW_RUN_ID"]
get = "/api/2.0/mlflow/runs/get?run_id=" + run
point = dict(run_id=run, key="acc", value=0.5, timestamp=1700000000000, step=3)
print(ask(get, token), ask(get, token + "x"), ask(get, ""), ask("/", token))
print(ask("/api/2.0/mlflow/runs/log-metric", token, point))
try:
    r.urlopen("http://192.0.2.1", timeout=5)
except OSError as error:
    print(error.reason.errno)
"""


def test_nothing_is_reached_but_mlflow(shared_client: MLClient, in_image: Environment, write_code: WriteCode) -> None:
    done = finish(shared_client, command(code=write_code(_CALLS), command="python3 train.py", environment=in_image))
    assert done.status == "Completed", done.error
    assert log_of(shared_client, done.name).splitlines()[-3:] == ["200 401 401 404", "200", "101"]
    points = shared_client.context.store.points(str(done.name))
    assert [(one.key, one.value, one.step) for one in points] == [("acc", 0.5, 3)]


def test_ten_jobs_with_one_new_dockerfile_build_it_once(
    shared_client: MLClient, base_image: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nCOPY said /said\nRUN cat /said > /again\n")
    words = os.urandom(8).hex()  # the engine is the machine's, and an earlier run may have had a folder of that name
    (tmp_path / "said").write_text(words)
    environment = Environment(build=BuildContext(path=str(tmp_path)))
    names = ten_at_once(shared_client, command(command="cat /again; echo", environment=environment))
    assert builds_in(shared_client, names) == 1
    assert {log_of(shared_client, name).splitlines()[-1] for name in names} == {words}
    first = next(name for name in names if "STEP 3/" in log_of(shared_client, name).upper())
    history = [event.text for event in shared_client.context.store.events(first)]
    assert any(text.startswith("the environment is ready: built in ") for text in history), history
    # Another folder that holds the same is the same, whatever it is called.
    other = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-other")
    same = Environment(name="other", build=BuildContext(path=str(other)))
    done = finish(shared_client, command(command="cat /again", environment=same))
    assert done.status == "Completed", done.error
    tags = {shared_client.jobs.record(str(name)).launch["runs_in"]["image"] for name in (*names, done.name)}
    assert builds_in(shared_client, [*names, str(done.name)]) == 1
    # An image that somebody has removed is built again.
    [tag] = tags
    connect(address()).remove_image(tag)
    done = finish(shared_client, command(command="cat /again", environment=environment))
    assert done.status == "Completed", done.error
    assert builds_in(shared_client, [str(done.name)]) == 1
    connect(address()).remove_image(tag)


def test_a_build_is_seen_while_it_runs_and_ends_when_it_is_canceled(
    shared_client: MLClient, base_image: str, tmp_path: Path
) -> None:
    mark = os.urandom(8).hex()
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo said-$((40 + 2)) {mark} && sleep 1000\n")
    environment = Environment(build=BuildContext(path=str(tmp_path)))
    name = str(shared_client.jobs.create_or_update(command(command="true", environment=environment)).name)
    step = r"building the environment: (Step 2/\d :|STEP 2/\d:) RUN echo said-"
    until(shared_client, lambda: bool(re.match(step, shared_client.jobs.record(name).reason or "")), name)
    until(shared_client, lambda: f"said-42 {mark}" in log_of(shared_client, name), name)
    assert shared_client.jobs.record(name).status == "Preparing"
    api = connect(address())

    def building() -> list[str]:
        return [one["Id"] for one in api.containers(all=True) if mark in one["Command"]]

    seen = building()
    shared_client.jobs.begin_cancel(name).result()
    assert shared_client.jobs.record(name).status == "Canceled"
    until(shared_client, lambda: not building(), building)
    assert seen or is_podman(api)  # which does not show what it builds with
    assert not api.images(shared_client.jobs.record(name).launch["runs_in"]["image"])


def test_a_failing_step_is_the_jobs_error(shared_client: MLClient, base_image: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo about to && sh -c 'echo the cause; exit 7'\n")
    done = finish(
        shared_client, command(command="true", environment=Environment(build=BuildContext(path=str(tmp_path))))
    )
    assert done.status == "Failed"
    assert done.error is not None
    assert re.match(r"the environment could not be built: (Step 2/4 :|STEP 2/\d:) RUN echo about to", done.error)
    assert "the cause" in done.error
    with pytest.raises(NotFoundError, match="no Dockerfile in"):
        shared_client.jobs.create_or_update(
            command(command="x", environment=Environment(build=BuildContext(path=str(tmp_path / "nowhere"))))
        )


def test_pip_packages_are_installed_in_the_image(shared_client: MLClient, base_image: str) -> None:
    pip: dict[str, Any] = {"channels": ["conda-forge"], "dependencies": ["pip", {"pip": ["iniconfig==2.1.0"]}]}
    job = command(
        command="python -c 'import iniconfig, sys; print(sys.prefix)'",
        environment=Environment(image=base_image, conda_file=pip),
    )
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    assert log_of(shared_client, done.name).splitlines()[-1] == "/opt/workbench/env"
    other = Environment(image=base_image, conda_file={**pip, "dependencies": ["python=3.6", *pip["dependencies"]]})
    done = finish(shared_client, command(command="true", environment=other))
    assert "the conda file asks for Python 3.6, and the image" in (done.error or "")


def test_conda_packages_that_cannot_be_had_are_named(shared_client: MLClient, base_image: str) -> None:
    conda = {"channels": ["nowhere-to-be-found"], "dependencies": ["python", "cudatoolkit=11.8"]}
    done = finish(shared_client, command(command="true", environment=Environment(image=base_image, conda_file=conda)))
    assert done.status == "Failed"
    assert re.search(
        "only conda can install cudatoolkit=11.8, and there is no conda: .*it could not be fetched from https://"
        "|conda could not install cudatoolkit=11.8 from nowhere-to-be-found",
        done.error or "",
    ), done.error


def test_an_image_that_is_nowhere(shared_client: MLClient) -> None:
    done = finish(shared_client, command(command="true", environment=Environment(image="nowhere.invalid/none:1")))
    assert done.status == "Failed"
    assert done.error is not None
    assert done.error.startswith("the environment could not be built: fetching the image nowhere.invalid/none:1 failed")


_CANCELED = """
import signal, sys, workbench
signal.signal(signal.SIGTERM, signal.Handlers[sys.argv[1]])
workbench.log(started=1)
signal.pause()
"""


@pytest.mark.parametrize(
    ("handler", "grace", "signal_name"),
    [("SIG_DFL", 60, "SIGTERM"), ("SIG_IGN", 1, "SIGKILL")],  # an engine that is busy takes seconds to tell of an end
)
def test_canceling_leaves_nothing(
    shared_client: MLClient, in_image: Environment, write_code: WriteCode, handler: str, grace: int, signal_name: str
) -> None:
    text = f"(setsid sleep 1000 &) ; python3 train.py {handler}"
    with settings_replaced(shared_client, "grace = 1", f"grace = {grace}"):
        job = shared_client.jobs.create_or_update(
            command(code=write_code(_CANCELED), command=text, environment=in_image)
        )
    name = str(job.name)
    until_it_runs(shared_client, name)
    until(shared_client, lambda: bool(shared_client.context.store.points(name)), name)
    assert len(containers_of(shared_client, job=name)) == 1
    shared_client.jobs.begin_cancel(name).result()
    done = shared_client.jobs.record(name)
    assert done.status == "Canceled"
    assert f"({signal_name} ended it, nothing of it is left)" in (done.reason or "")
    assert containers_of(shared_client) == []


@contextmanager
def settings_replaced(client: MLClient, old: str, new: str) -> Iterator[None]:
    """Give the jobs that are submitted meanwhile another setting."""
    settings = client.context.workspace.settings
    before, aside = settings.read_text(), settings.with_suffix(".aside")
    assert old in before
    try:
        aside.write_text(before.replace(old, new))
        aside.replace(settings)
        yield
    finally:
        aside.write_text(before)
        aside.replace(settings)


def test_a_timeout_ends_the_container(shared_client: MLClient, in_image: Environment) -> None:
    done = finish(shared_client, command(command="sleep 1000", environment=in_image, timeout=1))
    assert done.status == "Canceled"
    assert "its timeout was reached" in (shared_client.jobs.record(str(done.name)).reason or "")


def test_containers_of_others_are_left_alone(shared_client: MLClient, in_image: Environment) -> None:
    api = connect(address())
    theirs = api.create_container(in_image.image, ["sleep", "1000"], labels={"mine": "yes"})["Id"]
    api.start(theirs)
    try:
        name = str(shared_client.jobs.create_or_update(command(command="sleep 1000", environment=in_image)).name)
        until_it_runs(shared_client, name)
        shared_client.jobs.begin_cancel(name).result()
        assert api.inspect_container(theirs)["State"]["Running"]
    finally:
        api.remove_container(theirs, force=True)


def test_an_engine_without_gpus_says_what_to_install(
    shared_client: MLClient, in_image: Environment, gpu: tuple[str, Path]
) -> None:
    done = finish(shared_client, command(command="true", environment=in_image, resources={"gpus": 1}))
    assert done.status == "Failed"
    assert done.error is not None
    assert re.match(
        r"(the container engine|Podman) cannot give a GPU to a container; install nvidia-container-toolkit", done.error
    )
    assert shared_client.jobs.record(str(done.name)).properties["workbench.gpus"] == gpu[0]


def test_a_notebook_runs_with_the_papermill_of_its_image(
    shared_client: MLClient, base_image: str, tmp_path: Path
) -> None:
    cells = ["import workbench\ny = x * 2", "workbench.log(score=y)\nworkbench.output('twice', y)", "1 / (x - 3)"]
    book = write_notebook(tmp_path / "n.ipynb", *cells, parameters="x = 1")
    bare = finish(shared_client, notebook(str(book), environment=Environment(image=base_image)))
    assert "a notebook needs papermill and ipykernel in the image" in (bare.error or "")
    conda = {"dependencies": ["pip", {"pip": ["papermill", "ipykernel"]}]}
    job = notebook(str(book), inputs={"x": 1e-05}, environment=Environment(image=base_image, conda_file=conda))
    done = finish(shared_client, job)
    assert done.status == "Completed", done.error
    assert [point.value for point in shared_client.context.store.points(str(done.name))] == [2e-05]
    assert outputs_of(shared_client, done.name) == {"twice": 2e-05}
    folder = shared_client.context.workspace.trial(shared_client.jobs.record(str(done.name)).folder)
    assert len(nbformat.read(folder.notebook, as_version=4).cells) == 6
    failed = finish(shared_client, job(x=3))
    assert failed.status == "Failed"
    assert (failed.error or "").splitlines()[-1] == "cell 5: ZeroDivisionError: division by zero"


def said(client: MLClient, *words: str, answer: str = "") -> str:
    """Return what ``workbench images …`` prints."""
    command = [str(Path(sys.executable).parent / "workbench"), "--workspace", str(client.workspace_folder), "images"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, *words], input=answer, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.returncode == 0 or answer, done.stderr
    return done.stdout


def test_images_are_shown_and_only_ours_are_pruned(shared_client: MLClient, base_image: str, tmp_path: Path) -> None:
    name = f"mine-{os.urandom(4).hex()}"  # the engine is the machine's, and others may use it
    (tmp_path / "Dockerfile").write_text(f"FROM {base_image}\nENV ONLY={name}\n")
    environment = Environment(name=name, build=BuildContext(path=str(tmp_path)))
    done = finish(shared_client, command(command="true", environment=environment))
    assert done.status == "Completed", done.error
    tag = shared_client.jobs.record(str(done.name)).launch["runs_in"]["image"]
    shown = {image.tag: image for image in shared_client.images.list()}
    assert (shown[tag].environment, shown[tag].used) == (name, False)
    assert base_image not in shown
    api = connect(address())
    container = api.create_container(tag, ["true"])["Id"]
    try:
        assert {image.tag: image.used for image in shared_client.images.list()}[tag]
        assert said(shared_client, "prune", name, "--yes") == "There is no image to remove.\n", "it is in use"
    finally:
        api.remove_container(container)
    with pytest.raises(EngineError, match="it cannot be removed"):
        remove_image(api, BuiltImage(tag="nothing:1", environment="", created=0, size=0, used=False))
    assert tag in said(shared_client, "list")
    assert tag in {image["tag"] for image in json.loads(said(shared_client, "--json"))}
    asked = said(shared_client, "prune", name, answer="n\n")
    assert tag in asked
    assert "Remove this image? [y/N]" in asked
    assert "Remove this image?" not in (done_so := said(shared_client, "prune", name, "--yes"))
    assert done_so == f"removed {tag} ({name})\n"
    assert tag not in {image.tag for image in shared_client.images.list()}
    assert api.images(base_image), "it is not ours"
