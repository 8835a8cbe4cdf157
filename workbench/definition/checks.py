"""The checks of a whole job before it is submitted: what no single field can know."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from workbench.definition.checking import nearest
from workbench.definition.distributions import Choice, Distribution, QUniform, Uniform, combined_size
from workbench.definition.environment import Environment
from workbench.definition.expressions import Reference, references, to_shell
from workbench.definition.inputs import Input, InputValue, Output, data_of, literals_of
from workbench.definition.naming import check_key
from workbench.definition.notebook import Notebook
from workbench.definition.records import AnyJob
from workbench.definition.sampling import (
    BayesianSamplingAlgorithm,
    GridSamplingAlgorithm,
    RandomSamplingAlgorithm,
)
from workbench.definition.single import SingleJob
from workbench.definition.sweep import Sweep, Trial
from workbench.errors import ValidationException

__all__ = ["DEFAULT_MAX_TOTAL_TRIALS", "check"]

DEFAULT_MAX_TOTAL_TRIALS = 1000
"""Azure's number of trials where none is set."""

_LARGEST_SOURCE = 1_000_000
_MOST_SOURCES = 2_000
_LARGEST_UNIT = math.nextafter(1, 0)


def check(job: AnyJob, *, code_root: Path | None = None, environments: Collection[str] | None = None) -> list[str]:
    """Check a job as a whole.

    Args:
        job: the job to be submitted.
        code_root: the folder that a relative ``code`` is meant from; the current one if None.
        environments: names that a reference may use; None leaves references unchecked.

    Returns:
        Warnings, one sentence each.

    Raises:
        ValidationException: the job cannot run as written; the message names the field and the fix.
    """
    _check_keys(job)
    for name, value in job.inputs.items():
        _check_input(name, value)
    return _check_sweep(job, code_root, environments) if isinstance(job, Sweep) else _check_single(job, environments)


def _check_single(job: SingleJob, environments: Collection[str] | None) -> list[str]:
    for name, value in job.inputs.items():
        if isinstance(value, Distribution):
            raise ValidationException(
                f"{value} is to be swept, but the job is a single {job.kind}",
                f"inputs.{name}",
                "Call job.sweep(primary_metric=…, goal=…) and submit its result, or give a plain value",
            )
    if isinstance(job, Notebook):
        _check_notebook(job.notebook, "notebook")
    else:
        _check_text(getattr(job, "command", None), "command", job.inputs, job.outputs, {})
    _check_environment(job.environment, "environment", environments)
    return _without_effect(job)


def _check_sweep(job: Sweep, code_root: Path | None, environments: Collection[str] | None) -> list[str]:
    if job.objective is None:
        raise ValidationException(
            "is needed and was not given", "objective", "Add objective=Objective(goal='maximize', primary_metric='…')"
        )
    if not job.search_space:
        raise ValidationException(
            "there is nothing to sweep over", "search_space", "Call job(lr=LogUniform(-6, -1)) before .sweep(…)"
        )
    _check_sampler(job)
    if job.trial.notebook is not None:
        _check_notebook(job.trial.notebook, "trial.notebook")
        if job.trial.command is not None:
            raise ValidationException("has a notebook too, and runs one of them", "trial.command", "Remove one")
    else:
        _check_text(job.trial.command, "trial.command", job.inputs, job.outputs, job.search_space)
    _check_environment(job.trial.environment, "trial.environment", environments)
    return [*_unused(job, code_root), *_trial_count(job), *_without_effect(job.trial)]


def _check_keys(job: AnyJob) -> None:
    for name in job.inputs:
        check_key(name, "inputs")
    for name in job.outputs:
        check_key(name, "outputs")
    if isinstance(job, Sweep):
        for name in job.search_space:
            check_key(name, "search_space")


def _check_input(name: str, value: InputValue) -> None:
    where = f"inputs.{name}"
    if value is None:
        raise ValidationException(
            "is null, and an input needs a value",
            where,
            "Give a value, or use Input(type='string', optional=True) with $[[ … ]] in the command",
        )
    if isinstance(value, str) and "\0" in value:
        raise ValidationException("holds a null character, which no process can be given", where, "Remove it")
    if not isinstance(value, Input):
        return
    if value.is_literal:
        if value.default is None and not value.optional:
            raise ValidationException(
                f"this {value.type} has no value", where, f"Call job({name}=…), or add default=… to the Input"
            )
    elif not (value.path or "").strip() and not value.optional:
        raise ValidationException("has no path", f"{where}.path", "Add path='…' with the place of the data")


def _check_notebook(path: str | None, where: str) -> None:
    if path is None or not path.strip():
        raise ValidationException("is needed and was not given", where, "Give the path of a notebook")


def _check_text(
    command: str | None,
    where: str,
    inputs: Mapping[str, InputValue],
    outputs: Mapping[str, Output],
    space: Mapping[str, Distribution],
) -> None:
    if command is None or not command.strip():
        raise ValidationException("is needed and was not given", where, "Write what to run: command='python train.py'")
    try:
        found = references(command)
        known: dict[str, Collection[str]] = {"inputs": inputs, "outputs": outputs, "search_space": space}
        for reference in sorted(found, key=str):
            if reference.name not in known[reference.kind] and not reference.optional:
                raise _unknown(reference, known[reference.kind], space)
        to_shell(
            command,
            literals=literals_of(inputs),
            data=data_of(inputs),
            outputs=outputs,
            search_space=space,
        )
    except ValidationException as error:
        raise type(error)(error.what, where, error.fix) from None


