"""The network of containers that shall reach MLflow on this machine and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.environments.engine import LABEL, connect
from workbench.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["NETWORK", "ensure_network", "gateway"]

NETWORK = "workbench"


def gateway(engine: str) -> str:
    """Return the address under which containers of the network reach this machine; the network is made if need be.

    Raises:
        EngineError: the engine does not answer, or cannot make it.
    """
    api = connect(engine)
    try:
        return ensure_network(api)
    finally:
        api.close()


def ensure_network(api: APIClient) -> str:
    """Make the network unless it is there, and return this machine's address in it.

    It is internal: no route leads out of it, and its containers do not see each other.

    Raises:
        EngineError: there is a network of that name that is not ours, or none can be made.
    """
    from docker.errors import APIError, NotFound  # noqa: PLC0415

    try:
        try:
            found = api.inspect_network(NETWORK)
        except NotFound:
            options = {"com.docker.network.bridge.enable_icc": "false"}
            try:
                api.create_network(
                    NETWORK,
                    driver="bridge",
                    internal=True,
                    options=options,
                    labels={LABEL: "network"},
                    check_duplicate=True,
                )
            except APIError as error:
                if error.status_code != 409:  # another trial was faster
                    raise
            found = api.inspect_network(NETWORK)
    except APIError as error:
        raise EngineError(
            f"the network for trials cannot be made: {error.explanation or error}",
            "container engine",
            "See the engine's log; docker_args: --network=… names another",
        ) from error
    if LABEL not in (found.get("Labels") or {}):
        raise EngineError(
            f"there is a network {NETWORK!r} that the workbench did not make", "container engine", "Rename or remove it"
        )
    return str(found["IPAM"]["Config"][0]["Gateway"])
