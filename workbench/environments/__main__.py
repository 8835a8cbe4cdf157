"""The process that builds an environment while its job is Preparing.

``python -m workbench.environments <recipe> <cache> <report> [<engine>]``: started by the trial host with the
job's log as standard output; what it has to report is in the file ``report``.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from workbench.environments.cache import Cache, FailedBuildError
from workbench.environments.output import Output, say
from workbench.environments.recipes import VenvRecipe, read_recipe
from workbench.store.files import write_json

__all__ = ["main"]


def main(recipe_file: str, cache: str, report: str, engine: str = "") -> int:
    """Build what a recipe says, unless it is there; return the exit code."""
    recipe = read_recipe(Path(recipe_file))
    store = Cache(Path(cache), recipe.kind)
    output = Output(lambda step: write_json(Path(report), {"text": f"building the environment: {step}"}))
    began = time.monotonic()

    def build() -> dict[str, object]:
        if isinstance(recipe, VenvRecipe):
            from workbench.environments.venvs import build_venv  # noqa: PLC0415

            facts = build_venv(recipe, store, output)
        else:
            from workbench.environments.images import build_image  # noqa: PLC0415

            facts = build_image(recipe, store, engine, output)
        return {**facts, "built": time.time(), "seconds": round(time.monotonic() - began, 3)}

    try:
        _, built = store.built(recipe.key, build, say)
    except FailedBuildError as error:
        write_json(Path(report), {"error": str(error)})
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        write_json(Path(report), {"error": f"the environment could not be built: {error.strerror or error}{where}"})
        return 1
    seconds = time.monotonic() - began
    write_json(Path(report), {"built": built, "seconds": round(seconds, 3)})
    say(f"the environment is ready ({'built' if built else 'waited for'} in {seconds:.1f} s)")
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main(*sys.argv[1:]))
