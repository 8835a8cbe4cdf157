"""Dockerfiles that only BuildKit builds: which these are, and building them through Docker's ``buildx``.

The engine's API reaches its classic builder alone, which refuses some of this and silently gets the rest wrong.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import IO

from workbench.environments.output import Output

__all__ = ["build_with_buildkit", "what_needs_buildkit"]

_FLAG = re.compile(
    r"^\s*(RUN|COPY|ADD)\s+(?:--\S+\s+)*?"
    r"(--(?:mount|network|security|link|chmod|checksum|parents|exclude|keep-git-dir))\b",
    re.IGNORECASE,
)
_HEREDOC = re.compile(r"^\s*(RUN|COPY|ADD)\s(?:.*\s)?(<<-?[\"']?\w+)", re.IGNORECASE)
_STEP = re.compile(r"^#\d+ (\[(?!internal\b).*\d+/\d+\] .*)$")
_FAILED_STEP = re.compile(r"^ > (\[.*\].*?):?$")


def what_needs_buildkit(dockerfile: str) -> str | None:
    """Return the first thing in a Dockerfile that only BuildKit understands, with its line; None without any."""
    for number, line in enumerate(dockerfile.splitlines(), 1):
        if found := _FLAG.match(line) or _HEREDOC.match(line):
            return f"{found[1].upper()} {found[2]} in line {number}"
    return None


def build_with_buildkit(
    context: IO[bytes],
    *,
    dockerfile: str,
    tag: str,
    labels: Mapping[str, str],
    buildargs: Mapping[str, str],
    engine: str,
    why: str,
    output: Output,
) -> None:
    """Build an image as ``docker buildx build`` does.

    Args:
        context: an archive of the files.
        dockerfile: path in there.
        tag: of the image.
        labels: of the image.
        buildargs: arguments of the build.
        engine: address of the engine.
        why: what needs BuildKit.
        output: is told the steps and the lines.

    Raises:
        FailedBuildError: there is no such plug-in, or the build failed.
    """
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "buildx", "version"], capture_output=True, check=False).returncode:
        output.begin(f"{why} of {dockerfile}")
        raise output.failed(
            "can be built by BuildKit only, and its plug-in for Docker is not there; install it: "
            "sudo apt-get install docker-buildx (docker-buildx-plugin from Docker's own repository), "
            "or write the step without it"
        )
    output.begin("sending the files to the engine")
    words = [docker, "buildx", "build", "--builder", "default", "--load", "--progress", "plain", "--file", dockerfile]
    words += ["--tag", tag, *(word for name, text in labels.items() for word in ("--label", f"{name}={text}"))]
    words += [word for name, text in buildargs.items() for word in ("--build-arg", f"{name}={text}")]
    with subprocess.Popen(
        [*words, "-"],
        stdin=context,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DOCKER_HOST": engine},
        text=True,
        errors="replace",
    ) as process:
        for text in process.stdout or ():
            line = text.rstrip("\n")
            if step := _STEP.match(line) or _FAILED_STEP.match(line):
                output.begin(step[1])
            if line.strip():
                output.line(line)
    if process.returncode != 0:
        raise output.failed()
