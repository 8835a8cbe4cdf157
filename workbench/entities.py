"""The values that describe jobs and assets, with Azure's names."""

from __future__ import annotations

from workbench.definition.assets import Data, Model
from workbench.definition.azure import (
    AmlTokenConfiguration,
    ManagedIdentityConfiguration,
    MpiDistribution,
    PyTorchDistribution,
    TensorFlowDistribution,
    UserIdentityConfiguration,
)
from workbench.definition.command import Command, CommandJob
from workbench.definition.compute import AmlCompute, Compute
from workbench.definition.environment import BuildContext, Environment
from workbench.definition.inputs import Input, Output
from workbench.definition.job import Job
from workbench.definition.limits import CommandJobLimits
from workbench.definition.notebook import Notebook, NotebookJob
from workbench.definition.resources import JobResourceConfiguration, QueueSettings

__all__ = [
    "AmlCompute",
    "AmlTokenConfiguration",
    "BuildContext",
    "Command",
    "CommandJob",
    "CommandJobLimits",
    "Compute",
    "Data",
    "Environment",
    "Input",
    "Job",
    "JobResourceConfiguration",
    "ManagedIdentityConfiguration",
    "Model",
    "MpiDistribution",
    "Notebook",
    "NotebookJob",
    "Output",
    "PyTorchDistribution",
    "QueueSettings",
    "TensorFlowDistribution",
    "UserIdentityConfiguration",
]
