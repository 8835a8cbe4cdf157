"""Jobs in virtual environments: built once, by real uv, while their jobs are Preparing."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.processes import fork_servers, running_module
from tests.conftest import client_of, supervisor_of
from tests.notebook.books import write_notebook
from tests.supervisor.gates import until
from tests.supervisor.test_sweeps_end_to_end import finish
from workbench import MLClient, command, notebook
from workbench.client.environments import recipe_of
from workbench.definition.command import Command
from workbench.entities import Environment
from workbench.environments.cache import Cache, FailedBuildError
from workbench.errors import NotFoundError, ValidationException
from workbench.sweep import Choice
from workbench.trial.outputs import read_outputs

_SEES = (
    "python -c 'import iniconfig, sys, workbench; print(sys.prefix); workbench.log(score=2); "
    'workbench.output("where", {"prefix": sys.prefix})\''
)


def log_of(client: MLClient, name: object) -> str:
    return client.context.workspace.trial(client.jobs.record(str(name)).folder).log.read_text()


def outputs_of(client: MLClient, name: object) -> dict[str, Any]:
    return read_outputs(client.context.workspace.trial(client.jobs.record(str(name)).folder).output_values)


def builds_in(client: MLClient, names: list[str]) -> int:
    """Return how many of these jobs have built their environment themselves."""
    told = [client.context.workspace.trial(client.jobs.record(name).folder).preparation for name in names]
    return sum(json.loads(file.read_text())["built"] for file in told if file.exists())


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    """A client on a workspace that the tests of this module share, in which ten jobs are prepared at once."""
    with client_of(tmp_path_factory.mktemp("shared") / "workspace", mlflow_database) as client:
        client.context.workspace.settings.write_text("slots = 10\n")
        yield client


def ten_at_once(client: MLClient, job: Command) -> list[str]:
    """Submit a job ten times, let none of them build its environment before all want to, and return their names."""
    assert isinstance(job.environment, Environment)
    recipe = recipe_of(job.environment, client.context)
    cache = Cache(Path(os.environ["WORKBENCH_CACHE"]), recipe.kind)
    cache.folder.mkdir(parents=True, exist_ok=True)
    with cache._lock(recipe.key, pytest.fail):
        names = [str(client.jobs.create_or_update(job()).name) for _ in range(10)]
        waits = "another job builds this environment; waiting for it"
        logs = [client.context.workspace.trial(client.jobs.record(name).folder).log for name in names]
        until(client, lambda: all(log.exists() and waits in log.read_text() for log in logs), names)
        assert {client.jobs.record(name).status for name in names} == {"Preparing"}
    until(client, lambda: all(client.jobs.record(name).status.is_finished for name in names), names)
    assert {client.jobs.get(name).status for name in names} == {"Completed"}
    return names


def test_ten_jobs_with_one_new_environment_build_it_once(shared_client: MLClient) -> None:
    environment = Environment(requirements=["iniconfig==1.1.1"])  # no other test has built that
    names = ten_at_once(shared_client, command(command=_SEES, environment=environment))
    assert builds_in(shared_client, names) == 1
    prefixes = {log_of(shared_client, name).splitlines()[-1] for name in names}
    assert len(prefixes) == 1
    prefix = Path(prefixes.pop())
    assert prefix.is_relative_to(os.environ["WORKBENCH_CACHE"])
    assert [point.value for point in shared_client.context.store.points(names[0])] == [2.0]
    assert outputs_of(shared_client, names[0]) == {"where": {"prefix": str(prefix)}}


def test_the_second_job_builds_nothing_and_the_log_tells_of_the_first(ml_client: MLClient) -> None:
    lines = ["iniconfig==2.0.0", "# equal content"]
    first = finish(ml_client, command(command=_SEES, environment=Environment(requirements=lines)))
    assert first.status == "Completed", first.error
    assert "Installed 1 package" in log_of(ml_client, first.name)
    history = [event.text for event in ml_client.context.store.events(str(first.name))]
    assert any(text.startswith("the environment is ready: built in") for text in history), history
    same = Environment(requirements=lines[:1], python=sys._base_executable)  # type: ignore[attr-defined]
    second = finish(ml_client, command(command=_SEES, environment=same))
    assert second.status == "Completed"
    assert len(log_of(ml_client, second.name).splitlines()) == 1
    # Somebody has made room: without it, python would be whatever comes next in the PATH.
    [prefix] = log_of(ml_client, second.name).splitlines()
    (Path(prefix) / "bin" / "python").unlink()
    third = finish(ml_client, command(command=_SEES, environment=same))
    assert third.status == "Completed", third.error
    assert "Installed 1 package" in log_of(ml_client, third.name)
    assert log_of(ml_client, third.name).splitlines()[-1] == prefix


def test_another_interpreter_makes_another_environment(shared_client: MLClient, tmp_path: Path) -> None:
    def key(**fields: Any) -> str:
        return recipe_of(Environment(requirements=["iniconfig==2.1.0"], **fields), shared_client.context).key

    (tmp_path / "link").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    assert key() == key(python=str(tmp_path / "link"))
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho '[\"cpython 3.9.1\"]'\n")
    other.chmod(0o755)
    first = key(python=str(other))
    assert first == key(python=str(other)) != key()
    other.write_text("#!/bin/sh\necho '[\"cpython 3.9.2\"]'\n")  # as an update of the machine does
    assert key(python=str(other)) not in {first, key()}


def test_an_environment_that_was_deleted_is_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "venv")
    place = cache.place("key")

    def build() -> dict[str, object]:
        (place / "bin").mkdir(parents=True, exist_ok=True)
        (place / "bin" / "python").write_text("")
        (place / "bin" / "python").chmod(0o700)
        (place / "pyvenv.cfg").write_text("")
        return {"python": str(place / "bin" / "python")}

    for part in (None, "bin/python", "pyvenv.cfg"):
        if part is not None:
            (place / part).unlink()
        assert cache.facts("key") is None
        assert cache.build_of("key") is None, part
        assert cache.built("key", build, print)[1]
        assert cache.build_of("key")
        assert not cache.built("key", build, print)[1]


def test_a_failed_build_is_the_jobs_error(ml_client: MLClient) -> None:
    nowhere = Environment(requirements=["iniconfig==0.0.404"])
    done = finish(ml_client, command(command="true", environment=nowhere))
    assert done.status == "Failed"
    assert done.error is not None
    assert done.error.startswith("the environment could not be built: installing the packages failed\n")
    assert "iniconfig==0.0.404" in done.error
    assert not list((Path(os.environ["WORKBENCH_CACHE"]) / "venvs").glob("*/bin/nothing"))


def test_a_canceled_build_leaves_nothing_that_others_would_take(ml_client: MLClient, tmp_path: Path) -> None:
    # An index that never answers: its queue of connections is nobody's.
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        environment = Environment(requirements=[f"--index-url {index}", "iniconfig"])
        job = ml_client.jobs.create_or_update(command(command="true", environment=environment))
        name = str(job.name)
        until(ml_client, lambda: "installing the packages" in (ml_client.jobs.record(name).reason or ""), name)
        assert ml_client.jobs.get(name).status == "Preparing"
        ml_client.jobs.begin_cancel(name).result()
    assert ml_client.jobs.get(name).status == "Canceled"
    key = ml_client.jobs.record(name).launch["runs_in"]["key"]
    assert Cache(Path(os.environ["WORKBENCH_CACHE"]), "venv").facts(key) is None


def test_conda_files_of_pip_packages_need_no_conda(shared_client: MLClient, tmp_path: Path) -> None:
    file = tmp_path / "conda.yml"
    file.write_text("name: x\nchannels: [conda-forge]\ndependencies:\n- pip\n- pip:\n  - iniconfig==2.1.0\n")
    done = finish(shared_client, command(command=_SEES, environment=Environment(conda_file=str(file))))
    assert done.status == "Completed", done.error
    with pytest.raises(ValidationException, match="only conda can install cudatoolkit=11"):
        shared_client.jobs.create_or_update(
            command(command="x", environment=Environment(conda_file={"dependencies": ["cudatoolkit=11.8"]}))
        )
    with pytest.raises(NotFoundError, match=r"no Python 3\.99 on this machine. Install it with: uv python install"):
        shared_client.jobs.create_or_update(command(command="x", environment=Environment(python="3.99")))


def test_registered_environments_are_run_by_name(shared_client: MLClient, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("iniconfig==2.1.0\n")
    registered = shared_client.environments.create_or_update(Environment(name="small", requirements=str(file)))
    assert registered.version == "1"
    file.write_text("# what was registered is kept\niniconfig==0.0.404\n")
    for reference in ("small:1", "azureml:small@latest", "small"):
        done = finish(shared_client, command(command=_SEES, environment=reference))
        assert done.status == "Completed", done.error
    assert shared_client.environments.create_or_update(Environment(name="small", requirements=str(file))).version == "2"
    same = Environment(name="small", requirements=["iniconfig==0.0.404"])
    assert shared_client.environments.create_or_update(same).version == "2"
    settings = shared_client.context.workspace.settings
    settings.write_text(
        '[environments]\n"AzureML-x" = "small:1"\n"AzureML-y" = { requirements = ["iniconfig==2.1.0"] }\n'
    )
    for cloud in ("AzureML-x@latest", "azureml:AzureML-y:3"):
        done = finish(shared_client, command(command=_SEES, environment=cloud))
        assert done.status == "Completed", done.error


def test_notebooks_run_on_the_environments_kernel(shared_client: MLClient, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "n.ipynb", "import sys, workbench\nworkbench.output('prefix', sys.prefix)")
    done = finish(shared_client, notebook(str(book), environment=Environment(requirements=["iniconfig==2.1.0"])))
    assert done.status == "Failed"
    assert done.error is not None
    assert done.error.startswith("the environment has no ipykernel")
    done = finish(shared_client, notebook(str(book), environment=Environment(requirements=["ipykernel"])))
    assert done.status == "Completed", done.error
    prefix = outputs_of(shared_client, done.name)["prefix"]
    assert Path(prefix).is_relative_to(os.environ["WORKBENCH_CACHE"])


_TRACKS = """
import os, mlflow
with mlflow.start_run() as run:
    assert run.info.run_id == os.environ["AZUREML_RUN_ID"]
    for step in range(3):
        mlflow.log_metric("acc", step / 4, step=step)
    mlflow.log_param("depth", 3)
    with open("note.txt", "w") as file:
        file.write("kept")
    mlflow.log_artifact("note.txt")
    assert mlflow.MlflowClient().get_metric_history(run.info.run_id, "acc")[-1].value == 0.5
