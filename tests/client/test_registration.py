"""From a trial to a registered model: what the form shows, the check, and registering once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from workbench import MLClient, command
from workbench.client.registration import candidate, check_model, register
from workbench.client.waiting import wait_until
from workbench.errors import NotFoundError, ValidationException
from workbench.store.records import JobRecord
from workbench.sweep import Choice

_TRAIN = """
import sys, mlflow
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
X, y = load_digits(return_X_y=True)
kind = sys.argv[1]
mlflow.log_metric("accuracy", {"good": 0.9, "bad": 0.1}[kind], step=3)
if kind == "good":
    model = DummyClassifier().fit(X, y)
    mlflow.sklearn.log_model(model, name="model", input_example=X[:2], pip_requirements=["scikit-learn"])
"""


@pytest.fixture(scope="module")
def trials(shared_client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobRecord]:
    """Two trials by the kind that they ran with: one has logged a model, one has not."""
    code = tmp_path_factory.mktemp("code")
    (code / "train.py").write_text(_TRAIN)
    job = command(code=str(code), command="python train.py ${{inputs.kind}}", inputs={"kind": "good"})
    sweep = job(kind=Choice(["good", "bad"])).sweep(
        primary_metric="accuracy", goal="maximize", sampling_algorithm="grid", max_concurrent_trials=2
    )
    sweep.experiment_name = "registration"
    name = shared_client.create_or_update(sweep).name
    assert name is not None
    assert wait_until(lambda: shared_client.jobs.record(name).status.is_finished, shared_client.context, 120)
    return {str(trial.params["kind"]): trial for trial in shared_client.context.store.children(name)}


def test_a_model_is_described_checked_and_registered_once(
    shared_client: MLClient, trials: dict[str, JobRecord]
) -> None:
    good = trials["good"]
    found = candidate(shared_client, good)
    assert found["metric"] == {"name": "accuracy", "value": 0.9, "step": 3, "goal": "maximize"}
    assert (found["metrics"], found["suggested"]) == ([], good.experiment_name)
    (model,) = found["models"]
    assert (model["path"], model["flavors"], model["hasExample"]) == ("model", ["sklearn"], True)
    assert model["bytes"] > 0
    assert "→" in model["signature"]
    checked = check_model(shared_client, good, "model")
    assert checked["ok"], checked
    assert checked["told"].endswith("predicts on its example (2 rows)")

    made = register(shared_client, good, "model", "digits", alias="champion", tags={"stage": "candidate"})
    assert (made["version"], made["address"]) == ("1", "models:/digits/1")
    with pytest.raises(ValidationException, match="is version 1 of 'digits' already"):
        register(shared_client, good, "model", "digits")
    assert register(shared_client, good, "model", "digits", again=True)["version"] == "2"

    after = candidate(shared_client, good)
    assert after["names"] == ["digits"]
    assert after["aliases"] == [
        {
            "name": "digits",
            "alias": "champion",
            "version": "1",
            "metric": "accuracy",
            "goal": "maximize",
            "score": "0.9",
        }
    ]
    assert {entry["version"] for entry in after["registered"]} == {"1", "2"}


def test_what_is_told_loads_a_model_where_nothing_is_set(
    shared_client: MLClient, trials: dict[str, JobRecord], tmp_path: Path
) -> None:
    made = register(shared_client, trials["good"], "model", "digits-elsewhere")
    fresh = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WORKBENCH_"))}
    loaded = subprocess.run(
        [sys.executable, "-c", made["load"] + "\nprint(model.metadata.run_id)"],
        env=fresh | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == [trials["good"].name]
    assert list(tmp_path.iterdir()) == [], "nothing is left behind where it is loaded"


def test_a_name_is_suggested_only_for_what_was_registered_under_it(
    shared_client: MLClient, trials: dict[str, JobRecord]
) -> None:
    good, bad = trials["good"], trials["bad"]
    alone = replace(good, name="another_0", parent="another", experiment_name="another")
    register(shared_client, good, "model", "suggested", again=True)
    assert candidate(shared_client, alone)["suggested"] == "another", "a name of other experiments is not its own"
    assert candidate(shared_client, bad)["suggested"] == "suggested", "its sweep was registered under it"
    rerun = replace(alone, experiment_name=good.experiment_name)
    assert candidate(shared_client, rerun)["suggested"] == "suggested", "its experiment was registered under it"


def test_a_trial_without_a_model_says_how_to_log_one(shared_client: MLClient, trials: dict[str, JobRecord]) -> None:
    found = candidate(shared_client, trials["bad"])
    assert found["models"] == []
    assert "log_model" in found["howToLog"]
    with pytest.raises(NotFoundError, match="has no model 'model'"):
        check_model(shared_client, trials["bad"], "model")


@pytest.mark.parametrize("name", ["", "  "])
def test_a_model_needs_a_name(shared_client: MLClient, trials: dict[str, JobRecord], name: str) -> None:
    with pytest.raises(ValidationException, match="needs a name"):
        register(shared_client, trials["good"], "model", name)


def test_a_model_that_does_not_load_says_why(shared_client: MLClient, write_code: Callable[[str], str]) -> None:
    code = write_code("""
import mlflow, os, pathlib
mlflow.log_metrics({"loss": 0.5, "rate": 1}, step=1)
mlflow.log_metric("loss", 0.25, step=2)
from sklearn.dummy import DummyClassifier
mlflow.sklearn.save_model(DummyClassifier().fit([[0]], [1]), "outputs/broken", pip_requirements=["scikit-learn"])
for file in pathlib.Path("outputs/broken").glob("*.pkl"):
    file.write_bytes(b"no pickle")
for file in pathlib.Path("outputs/broken").glob("*.skops"):
    file.write_bytes(b"no skops")
""")
    name = shared_client.create_or_update(command(code=code, command="python train.py")).name
    assert name is not None
    assert wait_until(lambda: shared_client.jobs.record(name).status.is_finished, shared_client.context, 120)
    record = shared_client.jobs.record(name)
    found = candidate(shared_client, record)
    assert [model["path"] for model in found["models"]] == ["outputs/broken"]
    assert found["metric"] is None
    assert found["metrics"] == [{"name": "loss", "value": 0.25, "step": 2}, {"name": "rate", "value": 1.0, "step": 1}]
    checked = check_model(shared_client, record, "outputs/broken")
    assert not checked["ok"]
    assert "file" in checked["told"]
