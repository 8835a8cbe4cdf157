"""What a build prints: passed on as it comes, its last lines kept for an error."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Sequence

from workbench.environments.cache import FailedBuildError

__all__ = ["Output", "say"]

_KEPT = 20  # lines


def say(text: str) -> None:
    """Print a line into the log of the job that waits."""
    print(text, flush=True)  # noqa: T201 - standard output is that log


class Output:
    """The lines of one build.

    Args:
        tell: is told each step as it begins.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._step = ""
        self._last: deque[str] = deque(maxlen=_KEPT)

    def begin(self, step: str) -> None:
        """Say what comes now."""
        self._step = step
        self._tell(step)

    def line(self, text: str) -> None:
        """Pass on a line."""
        self._last.append(text)
        say(text)

    def failed(self, why: str = "failed") -> FailedBuildError:
        """Return the error of a build that failed in the step that was begun last."""
        return FailedBuildError("\n".join([f"the environment could not be built: {self._step} {why}", *self._last]))

    def run(self, command: Sequence[str], step: str) -> None:
        """Run a command of the build, which is its step ``step``.

        Raises:
            FailedBuildError: it ended with an error.
        """
        self.begin(step)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                self.line(line.rstrip("\n"))
        if process.returncode != 0:
            raise self.failed()
