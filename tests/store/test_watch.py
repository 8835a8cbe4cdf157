"""A watch in a process that has many descriptors open."""

from __future__ import annotations

import os
import resource

import pytest

from workbench import MLClient
from workbench.store.watch import Watch


def test_a_watch_works_beyond_1024_descriptors(ml_client: MLClient) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Watch(ml_client.context.workspace) as watch:
            assert watch.fileno() > 1023
            assert watch.wait(0) is False
            watch.ring()
            assert watch.wait(60) is True
            assert watch.wait(0) is False
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
