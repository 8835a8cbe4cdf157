"""From a trial to a registered model: what the form shows, the check, and registering once."""

from __future__ import annotations

from collections.abc import Callable

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
    name = shared_client.create_or_update(sweep).name
    assert name is not None
    assert wait_until(lambda: shared_client.jobs.record(name).status.is_finished, shared_client.context, 120)
    return {str(trial.params["kind"]): trial for trial in shared_client.context.store.children(name)}


def test_a_model_is_described_checked_and_registered_once(
    shared_client: MLClient, trials: dict[str, JobRecord]
) -> None:
    good = trials["good"]
    found = candidate(shared_client, good, "accuracy")
    assert found["metric"] == {"name": "accuracy", "value": 0.9, "step": 3}
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

    after = candidate(shared_client, good, "accuracy")
    assert after["names"] == ["digits"]
    assert after["aliases"] == [{"name": "digits", "alias": "champion", "version": "1", "score": "0.9"}]
    assert {entry["version"] for entry in after["registered"]} == {"1", "2"}
    loaded: dict[str, object] = {}
    exec(made["load"], loaded)
    assert loaded["model"] is not None


def test_a_trial_without_a_model_says_how_to_log_one(shared_client: MLClient, trials: dict[str, JobRecord]) -> None:
    found = candidate(shared_client, trials["bad"], "accuracy")
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
import mlflow.sklearn, os, pathlib
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
    checked = check_model(shared_client, record, "outputs/broken")
    assert not checked["ok"]
    assert "file" in checked["told"]
