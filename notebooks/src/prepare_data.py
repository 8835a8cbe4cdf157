"""Write scikit-learn's 1,797 handwritten digits to a folder: nothing is downloaded."""

import os
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def prepare(folder: Path) -> Path:
    """Write ``digits.npz`` with a training, a validation and a test part, and return the folder."""
    x, y = load_digits(return_X_y=True)
    x_rest, x_test, y_rest, y_test = train_test_split(x / 16.0, y, test_size=0.2, random_state=0, stratify=y)
    x_train, x_valid, y_train, y_valid = train_test_split(
        x_rest, y_rest, test_size=0.2, random_state=0, stratify=y_rest
    )
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".digits.{os.getpid()}"  # what trials of another notebook read at this moment stays whole
    with made.open("wb") as file:
        np.savez(
            file,
            x_train=x_train,
            y_train=y_train,
            x_valid=x_valid,
            y_valid=y_valid,
            x_test=x_test,
            y_test=y_test,
        )
    made.replace(folder / "digits.npz")
    return folder


if __name__ == "__main__":
    print(prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "data")))
