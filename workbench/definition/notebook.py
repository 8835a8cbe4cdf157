"""The notebook job: one parameterized notebook with its inputs, to be run once or swept; not in Azure."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar

from workbench.definition.checking import Checked, Text, checked_call
from workbench.definition.environment import Environment
from workbench.definition.limits import CommandJobLimits
from workbench.definition.resources import JobResourceConfiguration, QueueSettings
from workbench.definition.single import SingleJob, part_or_none

__all__ = ["Notebook", "NotebookJob", "notebook"]


class Notebook(SingleJob):
    """A notebook job; also a function of its inputs: ``job(lr=0.1)`` returns a new job.

    Its inputs are values for the names that the cell tagged ``parameters`` assigns.

    Args:
        notebook: path of the notebook; with ``code``, of one inside that folder.
        kernel: name of the kernelspec that runs it; the notebook's own if None.
        fields: those of ``SingleJob``: code, environment, environment_variables, resources, limits, distribution,
            is_deterministic, parent_job_name, retries, and of ``Job``. Without ``code`` the notebook is all that the
            working directory holds.
    """

    kind: ClassVar[str] = "notebook"

    notebook: Text | None = None
    kernel: str | None = None

    def _replacement(self, name: str, value: Any) -> Any:
        # Which parameters there are, the notebook says, and it is read when the job is submitted.
        return super()._replacement(name, value) if name in self.inputs else value


NotebookJob = Notebook


@checked_call
def notebook(
    path: str | PathLike[str],
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    kernel: str | None = None,
    environment: Environment | str | None = None,
    resources: JobResourceConfiguration | Mapping[str, Any] | None = None,
    timeout: float | None = None,
    code: str | PathLike[str] | None = None,
    environment_variables: Mapping[str, str] | None = None,
    name: str | None = None,
    display_name: str | None = None,
    experiment_name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    compute: str | None = None,
    retries: int | Mapping[str, int] | None = None,
    metric_patterns: Mapping[str, str] | None = None,
    distribution: Checked | Mapping[str, Any] | None = None,
    identity: Checked | Mapping[str, Any] | None = None,
    is_deterministic: bool | None = None,
    services: dict[str, Any] | None = None,
    job_tier: str | None = None,
    priority: str | None = None,
    parent_job_name: str | None = None,
    preload: list[str] | None = None,
) -> Notebook:
    """Describe a notebook job; nothing runs before it is submitted.

    Args:
        path: the notebook; with ``code``, one inside that folder.
        inputs: values by the names of its parameters: literals, data (``Input``), or distributions.
        outputs: ``Output`` objects, or None for a folder, by name; a parameter of that name gets the path.
        kernel: name of the kernelspec that runs it; the notebook's own if left out.
        environment: a reference, ``local`` (as None: this interpreter), or an ``Environment``.
        resources: what one run may use; see ``JobResourceConfiguration``.
        timeout: seconds after which the job is stopped.
        code: the folder that becomes the working directory; the notebook alone if left out.
        environment_variables: set in the kernel.
        name: unique in the workspace; generated at submit if left out.
        display_name: the name that views show.
        experiment_name: the group of jobs; the current folder's name if left out.
        description: for readers.
        tags: texts by name.
        properties: texts by name.
        compute: Azure's cluster name; mapped onto this machine.
        retries: how often it is tried again after a failure, or after each cause: ``{"host_lost": 2}``.
        metric_patterns: regular expressions by metric, for programs that only print. See
            ``workbench.definition.printing.as_metric_patterns``.
        distribution: kept, without effect here.
        identity: kept, without effect here.
        is_deterministic: kept, without effect here.
        services: kept, without effect here.
        job_tier: see ``QueueSettings``.
        priority: see ``QueueSettings``.
        parent_job_name: the job that this one belongs to.
        preload: modules that a fork server imports for it, instead of those that its cells import.

    Raises:
        ValidationException: an argument is wrong; the message names it.
        UnexpectedKeywordError: an argument of that name does not exist.
    """
    return Notebook(
        notebook=path,
        kernel=kernel,
        inputs=inputs,
        outputs=outputs,
        environment=environment,
        resources=part_or_none(JobResourceConfiguration, resources),
        limits=part_or_none(CommandJobLimits, None, timeout=timeout),
        code=code,
        environment_variables=environment_variables or {},
        name=name,
        display_name=display_name,
        experiment_name=experiment_name,
        description=description,
        tags=tags or {},
        properties=properties or {},
        compute=compute,
        retries=retries,
        metric_patterns=metric_patterns,
        distribution=distribution,
        identity=identity,
        is_deterministic=is_deterministic,
        services=services,
        queue_settings=part_or_none(QueueSettings, None, job_tier=job_tier, priority=priority),
        parent_job_name=parent_job_name,
        preload=preload,
    )
