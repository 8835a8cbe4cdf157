"""The sweep: many trials of one command or notebook over a search space."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PlainValidator

from workbench.definition.azure import as_mapping
from workbench.definition.checking import Checked, Text, Texts, checked_call, show
from workbench.definition.distributions import Distribution, distribution_from_dict
from workbench.definition.environment import Environment, as_environment
from workbench.definition.expressions import swept_command
from workbench.definition.job import Job
from workbench.definition.limits import SweepJobLimits
from workbench.definition.objective import Objective
from workbench.definition.policies import EarlyTerminationPolicy, as_early_termination
from workbench.definition.printing import as_metric_patterns
from workbench.definition.resources import JobResourceConfiguration, QueueSettings
from workbench.definition.retries import as_retries
from workbench.definition.sampling import RandomSamplingAlgorithm, SamplingAlgorithm, as_sampling_algorithm
from workbench.errors import JobException, ValidationException

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep", "SweepJob", "Trial"]


class Trial(Checked):
    """The part of a command or notebook job that each trial of a sweep repeats.

    Args:
        command: the shell command, with ``${{search_space.x}}`` for swept parameters.
        notebook: in its place: the notebook, whose parameters are swept.
        kernel: what runs the notebook.
        code: the folder or file that becomes the working directory.
        environment: a reference, ``local``, or an ``Environment``.
        environment_variables: set in the process.
        resources: what one trial may use.
        distribution: kept, without effect here.
        queue_settings: the place in the queue.
        preload: modules that a fork server imports for it, instead of those that its code imports; not in Azure.
        metric_patterns: finds metrics that are only printed; not in Azure. See ``as_metric_patterns``.
    """

    command: str | None = None
    notebook: Text | None = None
    kernel: str | None = None
    code: Text | None = None
    environment: Annotated[Environment | str | None, BeforeValidator(as_environment)] = None
    environment_variables: Texts = Field(default_factory=dict)
    resources: JobResourceConfiguration | None = None
    distribution: Annotated[dict[str, Any] | None, BeforeValidator(as_mapping)] = None
    queue_settings: QueueSettings | None = None
    preload: list[str] | None = None
    metric_patterns: Annotated[dict[str, str], BeforeValidator(as_metric_patterns)] = Field(default_factory=dict)


def _space(value: Any) -> dict[str, Distribution]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValidationException(f"must be a mapping; got {show(value)}", fix="Write {'lr': LogUniform(-6, -1)}")
    return {str(name): _distribution(entry, str(name)) for name, entry in value.items()}


def _distribution(value: Any, name: str) -> Distribution:
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Mapping):
        return distribution_from_dict(value, name)
    raise ValidationException(
        f"{show(value)} is no distribution", name, "Write Choice([…]), Uniform(…), …, or make it an input"
    )


def _trial(value: Any) -> Any:
    if not isinstance(value, Job):
        return value
    if isinstance(value, Sweep):
        raise ValidationException("a sweep cannot be the trial of a sweep", fix="Give a command or notebook job")
    return Trial(**copy.deepcopy({name: getattr(value, name, None) for name in Trial.field_names()}))


class Sweep(Job):
    """Many trials of one command or notebook, each with other parameters.

    Args:
        trial: a command or notebook job, or the parts of one (``Trial``). A job's inputs and outputs become the
            sweep's, and those that are distributions its search space.
        search_space: distributions by name.
        objective: which metric decides, and whether it should be large or small.
        sampling_algorithm: "random" (default), "grid", "bayesian", or an object.
        limits: how many trials, how many at once, how long.
        early_termination: a policy, or None.
        resources: what one trial may use; takes the place of the trial's own.
        retries: how often each trial is tried again after a failure; not in Azure. See ``as_retries``.
        fields: those of ``Job``: name, display_name, experiment_name, description, tags, properties,
            compute, inputs, outputs, identity, services, queue_settings.
    """

    kind: ClassVar[str] = "sweep"

    trial: Annotated[Trial, BeforeValidator(_trial)]
    search_space: Annotated[dict[str, Distribution], PlainValidator(_space)] = Field(default_factory=dict)
    objective: Objective | None = None
    sampling_algorithm: Annotated[SamplingAlgorithm, PlainValidator(as_sampling_algorithm)] = Field(
        default_factory=RandomSamplingAlgorithm
    )
    limits: SweepJobLimits = Field(default_factory=SweepJobLimits)
    early_termination: Annotated[EarlyTerminationPolicy | None, PlainValidator(as_early_termination)] = None
    resources: JobResourceConfiguration | None = None
    retries: Annotated[dict[str, int], BeforeValidator(as_retries)] = Field(default_factory=dict)

    def __init__(self, **fields: Any) -> None:
        trial = fields.get("trial")
        if isinstance(trial, Job):
            fields["inputs"] = {**trial.inputs, **(fields.get("inputs") or {})}
            fields["outputs"] = {**trial.outputs, **(fields.get("outputs") or {})}
        if fields.get("limits") is None:
            fields.pop("limits", None)
        super().__init__(**fields)
        self._settle()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("trial", "search_space", "inputs"):
            self._settle()

    def _settle(self) -> None:
        """Move swept inputs into the search space, and let the trial's command refer to them there."""
        space = {name: value for name, value in self.inputs.items() if isinstance(value, Distribution)}
        space |= self.search_space
        inputs = {name: value for name, value in self.inputs.items() if name not in space}
        super().__setattr__("search_space", space)
        super().__setattr__("inputs", inputs)
        if self.trial.command is not None:
            command = swept_command(self.trial.command, space)
            parts = {name: getattr(self.trial, name) for name in Trial.field_names()}
            super().__setattr__("trial", Trial(**{**parts, "command": command}))

    def trials(self, *, metrics: str = "last") -> pd.DataFrame:
        """Return all trials as one table, as they now are: parameters, metrics, outputs, status, duration, paths.

        Args:
            metrics: which value of each metric to show: "last", "min" or "max".

        Raises:
            JobException: the sweep was not submitted.
        """
        if self._facts.read_trials is None:
            raise JobException("this sweep has no trials", "trials", "Submit it, and ask what that returns")
        table: pd.DataFrame = self._facts.read_trials(metrics=metrics)
        return table

    @checked_call
    def set_limits(
        self,
        *,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: float | None = None,
        trial_timeout: float | None = None,
    ) -> None:
        """Change limits; what is not mentioned stays. See ``SweepJobLimits``."""
        given = {
            "max_concurrent_trials": max_concurrent_trials,
            "max_total_trials": max_total_trials,
            "timeout": timeout,
            "trial_timeout": trial_timeout,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self.limits, name, value)

    @checked_call
    def set_objective(self, *, goal: str | None = None, primary_metric: str | None = None) -> None:
        """Change the objective; what is not mentioned stays. See ``Objective``."""
        fields = {} if self.objective is None else self.objective.to_dict()
        given = {"goal": goal, "primary_metric": primary_metric}
        self.objective = Objective(**{**fields, **{name: value for name, value in given.items() if value is not None}})

    @checked_call
    def set_resources(
        self,
        *,
        instance_type: str | None = None,
        instance_count: int | None = None,
        locations: list[str] | None = None,
        properties: dict[str, Any] | None = None,
        docker_args: str | list[str] | None = None,
        shm_size: str | None = None,
        gpus: float | None = None,
        cpus: float | None = None,
        memory: str | int | None = None,
    ) -> None:
        """Change what one trial may use; what is not mentioned stays. See ``JobResourceConfiguration``."""
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        kept = (self.resources or self.trial.resources or JobResourceConfiguration()).to_dict()
        self.resources = JobResourceConfiguration(**{**kept, **given})


SweepJob = Sweep
