"""``python -m workbench.tracking.check_model FOLDER``: load a model, predict on its example, in a process of its own.

The last line of its output is JSON: ``ok`` and, in words, ``told``.
"""

from __future__ import annotations

import json
import sys
import time

__all__ = ["main"]


def main(folder: str) -> None:
    """Load the model in ``folder``, predict on its input example if it has one, and say what came of it."""
    import mlflow  # noqa: PLC0415 - a second
    from mlflow.models import Model  # noqa: PLC0415

    began = time.monotonic()
    try:
        model = mlflow.pyfunc.load_model(folder)
        example = Model.load(folder).load_input_example(folder)
        told = f"loads in {time.monotonic() - began:.1f} s"
        if example is not None:
            predicted = model.predict(example)
            told += f" and predicts on its example ({len(predicted)} rows)"
        else:
            told += "; it has no input example to predict on"
        answer = {"ok": True, "told": told}
    except Exception as error:  # noqa: BLE001 - whatever the model's own code raises is the answer
        answer = {"ok": False, "told": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
