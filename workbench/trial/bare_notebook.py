"""Run a trial's notebook with the papermill of the image that this file is mounted into.

Standard library but for papermill itself, and nothing newer than Python 3.8: images are often older than this program.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

__all__ = ["main"]

_USAGE = 64  # of sysexits.h


def main() -> int:
    """Run the notebook of the trial whose folder the environment names; return the exit code."""
    folder = os.environ["WORKBENCH_TRIAL_FOLDER"]
    with open(os.path.join(folder, "trial.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        spec = json.load(file)
    try:
        import ipykernel  # noqa: F401, PLC0415
        import papermill  # noqa: PLC0415
    except ImportError as error:
        _say(
            "a notebook needs papermill and ipykernel in the image: add both to its packages, or run it without a "
            f"container ({sys.executable} has no {error.name})"
        )
        return _USAGE
    job = spec["notebook"]
    output = os.path.join(folder, "artifacts", "output.ipynb")  # noqa: PTH118
    try:
        papermill.execute_notebook(
            job["path"].replace("{", "{{").replace("}", "}}"),
            output.replace("{", "{{").replace("}", "}}"),
            parameters=_parameters(spec, job),
            kernel_name=job["kernel"],
            log_output=True,
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stdout,
        )
    except papermill.PapermillExecutionError as error:
        _say("\n".join(error.traceback))
        _say(f"cell {error.exec_count}: {error.ename}: {error.evalue}")
        return 1
    return 0


def _parameters(spec: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    data = {name: os.environ["AZURE_ML_INPUT_" + name] for name in job["data"]}
    outputs = {name: os.environ["AZURE_ML_OUTPUT_" + name] for name in job["outputs"]}
    return {**job["values"], **data, **outputs, **spec["params"]}


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
