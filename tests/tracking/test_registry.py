"""Registering what jobs, other versions and the disk hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.conftest import House
from tests.tracking.test_mirror import SWEEP
from workbench.definition.status import JobStatus
from workbench.errors import JobException, NotFoundError, ValidationException
from workbench.store.files import WorkspaceFolder
from workbench.store.records import JobRecord
from workbench.tracking.model_paths import (
    JobPath,
    LocalPath,
    LoggedModelPath,
    RegisteredPath,
    parse_model_path,
)
from workbench.tracking.registry import Registry

TRAIN = """
    import os
    import mlflow
    from mlflow.pyfunc import PythonModel
    class Twice(PythonModel):
        def predict(self, context, model_input: list[float]) -> list[float]:
            return [2 * value for value in model_input]
    with mlflow.start_run():
        mlflow.pyfunc.log_model(artifact_path="twice", python_model=Twice(), pip_requirements=[],
                                registered_model_name="by-the-trial")
    os.makedirs("artifacts/outputs/weights")
    open("artifacts/outputs/weights/w.bin", "w").write("1 2 3")
    os.makedirs("artifacts/named-outputs/best_model")
    open("artifacts/named-outputs/best_model/m.pkl", "w").write("m")
"""


@pytest.fixture
def best(house: House) -> JobRecord:
    """The best trial of a sweep that has completed."""
    sweep = house.add("sw", **SWEEP)
    trial = house.add("sw_4", parent="sw", number=4, params={"lr": 0.1})
    house.run(trial, TRAIN)
    house.update(sweep, status=JobStatus.COMPLETED, properties={"best_child_run_id": "sw_4"}, score=0.9)
    return house.update(trial, status=JobStatus.COMPLETED, score=0.9)


@pytest.fixture
def registry(house: House) -> Registry:
    return Registry(house.workspace, house.store)


def test_the_tutorial_s_path_and_every_other_one(best: JobRecord, registry: Registry, house: House) -> None:
    made = registry.register(
        name="digits",
        path="azureml://jobs/sw_4/outputs/artifacts/paths/twice/",
        type="mlflow_model",
        description="the best",
        tags={"stage": "test"},
        alias="champion",
    )
    assert (made.name, made.version, made.type, made.description) == ("digits", "1", "mlflow_model", "the best")
    assert (made.job_name, made.aliases) == ("sw_4", ("champion",))
    assert {key: made.tags[key] for key in made.tags if key != "workbench.type"} == {
        "stage": "test",
        "workbench.job": "sw_4",
        "workbench.sweep": "sw",
        "workbench.params": json.dumps({"lr": 0.1}),
        "workbench.metric": "acc",
        "workbench.score": "0.9",
        "workbench.snapshot": "abc",
    }
    for path in (
        "runs:/sw_4/twice",
        "runs:/sw/twice",
        "models:/digits@champion",
        "azureml:digits:1",
        "models:/digits/1",
    ):
        again = registry.register(name="digits", path=path, type="mlflow_model")
        assert (again.path, again.job_name) == (made.path, "sw_4"), path
    logged = made.path.rstrip("/").split("/")[-2]
    assert registry.register(name="digits", path=f"models:/{logged}", type="mlflow_model").path == made.path

    weights = registry.register(name="weights", path="azureml://jobs/sw/outputs/default/paths/outputs/weights")
    assert weights.path == (house.folder(best).outputs / "weights").as_uri()
    output = registry.register(name="pickle", path="azureml://jobs/sw_4/outputs/best_model")
    assert output.path == (house.folder(best).named_outputs / "best_model").as_uri()
    file = registry.register(name="file", path="runs:/sw_4/outputs/weights/w.bin")
    assert (registry.folder("file", "1") / "w.bin").read_text() == "1 2 3"
    assert file.job_name == "sw_4"
    whole = registry.register(name="whole", path="azureml://jobs/sw_4/outputs/artifacts")
    assert whole.path == house.folder(best).artifacts.as_uri()

    own = registry.get("by-the-trial", "1")  # by the script, with MLflow's own call
    assert (own.type, own.job_name) == ("mlflow_model", "sw_4")
    assert registry.register(name="by-the-trial", path="runs:/sw/twice", type="mlflow_model").version == "2"
    assert {model.name for model in registry.list()} == {"digits", "weights", "pickle", "file", "whole", "by-the-trial"}

    for wrong, there in {
        "runs:/sw_4/thrice": "models: twice (python_function); artifacts: outputs; outputs: best_model",
        "azureml://jobs/sw_4/outputs/worst_model": "outputs: best_model",
        "runs:/nobody/model": "there is no job 'nobody'",
        "models:/digits/99": "It has: 7, 6, 5, 4, 3, 2, 1, champion",
        "models:/unknown/1": "there is no model 'unknown'",
        "models:/m-00000000000000000000000000000000": "no logged model",
        "./not-there": "there is no file or folder",
    }.items():
        with pytest.raises(NotFoundError) as error:
            registry.register(name="x", path=wrong)
        assert there in str(error.value), wrong
    with pytest.raises(ValidationException, match="no MLmodel file"):
        registry.register(name="x", path="azureml://jobs/sw_4/outputs/artifacts", type="mlflow_model")

    loads_in_stock_mlflow(house.workspace, "models:/digits/1", "models:/digits@champion")


def loads_in_stock_mlflow(workspace: WorkspaceFolder, *addresses: str) -> None:
    code = """
        import sys, mlflow
        mlflow.set_tracking_uri(sys.argv[1])
        print([mlflow.pyfunc.load_model(address).predict([1.0, 2.5]) for address in sys.argv[2:]])
        """
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "WORKBENCH_"))}
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            "\n".join(map(str.strip, code.splitlines())),
            workspace.mlflow_uri,
            *addresses,
        ],
        env=plain | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str([[2.0, 5.0]] * len(addresses)), done.stderr


def test_local_files_are_copied_once(registry: Registry, house: House, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "w.bin").write_text("1")
    first = registry.register(name="net", path="net")
    same = registry.register(name="net", path="./net/")
    assert (first.version, same.version, first.path) == ("1", "2", same.path)
    assert first.job_name is None
    (tmp_path / "net" / "w.bin").write_text("2")
    changed = registry.register(name="net", path=str(tmp_path / "net"))
    assert changed.path != first.path
    assert (registry.folder("net", "1") / "w.bin").read_text() == "1"
    assert (registry.folder("net", "latest") / "w.bin").read_text() == "2"
    registry.register(name="one", path="net/w.bin")
    assert (registry.folder("one", "1") / "w.bin").read_text() == "2"


def test_versions_and_labels(registry: Registry, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    registry.register(name="m", path=str(tmp_path / "a"), version="5")
    assert registry.register(name="m", path=str(tmp_path / "b")).version == "6"
    registry.register(name="m", path=str(tmp_path / "c"), version="2", tags={"k": "v"}, description="late")
    assert registry.get("m", label="latest").version == "2"  # made last, as Azure counts
    assert [model.version for model in registry.list("m")] == ["2", "6", "5"]
    same = registry.register(name="m", path=str(tmp_path / "a"), version="5", description="told later", tags={"k": "w"})
    assert (same.version, same.description, same.tags["k"]) == ("5", "told later", "w")
    with pytest.raises(ValidationException, match="exists with another path"):
        registry.register(name="m", path=str(tmp_path / "b"), version="5")
    with pytest.raises(ValidationException, match="whole numbers"):
        registry.register(name="m", path=str(tmp_path / "b"), version="1.0")
    registry.set_alias("m", "champion", "5")
    assert registry.get("m", label="champion").version == "5"
    registry.set_alias("m", "champion", "6")
    assert registry.get("m", version="6").aliases == ("champion",)
    assert registry.get("m", version="5").aliases == ()
    registry.delete_alias("m", "champion")
    with pytest.raises(NotFoundError, match="It has: 2, 6, 5"):
        registry.get("m", label="champion")
    with pytest.raises(ValidationException, match="either"):
        registry.get("m")
    with pytest.raises(ValidationException):
        registry.register(name="m", path=str(tmp_path / "a"), alias="v1")
    with pytest.raises(ValidationException):
        registry.register(name="a/b", path=str(tmp_path / "a"))


def test_a_sweep_without_a_best_trial(house: House, registry: Registry) -> None:
    house.add("sw", **SWEEP)
    with pytest.raises(JobException, match="no best trial yet"):
        registry.register(name="m", path="runs:/sw/model")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("azureml://jobs/j/outputs/artifacts/paths/a/b/", JobPath("j", "artifacts", "a/b")),
        ("azureml://jobs/j/outputs/artifacts/paths/", JobPath("j", "artifacts", "")),
        ("azureml://jobs/j/outputs/default", JobPath("j", "default", "")),
        ("azureml://jobs/j/outputs/best", JobPath("j", "best", "")),
        ("runs:/j/model", JobPath("j", "artifacts", "model")),
        ("models:/m/3", RegisteredPath("m", "3")),
        ("models:/m@champion", RegisteredPath("m", "champion")),
        ("azureml:m:3", RegisteredPath("m", "3")),
        ("azureml:m@latest", RegisteredPath("m", "latest")),
        (f"models:/m-{'0' * 32}", LoggedModelPath(f"m-{'0' * 32}", "")),
        ("./a b", LocalPath("./a b")),
        ("file:///tmp/x", LocalPath("/tmp/x")),
    ],
)
def test_paths_mean_what_azure_and_mlflow_say(text: str, meaning: object) -> None:
    assert parse_model_path(text) == meaning


@pytest.mark.parametrize("text", ["", "s3://b/k", "azureml://datastores/d/paths/p", "runs:/j/../../etc", "azureml:m"])
def test_other_paths_are_refused(text: str) -> None:
    with pytest.raises(ValidationException):
        parse_model_path(text)