def _unknown(reference: Reference, known: Collection[str], space: Collection[str]) -> ValidationException:
    what = {"inputs": "input", "outputs": "output", "search_space": "parameter in the search space"}[reference.kind]
    if reference.kind == "search_space" and not space:
        fix = f"Write ${{{{inputs.{reference.name}}}}} and sweep over it, or call .sweep(search_space={{…}})"
    elif known:
        fix = nearest(reference.name, known)
    else:
        fix = f"Add {reference.name} to the {reference.kind} of the job"
    return ValidationException(f"'{reference}' refers to no {what}", fix=fix)


def _check_environment(environment: Environment | str | None, where: str, environments: Collection[str] | None) -> None:
    if not isinstance(environment, str):
        return
    if not environment.strip():
        raise ValidationException("is empty", where, "Leave it out to run with this interpreter")
    name = environment.removeprefix("azureml:").partition("@")[0].partition(":")[0]
    if environments is not None and not environment.startswith("azureml://") and name not in {"local", *environments}:
        raise ValidationException(f"'{environment}' is not known here", where, nearest(name, ["local", *environments]))


def _check_sampler(job: Sweep) -> None:
    algorithm = job.sampling_algorithm
    for name, distribution in job.search_space.items():
        where = f"search_space.{name}"
        if isinstance(algorithm, RandomSamplingAlgorithm):
            _check_powers(distribution, algorithm.base, where)
        elif isinstance(algorithm, GridSamplingAlgorithm) and not _only_choices(distribution):
            raise ValidationException(
                f"grid sampling takes choices only, not {distribution.kind}",
                where,
                "Write Choice([…]) with the values to try, or use sampling_algorithm='random'",
            )
        elif isinstance(algorithm, BayesianSamplingAlgorithm) and not _bayesian(distribution):
            raise ValidationException(
                f"bayesian sampling takes plain choice, uniform and quniform, not {_kind(distribution)}",
                where,
                "Use one of these, or sampling_algorithm='random'",
            )


def _check_powers(distribution: Distribution, logbase: float, where: str) -> None:
    try:
        distribution.from_units([_LARGEST_UNIT] * distribution.width, logbase)
    except ValidationException as error:
        raise type(error)(error.what, where, error.fix) from None
    for inner in distribution.nested if isinstance(distribution, Choice) else ():
        _check_powers(inner, logbase, where)


def _only_choices(distribution: Distribution) -> bool:
    return isinstance(distribution, Choice) and all(_only_choices(inner) for inner in distribution.nested)


def _bayesian(distribution: Distribution) -> bool:
    if isinstance(distribution, Uniform):
        return True
    listed = distribution.support() is not None
    return isinstance(distribution, Choice | QUniform) and distribution.width == 1 and listed


def _kind(distribution: Distribution) -> str:
    if distribution.width > 1:
        return f"nested {distribution.kind}"
    return f"{distribution.kind} of {distribution.size()} values" if distribution.size() else distribution.kind


def _unused(job: Sweep, code_root: Path | None) -> Iterable[str]:
    command = job.trial.command
    if command is None:
        return  # a notebook's parameters are looked up in the notebook
    used = {reference.name for reference in references(command) if reference.kind == "search_space"}
    unread = [name for name in job.search_space if name not in used and not _mentions(command, name)]
    sources = list(_sources(job.trial, code_root)) if unread else []
    for name in unread:
        if not any(_mentions(source, name) for source in sources):
            raise ValidationException(
                "the command never uses it, so all trials would be alike",
                f"search_space.{name}",
                f"Add ${{{{search_space.{name}}}}} to the command, or read AZUREML_SWEEP_{name} in the script",
            )
        yield f"search_space.{name}: the command does not use it; only the code reads AZUREML_SWEEP_{name}"


def _mentions(text: str, name: str) -> bool:
    # A bare prefix is how a script builds the variable's name itself.
    return re.search(rf"AZUREML_(?:SWEEP|PARAMETER)_(?:{re.escape(name)}\b|(?![A-Za-z0-9_]))", text) is not None


def _sources(trial: Trial, code_root: Path | None) -> Iterable[str]:
    if trial.code is None or ":" in trial.code:
        return
    root = (code_root or Path.cwd()) / trial.code
    for path in itertools.islice(_code_files(root), _MOST_SOURCES):
        if path.stat().st_size <= _LARGEST_SOURCE:
            try:
                yield path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue  # an image, an archive or a locked file says nothing about parameters


def _code_files(root: Path) -> Iterable[Path]:
    """Yield the files of a code folder; hidden folders and the runs of a workspace are no code."""
    if root.is_file():
        yield root
        return
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__pycache__")) and name != "runs")
        yield from (Path(folder) / name for name in sorted(names))


def _trial_count(job: Sweep) -> Iterable[str]:
    algorithm = job.sampling_algorithm
    base = algorithm.base if isinstance(algorithm, RandomSamplingAlgorithm) else math.e
    size = combined_size(job.search_space, base)
    asked = job.limits.max_total_trials
    if asked is None and (size is None or size > DEFAULT_MAX_TOTAL_TRIALS):
        yield f"limits.max_total_trials: is not set, so up to {DEFAULT_MAX_TOTAL_TRIALS} trials will run"
    elif asked is not None and size is not None and size < asked:
        yield f"search_space: holds only {size} combinations, so the sweep ends after {size} of {asked} trials"


def _without_effect(job: SingleJob | Trial) -> list[str]:
    ignored = []
    if job.distribution:
        ignored.append("distribution: has no effect here; one process is started")
    if job.resources is not None and (job.resources.instance_count or 1) > 1:
        ignored.append("resources.instance_count: has no effect here; everything runs on this machine")
    return ignored