with mlflow.start_run(nested=True, run_name="inner"):
    mlflow.log_metric("own", 1)
"""


def test_mlflow_of_another_environment_reports_over_http(
    ml_client: MLClient, write_code: Callable[[str], str], tmp_path: Path
) -> None:
    environment = Environment(requirements=["mlflow-skinny"])
    # As long as one trial needs it, what serves MLflow is there to refuse another: it would follow within seconds.
    os.mkfifo(tmp_path / "gate")
    waits = command(command=f"cat {tmp_path / 'gate'}", environment=environment)
    other = str(ml_client.jobs.create_or_update(waits).name)
    until(ml_client, lambda: ml_client.jobs.record(other).status == "Running", other)
    job = command(code=write_code(_TRACKS), command="python train.py", environment=environment)
    done = finish(ml_client, job)
    assert done.status == "Completed", done.error
    name = str(done.name)
    assert [point.value for point in ml_client.context.store.points(name, "acc")] == [0.0, 0.25, 0.5]
    import mlflow

    run = mlflow.MlflowClient(ml_client.workspaces.get().mlflow_tracking_uri).get_run(name)
    assert (run.data.metrics["acc"], run.data.params["depth"]) == (0.5, "3")
    assert (ml_client.context.workspace.trial(name).artifacts / "note.txt").read_text() == "kept"
    # Its token died with it, and what served it goes too.
    spec = json.loads(ml_client.context.workspace.trial(name).spec.read_text())
    address = spec["variables"]["MLFLOW_TRACKING_URI"]
    call = urllib.request.Request(
        f"{address}/api/2.0/mlflow/runs/get?run_id={name}", headers={"Authorization": f"Bearer {spec['token']}"}
    )
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(call, timeout=60)
    with (tmp_path / "gate").open("w"):
        pass
    until(ml_client, lambda: not running_module("workbench.tracking.served", ml_client.workspace_folder))


_SEEN = """
import sys
had = {"iniconfig", "mlflow"} & set(sys.modules)
import importlib.util, iniconfig, mlflow, os, workbench
x = float(sys.argv[1])
workbench.log(score=x)
with mlflow.start_run() as run:
    assert run.info.run_id == os.environ["AZUREML_RUN_ID"]
    mlflow.log_metric("acc", x / 2)
