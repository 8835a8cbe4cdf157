"""What unmodified code that uses MLflow meets inside a trial."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.tracking.conftest import House
from workbench.store.files import WorkspaceFolder
from workbench.tracking.mirror import Mirror
from workbench.trial.report import read_points

Stock = Callable[[], Any]


def history(client: Any, run: str, key: str) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in client.get_metric_history(run, key))


@pytest.fixture
def lines(house: House) -> Callable[[Any], list[tuple[str, float, int, int]]]:
    return lambda record: read_points(house.folder(record).metrics)[0]


def test_a_script_logs_everything_and_reads_it_back(house: House, mirror: Mirror, stock: Stock, lines: Any) -> None:
    record = house.add("job")
    printed = house.run(
        record,
        """
        import json, math, threading
        import mlflow
        from mlflow import MlflowClient

        with mlflow.start_run() as run:
            assert run.info.run_id == "job"
            mlflow.log_metric("plain", 1)
            for step in range(3):
                mlflow.log_metric("stepped", step / 10, step=step)
            mlflow.log_metrics({"a": 1.5, "b": 2.5}, step=7)
            mlflow.log_metric("odd", math.nan)
            mlflow.log_metric("odd", math.inf, step=1)
            mlflow.log_metric("odd", -math.inf, step=2)
            mlflow.log_param("lr", 0.1)
            mlflow.set_tag("colour", "blue")
            mlflow.log_text("hello", "notes/hello.txt")
            for bad in (("x", "word"), ("a@b", 1.0)):
                try:
                    mlflow.log_metric(*bad)
                except mlflow.exceptions.MlflowException as error:
                    assert error.error_code == "INVALID_PARAMETER_VALUE", error
                else:
                    raise AssertionError(bad)
            client = MlflowClient()
            def log(number):
                for i in range(50):
                    mlflow.log_metric(f"thread{number}", i, step=i, run_id="job")
            threads = [threading.Thread(target=log, args=(n,)) for n in range(2)]
            [t.start() for t in threads]
            [t.join() for t in threads]
            mlflow.log_metric("later", 3.0, synchronous=False).wait()
            found = client.get_run("job").data.metrics
            assert found["a"] == 1.5 and found["stepped"] == 0.2 and found["later"] == 3.0, found
            assert len(client.get_metric_history("job", "stepped")) == 3
            assert len(client.get_metric_history("job", "thread1")) == 50
            frame = mlflow.search_runs(experiment_names=["digits"], filter_string="metrics.b > 2")
            assert list(frame.run_id) == ["job"]
            with mlflow.start_run(nested=True, run_name="inner") as inner:
                pass
        print(json.dumps(found["a"]))
        """,
    )
    assert json.loads(printed) == 1.5
    points = lines(record)
    assert [p[:3] for p in points if p[0] == "stepped"] == [("stepped", s / 10, s) for s in range(3)]
    assert [p[0] for p in points].count("thread0") == 50
    odd = [p[1] for p in points if p[0] == "odd"]
    assert math.isnan(odd[0])
    assert odd[1:] == [math.inf, -math.inf]

    house.collect(record)
    mirror.catch_up()
    client = stock()
    assert history(client, "job", "stepped") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert len(client.get_metric_history("job", "thread0")) == 50
    run = client.get_run("job")
    assert run.data.metrics["thread1"] == 49
    assert run.data.params == {"lr": "0.1"}
    assert run.data.tags["colour"] == "blue"
    assert (house.folder(record).artifacts / "notes" / "hello.txt").read_text() == "hello"
    assert [a.path for a in client.list_artifacts("job")] == ["notes"]


def test_a_nested_run_goes_the_stock_way(house: House, stock: Stock, lines: Any) -> None:
    record = house.add("job")
    inner, second = house.run(
        record,
        """
        import os
        import mlflow
        with mlflow.start_run():
            mlflow.log_metric("outer", 1)
            with mlflow.start_run(nested=True, run_name="inner") as inner:
                mlflow.log_metric("inside", 2)
                mlflow.log_metrics({"inside": 3}, step=1)
            mlflow.log_metric("outer", 2, step=1)
        with mlflow.start_run() as second:
            mlflow.log_metric("inside", 4)
        print(inner.info.run_id, second.info.run_id)
        """,
    ).split()
    assert [p[0] for p in lines(record)] == ["outer", "outer"]
    client = stock()
    assert history(client, inner, "inside") == [(0, 2.0), (1, 3.0)]
    assert history(client, second, "inside") == [(0, 4.0)]
    for run in (inner, second):
        assert client.get_run(run).data.tags["mlflow.parentRunId"] == "job"


def test_autolog_and_models_count_each_point_once(house: House, mirror: Mirror, stock: Stock, lines: Any) -> None:
    record = house.add("job", params={"C": "0.50", "max_iter": 50})
    mirror.catch_up()  # its params are written in other words than the script's
    house.run(
        record,
        """
        import mlflow
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        mlflow.sklearn.autolog(log_models=False)
        x, y = load_iris(return_X_y=True)
        with mlflow.start_run():
            model = LogisticRegression(C=0.5, max_iter=50).fit(x, y)
            mlflow.log_metric("loss", 0.5, step=0)
            info = mlflow.sklearn.log_model(
                model, artifact_path="mine", pip_requirements=[], registered_model_name="by-trial"
            )
            mlflow.log_metric("loss", 0.25, step=1)
            mlflow.log_metric("of_model", 0.9, model_id=info.model_id)
            mlflow.log_metrics({"of_model": 0.95}, step=1, model_id=info.model_id)
            assert mlflow.get_logged_model(info.model_id).metrics
            assert mlflow.pyfunc.load_model("models:/by-trial/1").predict(x[:2]).shape == (2,)
            assert mlflow.pyfunc.load_model("runs:/job/mine").predict(x[:2]).shape == (2,)
        """,
    )
    points = lines(record)
    assert len(points) == len(set(points)), points
    assert [p[:3] for p in points if p[0] == "loss"] == [("loss", 0.5, 0), ("loss", 0.25, 1)]
    assert [p[:3] for p in points if p[0] == "of_model"] == [("of_model", 0.9, 0), ("of_model", 0.95, 1)]
    assert [p[0] for p in points].count("training_accuracy_score") == 1
    house.collect(record)
    mirror.catch_up()
    client = stock()
    assert history(client, "job", "loss") == [(0, 0.5), (1, 0.25)]
    run = client.get_run("job")
    assert run.data.params["C"] == "0.5"
    assert run.data.params["max_iter"] == "50"
    assert run.data.params["solver"] == "lbfgs"
    model = client.search_logged_models([run.info.experiment_id], filter_string="name = 'mine'")[0]
    assert {m.key for m in model.metrics} >= {"loss", "of_model"}
    assert model.artifact_location.startswith(f"{house.workspace.models.as_uri()}/digits/models/m-")


def test_the_user_s_words_for_a_param_win_once(house: House, mirror: Mirror, stock: Stock) -> None:
    record = house.add("job", params={"batch": 50, "kept": 1})
    mirror.catch_up()
    house.run(
        record,
        """
        import mlflow
        mlflow.log_params({"batch": "50.0", "kept": 1})
        try:
            mlflow.log_param("batch", "51")
        except mlflow.exceptions.MlflowException:
            print("refused")
        """,
    )
    mirror.catch_up()
    assert stock().get_run("job").data.params == {"batch": "50.0", "kept": "1"}


def test_the_run_is_there_before_the_mirror_came(house: House, stock: Stock) -> None:
    record = house.add("sweep_3", parent="sweep", number=3, tags={"owner": "me"})
    house.run(record, "import mlflow; print(mlflow.get_run('sweep_3').info.run_name)")
    run = stock().get_run("sweep_3")
    assert run.info.run_name == "sweep_3"
    assert run.data.tags["mlflow.parentRunId"] == "sweep"
    assert run.data.tags["owner"] == "me"
    assert run.info.artifact_uri == house.folder(record).artifacts.as_uri()


def test_mirror_and_trial_at_once_leave_each_point_once(house: House, mirror: Mirror, stock: Stock) -> None:
    record = house.add("job")
    process = house.start(
        record,
        """
        import mlflow
        from mlflow import MlflowClient
        client = MlflowClient()
        with mlflow.start_run():
            for step in range(1500):
                mlflow.log_metrics({"x": step, "y": -step}, step=step)
                if step % 50 == 0:
                    assert client.get_run("job").data.metrics["x"] == step
        """,
    )
    while process.running() or house.collect(record):
        house.collect(record)
        mirror.catch_up()
    process.finish()
    mirror.catch_up()
    client = stock()
    assert history(client, "job", "x") == [(step, float(step)) for step in range(1500)]
    assert history(client, "job", "y") == [(step, float(-step)) for step in range(1500)]
    assert client.get_run("job").data.metrics == {"x": 1499, "y": -1499}
    assert len(house.store.points("job")) == 3000


def test_eight_processes_start_on_a_fresh_workspace(house: House, workspace: WorkspaceFolder, stock: Stock) -> None:
    workspace.mlflow_database.unlink()
    records = [house.add(f"sweep_{n}", parent="sweep", number=n) for n in range(8)]
    code = """
        import mlflow, numpy, sys
        from mlflow.pyfunc import PythonModel
        class Twice(PythonModel):
            def predict(self, context, model_input: list[float]) -> list[float]:
                return model_input
        with mlflow.start_run() as run:
            for n in range(10):
                mlflow.log_param(f"p{n}", n)
                mlflow.set_tag(f"t{n}", n)
                mlflow.log_metric("m", n, step=n)
            mlflow.pyfunc.log_model(name="model", python_model=Twice(), registered_model_name="shared",
                                    pip_requirements=[])
        """
    processes = [house.start(record, code) for record in records]
    for process in processes:
        process.finish()
    assert not any("locked" in process.err.read_text() for process in processes)
    client = stock()
    for record in records:
        assert len(client.get_run(record.name).data.params) == 10
    assert len(client.search_model_versions("name = 'shared'")) == 8
    assert client.get_experiment_by_name("digits").artifact_location == (workspace.models / "digits").as_uri()


def test_an_address_without_a_workspace_is_told(tmp_path: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import mlflow; mlflow.log_metric('a', 1)"],
        env={**os.environ, "MLFLOW_TRACKING_URI": f"workbench://{tmp_path}/mlflow.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there is no workspace behind" in done.stderr
