"""``python -m tests.chaos --kills 1000 --seed 7``: the long run, with its figures at the end."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.harness import Harness


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--image", default=None, help="run the trials in containers of this image")
    given = parser.parse_args()
    seed = secrets.randbelow(2**31) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        harness = Harness(Path(folder) / "workspace", seed, say=lambda line: print(line, flush=True), image=given.image)
        harness.run(given.kills)
    print(f"\n{harness.table()}\n{time.monotonic() - began:.0f} s, seed {seed}")
    return bool(harness.violations)


if __name__ == "__main__":
    sys.exit(main())
