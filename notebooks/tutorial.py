"""The tutorial as a script: a sweep of 20 real trainings, live in the terminal, ending with a registered model."""

import os
from pathlib import Path

import numpy as np
from src.prepare_data import prepare

from workbench import Input, MLClient, command
from workbench.entities import Model
from workbench.sweep import BanditPolicy, Choice, LogUniform

os.chdir(Path(__file__).parent)
prepare(Path("data"))

ml_client = MLClient()
job = command(
    inputs=dict(
        data_folder=Input(type="uri_folder", path="./data"),
        batch_size=50,
        first_layer_neurons=300,
        second_layer_neurons=100,
        learning_rate=0.001,
    ),
    compute="gpu-cluster",
    environment="local",
    code="./src/",
    command="python train.py --data-folder ${{inputs.data_folder}} --batch-size ${{inputs.batch_size}} "
    "--first-layer-neurons ${{inputs.first_layer_neurons}} --second-layer-neurons ${{inputs.second_layer_neurons}} "
    "--learning-rate ${{inputs.learning_rate}}",
    experiment_name="digits",
    display_name="dnn-digits",
)
job_for_sweep = job(
    batch_size=Choice(values=[25, 50, 100]),
    first_layer_neurons=Choice(values=[10, 50, 200, 300, 500]),
    second_layer_neurons=Choice(values=[10, 50, 200, 500]),
    learning_rate=LogUniform(min_value=-6, max_value=-1),
)
sweep_job = job_for_sweep.sweep(
    compute="gpu-cluster",
    sampling_algorithm="random",
    primary_metric="Accuracy",
    goal="Maximize",
    max_total_trials=20,
    max_concurrent_trials=4,
    early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=2),
)
returned = ml_client.create_or_update(sweep_job)
ml_client.jobs.stream(returned.name)

returned = ml_client.jobs.get(name=returned.name)
best_run = returned.properties["best_child_run_id"]
model = ml_client.models.create_or_update(
    Model(
        path=f"azureml://jobs/{best_run}/outputs/artifacts/paths/dnn_digits_model/",
        name="run-model-example",
        description="Model created from run.",
        type="mlflow_model",
    )
)

import mlflow  # noqa: E402 - stock MLflow from here on: the registry needs nothing of the workbench

loaded = mlflow.pyfunc.load_model(f"models:/{model.name}/{model.version}")
digits = np.load("data/digits.npz")
accuracy = float(np.mean(loaded.predict(digits["x_test"]) == digits["y_test"]))
print(f"\nregistered {model.name} version {model.version} from {best_run}: test accuracy {accuracy:.4f}")
if accuracy <= 0.9:
    raise SystemExit("the registered model is worse than it should be")
