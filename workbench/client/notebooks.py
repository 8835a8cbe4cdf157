"""What a notebook job needs where it is submitted: its file found, its inputs held against its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.definition.distributions import Choice, Distribution
from workbench.definition.inputs import data_of, literals_of
from workbench.definition.paths import where_paths_begin
from workbench.definition.records import AnyJob
from workbench.definition.sweep import Sweep
from workbench.definition.words import Word
from workbench.errors import NotFoundError, ValidationException

__all__ = ["SHELL", "WORDS", "NotebookSource", "notebook_source", "trial_notebook"]

SHELL = 'exec "$WORKBENCH_PYTHON" -P -m workbench.notebooks'
"""The command that a notebook trial is: the job's interpreter, which need not be the kernel's."""

WORDS: list[Word] = [["python"], ["-P"], ["-m"], ["workbench.notebooks"]]
"""Its words, for a process that is that interpreter already."""


@dataclass(frozen=True)
class NotebookSource:
    """A notebook that was found and fits its job.

    Args:
        code: what is copied to the working directory.
        path: where the notebook is in there.
        kernel: the kernelspec that runs it.
        outputs: names of the job's outputs that are parameters too.
        warnings: one sentence each.
    """

    code: Path
    path: str
    kernel: str
    outputs: tuple[str, ...]
    warnings: tuple[str, ...]


def notebook_source(job: AnyJob, code: Path | None) -> NotebookSource | None:
    """Return the notebook that a job runs, checked against the job; None for a command.

    Args:
        job: the job.
        code: its ``code``, absolute.

    Raises:
        NotFoundError: there is no such notebook, or no such kernelspec.
        ValidationException: it is no notebook, or the inputs are not what its parameters are.
    """
    part = job.trial if isinstance(job, Sweep) else job
    notebook = getattr(part, "notebook", None)
    if notebook is None:
        return None
    from workbench.notebooks.parameters import read_parameters  # noqa: PLC0415 - not for commands

    code, path = _located(notebook, code)
    parameters = read_parameters(code / path if code.is_dir() else code, getattr(part, "kernel", None))
    space: Mapping[str, Distribution] = job.search_space if isinstance(job, Sweep) else {}
    values = {**{name: [value] for name, value in literals_of(job.inputs).items()}}
    swept = {name: list(_some_values(distribution)) for name, distribution in space.items()}
    outputs = tuple(name for name in job.outputs if name in (parameters.known or ()))
    warnings = parameters.check({**values, **swept}, [*data_of(job.inputs), *outputs], space)
    return NotebookSource(code, path, parameters.kernel, outputs, tuple(warnings))


def trial_notebook(source: NotebookSource, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trial must know of its notebook, as in ``TrialSpec``.

    Args:
        source: the notebook.
        inputs: each input that has a value: a literal as it is, data as a mapping.
    """
    return {
        "path": source.path,
        "kernel": source.kernel,
        "values": {name: value for name, value in inputs.items() if not isinstance(value, dict)},
        "data": [name for name, value in inputs.items() if isinstance(value, dict)],
        "outputs": list(source.outputs),
    }


def _located(notebook: str, code: Path | None) -> tuple[Path, str]:
    """Return what to copy, and where the notebook is in the copy."""
    if code is None:
        path = Path(notebook).expanduser()
        if not path.exists():
            raise NotFoundError(f"there is no notebook {notebook!r}", "notebook", where_paths_begin(path))
        return path.absolute(), path.name
    if code.is_file():
        return code, code.name
    if (code / notebook).is_file() and not Path(notebook).is_absolute():
        return code, notebook
    path = Path(notebook).expanduser().absolute()
    if path.is_file() and path.is_relative_to(code):
        return code, str(path.relative_to(code))
    if path.is_file():
        raise ValidationException(
            f"{notebook!r} is not inside the code folder {str(code)!r}", "notebook", "Move it there, or leave code out"
        )
    raise NotFoundError(f"there is no notebook {notebook!r}", str(code), "Its path is relative to the code folder")


def _some_values(distribution: Distribution) -> Iterable[Any]:
    """Yield values of every type that a distribution can give."""
    if isinstance(distribution, Choice):
        yield from (option for option in distribution.values if not isinstance(option, dict))
    for unit in (0.0, 0.37, 0.73):
        yield distribution.from_units([unit] * distribution.width)
