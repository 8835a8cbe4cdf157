"""What command and notebook jobs have in common: one program with its inputs, to be run once or swept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field

from workbench.definition.azure import as_mapping
from workbench.definition.checking import Checked, Text, Texts, checked_call, unexpected
from workbench.definition.distributions import Distribution
from workbench.definition.environment import Environment, as_environment
from workbench.definition.inputs import Input
from workbench.definition.job import Job
from workbench.definition.limits import CommandJobLimits, SweepJobLimits
from workbench.definition.objective import Objective
from workbench.definition.policies import EarlyTerminationPolicy
from workbench.definition.printing import as_metric_patterns
from workbench.definition.resources import JobResourceConfiguration, QueueSettings
from workbench.definition.retries import as_retries
from workbench.definition.sampling import SamplingAlgorithm
from workbench.definition.sweep import Sweep

__all__ = ["SingleJob", "part_or_none"]

Part = TypeVar("Part", bound=Checked)


class SingleJob(Job):
    """A job that is one program; also a function of its inputs: ``job(lr=0.1)`` returns a new job.

    Args:
        code: the folder or file that is copied and becomes the working directory.
        environment: a reference, ``local`` (as None: this interpreter), or an ``Environment``.
        environment_variables: set in the process; no expressions in them.
        resources: what one run may use.
        limits: how long it may run.
        distribution: Azure's description of several processes; kept, without effect here.
        is_deterministic: kept, without effect here.
        parent_job_name: the job that this one belongs to.
        retries: how often it is tried again after a failure; not in Azure. See ``as_retries``.
        metric_patterns: finds metrics that are only printed; not in Azure. See ``as_metric_patterns``.
        fields: those of ``Job``: name, display_name, experiment_name, description, tags, properties,
            compute, inputs, outputs, identity, services, queue_settings.
    """

    code: Text | None = None
    environment: Annotated[Environment | str | None, BeforeValidator(as_environment)] = None
    environment_variables: Texts = Field(default_factory=dict)
    resources: JobResourceConfiguration | None = None
    limits: CommandJobLimits | None = None
    distribution: Annotated[dict[str, Any] | None, BeforeValidator(as_mapping)] = None
    is_deterministic: bool | None = None
    parent_job_name: str | None = None
    retries: Annotated[dict[str, int], BeforeValidator(as_retries)] = Field(default_factory=dict)
    preload: list[str] | None = None
    metric_patterns: Annotated[dict[str, str], BeforeValidator(as_metric_patterns)] = Field(default_factory=dict)

    @checked_call
    def set_resources(
        self,
        *,
        instance_type: str | list[str] | None = None,
        instance_count: int | None = None,
        locations: list[str] | None = None,
        properties: dict[str, Any] | None = None,
        docker_args: str | list[str] | None = None,
        shm_size: str | None = None,
        gpus: float | None = None,
        cpus: float | None = None,
        memory: str | int | None = None,
    ) -> None:
        """Change what one run may use; what is not mentioned stays. See ``JobResourceConfiguration``."""
        given = {name: value for name, value in locals().items() if name != "self"}
        self.resources = _updated(self.resources or JobResourceConfiguration(), given)

    @checked_call
    def set_limits(self, *, timeout: float | None = None) -> None:
        """Change the limits.

        Args:
            timeout: seconds after which the job is stopped.
        """
        self.limits = CommandJobLimits(timeout=timeout)

    @checked_call
    def set_queue_settings(self, *, job_tier: str | None = None, priority: str | None = None) -> None:
        """Change the place in the queue. See ``QueueSettings``."""
        given = {"job_tier": job_tier, "priority": priority}
        self.queue_settings = _updated(self.queue_settings or QueueSettings(), given)

    def __call__(self, **inputs: Any) -> Self:
        """Return a new job with some inputs replaced; all else is kept but the name.

        Args:
            inputs: literals, ``Input`` objects, or distributions to sweep over.

        Raises:
            UnexpectedKeywordError: the job has no input of that name.
            ValidationException: the value is not of the type that the input was declared with.
        """
        given = {name: self._replacement(name, value) for name, value in inputs.items()}
        return self.with_fields(name=None, inputs={**copy.deepcopy(self.inputs), **given})

    def _replacement(self, name: str, value: Any) -> Any:
        if name not in self.inputs:
            raise unexpected(name, self.inputs, "inputs")
        declared = self.inputs[name]
        is_plain = value is not None and not isinstance(value, Input | Distribution | Mapping)
        if isinstance(declared, Input) and declared.is_literal and is_plain:
            return declared.checked(value, f"inputs.{name}")
        return value

    @checked_call
    def sweep(
        self,
        *,
        primary_metric: str,
        goal: str,
        sampling_algorithm: str | SamplingAlgorithm = "random",
        compute: str | None = None,
        max_concurrent_trials: int | None = None,
        max_total_trials: int | None = None,
        timeout: float | None = None,
        trial_timeout: float | None = None,
        early_termination_policy: str | EarlyTerminationPolicy | None = None,
        search_space: Mapping[str, Distribution] | None = None,
        identity: Checked | Mapping[str, Any] | None = None,
        queue_settings: QueueSettings | None = None,
        job_tier: str | None = None,
        priority: str | None = None,
    ) -> Sweep:
        """Return a sweep over the inputs that are distributions.

        Args:
            primary_metric: the name under which trials log the metric that decides.
            goal: "maximize" or "minimize", in any case.
            sampling_algorithm: "random", "grid", "bayesian", or an object.
            compute: the job's, if left out.
            max_concurrent_trials: how many trials run at once.
            max_total_trials: how many trials there are at most.
            timeout: seconds for the whole sweep.
            trial_timeout: seconds for each trial; the job's own timeout is not carried over.
            early_termination_policy: an object, or "median_stopping".
            search_space: more distributions by name.
            identity: the job's, if left out.
            queue_settings: the job's, if left out.
            job_tier: see ``QueueSettings``.
            priority: see ``QueueSettings``.

        Raises:
            ValidationException: an argument is wrong; the message names it.
        """
        queue = queue_settings or self.queue_settings
        if job_tier or priority:
            queue = _updated(queue or QueueSettings(), {"job_tier": job_tier, "priority": priority})
        return Sweep(
            display_name=self.display_name,
            experiment_name=self.experiment_name,
            description=self.description,
            tags=self.tags,
            properties=self.properties,
            compute=compute or self.compute,
            identity=identity or self.identity,
            services=self.services,
            queue_settings=queue,
            trial=self,
            search_space=search_space or {},
            sampling_algorithm=sampling_algorithm,
            objective=Objective(goal=goal, primary_metric=primary_metric),
            limits=SweepJobLimits(
                max_total_trials=max_total_trials,
                max_concurrent_trials=max_concurrent_trials,
                timeout=timeout,
                trial_timeout=trial_timeout,
            ),
            early_termination=early_termination_policy,
            retries=self.retries,
        )


def _updated(part: Part, given: Mapping[str, Any]) -> Part:
    """Return the part with the given fields replaced where they are not None."""
    kept = {name: getattr(part, name) for name in type(part).field_names()}
    return type(part)(**{**kept, **{name: value for name, value in given.items() if value is not None}})


def part_or_none(cls: type[Part], whole: Part | Mapping[str, Any] | None, **given: Any) -> Part | None:
    """Return ``whole`` with what is given on top; None when there is nothing at all."""
    if whole is None and all(value is None for value in given.values()):
        return None
    if whole is None:
        return _updated(cls(), given)
    return _updated(whole if isinstance(whole, cls) else cls(**dict(whole)), given)
