"""Whoever submits a chaos round and waits for its end, in a process that may be killed: ``client.py ROOT PLAN``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.chaos.plan import Plan
from workbench import MLClient
from workbench.client.waiting import wait_until
from workbench.errors import NotFoundError


def main(root: str, plan: Plan) -> None:
    client = MLClient(path=root)
    try:
        client.jobs.get(plan.name)
    except NotFoundError:
        client.create_or_update(plan.sweep())
    wait_until(lambda: client.jobs.record(plan.name).status.is_finished, client.context)


if __name__ == "__main__":
    main(sys.argv[1], Plan(**json.loads(Path(sys.argv[2]).read_text())))
