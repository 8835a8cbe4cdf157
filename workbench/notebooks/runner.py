"""One notebook trial: what ``python -m workbench.notebooks`` does in the folder that its variables name."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Never

from papermill.engines import papermill_engines
from papermill.exceptions import PapermillException, PapermillExecutionError
from papermill.execute import execute_notebook

from workbench.definition.expressions import variable
from workbench.errors import JobException, WorkbenchError
from workbench.notebooks.engine import WorkbenchEngine
from workbench.notebooks.forked import Seed, is_own, sow
from workbench.notebooks.kernel_client import Stopped
from workbench.notebooks.kernels import kernel_of, language_of, translated_as
from workbench.notebooks.reporting import Reporter
from workbench.notebooks.warm import is_prepared
from workbench.store.files import TrialFolder
from workbench.trial.report import FOLDER_VARIABLE
from workbench.trial.spec import TrialSpec

__all__ = ["START_TIMEOUT_VARIABLE", "main"]

START_TIMEOUT_VARIABLE = "WORKBENCH_KERNEL_START_TIMEOUT"
"""Seconds that a kernel may take to start."""

_START_TIMEOUT = 60.0
_LONGEST_TRACEBACK = 20_000  # characters of it that become the error of the job
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


def main() -> int:
    """Run the notebook of this trial and return the exit code; the last line printed says what went wrong."""
    folder = TrialFolder(Path(os.environ[FOLDER_VARIABLE]))
    spec = TrialSpec.read(folder)
    seed = _sow(spec)
    _speak_utf8()
    reporter = Reporter()
    papermill_engines.register("workbench", WorkbenchEngine)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what matters of it is said below, in other words
    try:
        with ExitStack() as afterwards:
            if seed is not None:
                afterwards.callback(seed.discard)
            _execute(spec, folder, reporter, seed)
    except Stopped:
        _end_stopped(reporter)
    except PapermillExecutionError as error:
        if reporter.stopped:
            _end_stopped(reporter)
        traceback = _ANSI.sub("", "\n".join(error.traceback))
        summary = f"{reporter.where(error.cell_index)} failed: {_summary(error)}"
        _say(traceback)
        _say(summary)
        with suppress(OSError):  # a full disk: the log's last lines are the error then
            folder.error.write_text(f"{_shortened(traceback)}\n{summary}\n", encoding="utf-8", errors="replace")
        return 1
    except (WorkbenchError, PapermillException) as error:
        if reporter.stopped:
            _end_stopped(reporter)
        _say(str(error))
        return 1
    return 0


def _sow(spec: TrialSpec) -> Seed | None:
    """Return a process that can become the trial's kernel, where there is one to be had."""
    if spec.notebook is None or not is_prepared():
        return None
    seed = sow()
    try:
        kernel = kernel_of(_metadata(Path(spec.notebook["path"])), spec.notebook["kernel"])
    except JobException:
        return seed  # what is wrong with the notebook is said when it is run
    if seed is not None and not is_own(kernel):
        seed.discard()
        return None
    return seed


def _execute(spec: TrialSpec, folder: TrialFolder, reporter: Reporter, seed: Seed | None) -> None:
    job = spec.notebook
    if job is None:
        raise JobException(f"{spec.name} is no notebook", str(folder.spec))
    source = Path(job["path"])
    kernel = kernel_of(_metadata(source), job["kernel"])
    execute_notebook(
        _literal(str(source)),
        _literal(str(folder.notebook)),
        parameters=_parameters(spec, job),
        engine_name="workbench",
        kernel_name=kernel,
        language=translated_as(kernel) or language_of(kernel),
        progress_bar=False,
        stdout_file=sys.stdout,
        stderr_file=sys.stdout,
        start_timeout=float(os.environ.get(START_TIMEOUT_VARIABLE) or _START_TIMEOUT),
        reporter=reporter,
        seed=seed,
        job=spec.name,
    )


def _metadata(source: Path) -> Mapping[str, Any]:
    import json  # noqa: PLC0415

    try:
        notebook = json.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobException("the notebook is not in the working directory", str(source)) from None
    except ValueError as error:
        raise JobException(f"it is no notebook: {error}", str(source)) from None
    metadata: Mapping[str, Any] = notebook.get("metadata", {})
    return metadata


def _literal(path: str) -> str:
    """Return a path in which papermill replaces nothing."""
    return path.replace("{", "{{").replace("}", "}}")


def _parameters(spec: TrialSpec, job: Mapping[str, Any]) -> dict[str, Any]:
    data = {name: os.environ[variable("inputs", name, data=True)] for name in job["data"]}
    outputs = {name: os.environ[variable("outputs", name)] for name in job["outputs"]}
    return {**job["values"], **data, **outputs, **spec.params}


def _summary(error: PapermillExecutionError) -> str:
    if error.ename == "StdinNotImplementedError":
        return "it asks for input, and nobody is there to answer; make it a parameter"
    said = (str(error.evalue).strip().splitlines() or [""])[0]
    return f"{error.ename}: {said}" if said else str(error.ename)


def _shortened(traceback: str) -> str:
    """Return a traceback of some pages: where it begins, and where it ends."""
    if len(traceback) <= _LONGEST_TRACEBACK:
        return traceback
    half = _LONGEST_TRACEBACK // 2
    return f"{traceback[:half]}\n… the log has all of it …\n{traceback[-half:]}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _speak_utf8() -> None:
    """The log is UTF-8 wherever this runs, and a text that is none must not end the trial."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def _end_stopped(reporter: Reporter) -> Never:
    _say(f"stopped in {reporter.where()}")
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    raise SystemExit(128 + signal.SIGTERM)
