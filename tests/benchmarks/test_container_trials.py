"""What the workbench adds to a container, beside ``docker run --rm`` of the same command in the same run."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.supervisor.test_sweeps_end_to_end import wait
from workbench import MLClient, command
from workbench.client.waiting import wait_until
from workbench.entities import Environment
from workbench.environments.engine import address, connect
from workbench.environments.network import NETWORK

pytestmark = pytest.mark.benchmark

_ROUNDS = 15


def docker_run(image: str) -> float:
    started = time.perf_counter()
    subprocess.run(["docker", "run", "--rm", image, "/bin/sh", "-c", "echo hello"], check=True, capture_output=True)
    return time.perf_counter() - started


def engine_alone(image: str) -> float:
    """Return seconds that the engine takes to make and start a container as a trial gets it, asked by nobody else."""
    api = connect(address())
    host = api.create_host_config(init=True, network_mode=NETWORK, log_config={"Type": "none", "Config": {}})
    started = time.perf_counter()
    container = api.create_container(image, ["/bin/sh", "-c", "echo hello"], host_config=host)["Id"]
    api.start(container)
    took = time.perf_counter() - started
    api.wait(container)
    api.remove_container(container)
    return took


def phases(client: MLClient, image: str) -> tuple[float, float, float]:
    """Return seconds from submit to end as the trial's host saw it, from then to Running, and of Preparing."""
    submitted = time.time()
    name = str(client.create_or_update(command(command="echo hello", environment=Environment(image=image))).name)
    wait(client, name)
    store = client.context.store
    # What is still told to MLflow of this one is no part of the next.
    assert wait_until(lambda: store.cursor("mlflow") >= store.now(), client.context, 60)
    record = client.jobs.record(name)
    assert record.status == "Completed"
    assert record.started is not None
    assert record.ended is not None
    preparing = next(event.time for event in client.context.store.events(name) if event.text == "queued")
    return record.ended - submitted, record.started - submitted, record.started - preparing


def test_a_container_trial_beside_docker_run(
    shared_client: MLClient, base_image: str, table: Callable[[str, str, str], None]
) -> None:
    for _ in range(3):
        phases(shared_client, base_image)
        docker_run(base_image)
    ours, peers, alone = [], [], []
    for _ in range(_ROUNDS):
        ours.append(phases(shared_client, base_image))
        peers.append(docker_run(base_image))
        alone.append(engine_alone(base_image))
    whole, _, preparing = (statistics.median(one) for one in zip(*ours, strict=True))
    peer = statistics.median(peers)
    table("container job, from submit to its end", f"{whole * 1e3:.0f} ms", f"docker run --rm {peer * 1e3:.0f} ms")
    table("  added by the workbench", f"{(whole - peer) * 1e3:.0f} ms", "<= 150 ms")
    engine = statistics.median(alone)
    table("  from queued to running, image cached", f"{preparing * 1e3:.0f} ms", "<= 200 ms on an idle machine")
    table("    beyond the engine's own part of that", f"{(preparing - engine) * 1e3:.0f} ms", f"{engine * 1e3:.0f} ms")