print(sorted(had), "of", sys.prefix, iniconfig.__file__, mlflow.__file__, workbench.__file__)
print(sys.path, importlib.util.find_spec("optuna"), hasattr(workbench, "MLClient"))
"""


def test_trials_of_a_sweep_in_an_environment_are_forks_once_it_is_built(
    ml_client: MLClient, write_code: Callable[[str], str]
) -> None:
    job = command(
        code=write_code(_SEEN),
        command="python train.py ${{inputs.x}}",
        inputs={"x": 0},
        environment=Environment(requirements=["iniconfig==2.1.0", "mlflow-skinny"]),
    )
    sweep = job(x=Choice(list(range(24)))).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    done = finish(ml_client, sweep)
    assert done.status == "Completed", done.error
    supervisor = supervisor_of(ml_client.context.workspace)
    assert supervisor is not None
    assert len(fork_servers(supervisor.pid)) == 1, "one for all of its trials"
    store = ml_client.context.store
    trials = [child.name for child in store.children(str(done.name))]
    assert builds_in(ml_client, trials) == 1
    told = ["\n".join(log_of(ml_client, name).splitlines()[-2:]) for name in trials]
    had, seen = zip(*[text.split(" of ") for text in told], strict=True)
    assert had[0] == "[]", "it has built the environment, or waited for that"
    assert had[-2:] == ("['iniconfig', 'mlflow']",) * 2
    assert len({text.replace(f"/{number:04}/", "/") for number, text in enumerate(seen)}) == 1, "warm or cold"
    assert all(Path(place).is_relative_to(os.environ["WORKBENCH_CACHE"]) for place in seen[0].splitlines()[0].split())
    assert seen[0].endswith("None False")
    assert str(Path(sys.executable).parents[1]) not in seen[0]
    for number, name in enumerate(trials):
        [score], [acc] = store.points(name, "score"), store.points(name, "acc")
        assert (score.value, acc.value) == (number, number / 2)


def test_who_waited_for_a_build_that_failed_does_not_repeat_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "venv")
    ready, go = os.pipe(), os.pipe()

    def fail() -> dict[str, object]:
        os.write(ready[1], b"!")
        os.read(go[0], 1)
        raise FailedBuildError("step 2 failed")

    def let_it_go_on(_: str) -> None:
        os.write(go[1], b"!")

    builder = os.fork()
    if builder == 0:
        try:
            cache.built("key", fail, print)
        finally:
            os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(FailedBuildError, match="step 2 failed"):
        cache.built("key", lambda: pytest.fail("built again"), let_it_go_on)
    os.waitpid(builder, 0)
    # Who asks later builds again: the cause may be gone.
    assert cache.built("key", lambda: {"x": 1}, print) == ({"x": 1}, True)
    assert cache.built("key", lambda: pytest.fail("built again"), print) == ({"x": 1}, False)


def test_a_builder_that_is_killed_gives_the_lock_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "venv")
    ready = os.pipe()
    waited: list[str] = []

    def hang() -> dict[str, object]:
        os.write(ready[1], b"!")
        signal.pause()
        return {}

    def kill(text: str) -> None:
        waited.append(text)
        os.kill(builder, signal.SIGKILL)

    builder = os.fork()
    if builder == 0:
        cache.built("key", hang, print)
    os.read(ready[0], 1)
    assert cache.built("key", lambda: {"x": 1}, kill) == ({"x": 1}, True)
    os.waitpid(builder, 0)
    assert waited == ["another job builds this environment; waiting for it"]
