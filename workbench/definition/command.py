"""The command job: one program with its inputs, to be run once or swept."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar

from workbench.definition.checking import Checked, checked_call
from workbench.definition.environment import Environment
from workbench.definition.limits import CommandJobLimits
from workbench.definition.notebook import Notebook
from workbench.definition.resources import JobResourceConfiguration, QueueSettings
from workbench.definition.single import SingleJob, part_or_none
from workbench.definition.sweep import Sweep, Trial

__all__ = ["Command", "CommandJob", "child", "command"]


class Command(SingleJob):
    """A command job; also a function of its inputs: ``job(lr=0.1)`` returns a new job.

    Args:
        command: the shell command, with ``${{inputs.x}}`` for inputs.
        fields: those of ``SingleJob``: code, environment, environment_variables, resources, limits, distribution,
            is_deterministic, parent_job_name, retries, and of ``Job``.
    """

    kind: ClassVar[str] = "command"

    command: str | None = None


CommandJob = Command


@checked_call
def command(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    display_name: str | None = None,
    command: str | None = None,
    experiment_name: str | None = None,
    environment: Environment | str | None = None,
    environment_variables: Mapping[str, str] | None = None,
    distribution: Checked | Mapping[str, Any] | None = None,
    compute: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    instance_count: int | None = None,
    instance_type: str | None = None,
    locations: list[str] | None = None,
    docker_args: str | list[str] | None = None,
    shm_size: str | None = None,
    resources: JobResourceConfiguration | Mapping[str, Any] | None = None,
    timeout: float | None = None,
    code: str | PathLike[str] | None = None,
    identity: Checked | Mapping[str, Any] | None = None,
    is_deterministic: bool | None = None,
    services: dict[str, Any] | None = None,
    job_tier: str | None = None,
    priority: str | None = None,
    parent_job_name: str | None = None,
    retries: int | Mapping[str, int] | None = None,
    preload: list[str] | None = None,
    metric_patterns: Mapping[str, str] | None = None,
) -> Command:
    """Describe a command job; nothing runs before it is submitted.

    Args:
        name: unique in the workspace; generated at submit if left out.
        description: for readers.
        tags: texts by name.
        properties: texts by name.
        display_name: the name that views show.
        command: the shell command, with ``${{inputs.x}}`` for inputs.
        experiment_name: the group of jobs; the current folder's name if left out.
        environment: a reference, ``local`` (as None: this interpreter), or an ``Environment``.
        environment_variables: set in the process.
        distribution: Azure's description of several processes; kept, without effect here.
        compute: Azure's cluster name; mapped onto this machine.
        inputs: literals, data (``Input``), or distributions by name.
        outputs: ``Output`` objects, or None for a folder, by name.
        instance_count: see ``JobResourceConfiguration``.
        instance_type: see ``JobResourceConfiguration``.
        locations: see ``JobResourceConfiguration``.
        docker_args: see ``JobResourceConfiguration``.
        shm_size: see ``JobResourceConfiguration``.
        resources: all of these in one, and gpus, cpus, memory.
        timeout: seconds after which the job is stopped.
        code: the folder or file that becomes the working directory.
        identity: kept, without effect here.
        is_deterministic: kept, without effect here.
        services: kept, without effect here.
        job_tier: see ``QueueSettings``.
        priority: see ``QueueSettings``.
        parent_job_name: the job that this one belongs to.
        retries: how often it is tried again after a failure, or after each cause: ``{"host_lost": 2}``; not in Azure.
        preload: modules that a fork server imports for it, instead of those that its code imports; not in Azure.
        metric_patterns: regular expressions by metric, for programs that only print; not in Azure. See
            ``workbench.definition.printing.as_metric_patterns``.

    Raises:
        ValidationException: an argument is wrong; the message names it.
        UnexpectedKeywordError: an argument of that name does not exist.
    """
    return Command(
        name=name,
        description=description,
        tags=tags or {},
        properties=properties or {},
        display_name=display_name,
        command=command,
        experiment_name=experiment_name,
        environment=environment,
        environment_variables=environment_variables or {},
        distribution=distribution,
        compute=compute,
        inputs=inputs,
        outputs=outputs,
        resources=part_or_none(
            JobResourceConfiguration,
            resources,
            instance_count=instance_count,
            instance_type=instance_type,
            locations=locations,
            docker_args=docker_args,
            shm_size=shm_size,
        ),
        limits=part_or_none(CommandJobLimits, None, timeout=timeout),
        code=code,
        identity=identity,
        is_deterministic=is_deterministic,
        services=services,
        queue_settings=part_or_none(QueueSettings, None, job_tier=job_tier, priority=priority),
        parent_job_name=parent_job_name,
        retries=retries,
        preload=preload,
        metric_patterns=metric_patterns,
    )


def child(sweep: Sweep, number: int, params: Mapping[str, Any]) -> Command | Notebook:
    """Return the job that is trial ``number`` of a sweep; a command still holds the expressions.

    Args:
        sweep: a sweep that has its name.
        number: the trial's number, from 0.
        params: the values of its swept parameters; carried as the fact ``params``.
    """
    kind: type[Command] | type[Notebook] = Command if sweep.trial.notebook is None else Notebook
    parts = {name: getattr(sweep.trial, name) for name in Trial.field_names() if name in kind.field_names()}
    if sweep.resources is not None:
        parts["resources"] = sweep.resources
    job = kind(
        **{
            **parts,
            "name": f"{sweep.name}_{number}",
            "display_name": f"{sweep.display_name or sweep.name}_{number}",
            "experiment_name": sweep.experiment_name,
            "compute": sweep.compute,
            "identity": sweep.identity,
            "inputs": sweep.inputs,
            "outputs": sweep.outputs,
            "queue_settings": sweep.trial.queue_settings or sweep.queue_settings,
            "limits": part_or_none(CommandJobLimits, None, timeout=sweep.limits.trial_timeout),
            "parent_job_name": sweep.name,
        }
    )
    return job.with_facts(params=dict(params))
