"""Train a network with two hidden layers on handwritten digits: an ordinary MLflow script."""

import argparse
from pathlib import Path

import matplotlib as mpl
import mlflow
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, log_loss
from sklearn.neural_network import MLPClassifier

mpl.use("Agg")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--first-layer-neurons", type=int, default=100)
    parser.add_argument("--second-layer-neurons", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--epochs", type=int, default=20)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    digits = np.load(next(arguments.data_folder.glob("**/digits.npz")))
    x_train, y_train, x_valid, y_valid = (digits[name] for name in ("x_train", "y_train", "x_valid", "y_valid"))

    network = MLPClassifier(
        hidden_layer_sizes=(arguments.first_layer_neurons, arguments.second_layer_neurons),
        learning_rate_init=arguments.learning_rate,
        batch_size=arguments.batch_size,
        random_state=0,
    )
    with mlflow.start_run():  # attaches to the run of this trial
        for epoch in range(arguments.epochs):
            network.partial_fit(x_train, y_train, classes=np.arange(10))
            probabilities = network.predict_proba(x_valid)
            accuracy = float(np.mean(probabilities.argmax(axis=1) == y_valid))
            mlflow.log_metric("Loss", log_loss(y_valid, probabilities, labels=np.arange(10)), step=epoch)
            mlflow.log_metric("Accuracy", accuracy, step=epoch)
            print(f"epoch {epoch:2}  accuracy {accuracy:.4f}")

        figure = ConfusionMatrixDisplay.from_predictions(y_valid, network.predict(x_valid)).figure_
        mlflow.log_figure(figure, "confusion_matrix.png")
        mlflow.sklearn.log_model(
            network,
            name="dnn_digits_model",
            input_example=x_valid[:5],
            pip_requirements=["scikit-learn", "numpy"],  # asking MLflow to find them costs several seconds a trial
            # Both formats run code when a model is loaded; skops is the one that checks what it loads.
            serialization_format="cloudpickle",
        )


if __name__ == "__main__":
    main()
