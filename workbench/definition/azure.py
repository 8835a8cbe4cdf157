"""Azure's words that a definition may carry and that have nothing to say on one machine: kept, without effect."""

from __future__ import annotations

from typing import Any

from workbench.definition.checking import Checked, Count, plain

__all__ = [
    "AmlTokenConfiguration",
    "ManagedIdentityConfiguration",
    "MpiDistribution",
    "PyTorchDistribution",
    "TensorFlowDistribution",
    "UserIdentityConfiguration",
    "as_mapping",
]


class PyTorchDistribution(Checked):
    """Several processes of PyTorch's; one is started here.

    Args:
        type: kept.
        process_count_per_instance: kept.
    """

    type: str = "pytorch"
    process_count_per_instance: Count | None = None


class MpiDistribution(Checked):
    """Several processes of MPI's; one is started here.

    Args:
        type: kept.
        process_count_per_instance: kept.
    """

    type: str = "mpi"
    process_count_per_instance: Count | None = None


class TensorFlowDistribution(Checked):
    """TensorFlow's workers and servers; one process is started here.

    Args:
        type: kept.
        parameter_server_count: kept.
        worker_count: kept.
    """

    type: str = "tensorflow"
    parameter_server_count: int | None = None
    worker_count: Count | None = None


class ManagedIdentityConfiguration(Checked):
    """An identity of a cloud's; the job runs as whoever submits it.

    Args:
        type: kept.
        client_id: kept.
        object_id: kept.
        resource_id: kept.
    """

    type: str = "managed_identity"
    client_id: str | None = None
    object_id: str | None = None
    resource_id: str | None = None


class UserIdentityConfiguration(Checked):
    """The user's own identity, as always here.

    Args:
        type: kept.
    """

    type: str = "user_identity"


class AmlTokenConfiguration(Checked):
    """A token of the service's; there is none.

    Args:
        type: kept.
    """

    type: str = "aml_token"


def as_mapping(value: Any) -> Any:
    """Return one of these as the mapping that a definition carries, and anything else untouched."""
    return value.to_dict() if isinstance(value, Checked) else plain(value)
