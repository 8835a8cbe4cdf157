"""Which commit of which repository a job was submitted from, with Azure's names."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["DIFF_LIMIT", "git_facts"]

DIFF_LIMIT = 1_000_000  # bytes of changes that are kept with a job
_PATIENCE = 2.0  # seconds for a repository on a slow disk; without its facts the job runs all the same
_GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_URL = "mlflow.source.git.repoURL"
_OVERRIDES = {
    _URL: "AZUREML_GIT_REPOSITORY_URI",
    "mlflow.source.git.branch": "AZUREML_GIT_BRANCH",
    "mlflow.source.git.commit": "AZUREML_GIT_COMMIT",
    "azureml.git.dirty": "AZUREML_GIT_DIRTY",
    "azureml.git.build_id": "AZUREML_GIT_BUILD_ID",
    "azureml.git.build_uri": "AZUREML_GIT_BUILD_URI",
}
_logger = logging.getLogger(__name__)


def git_facts(folder: Path) -> tuple[dict[str, str], str]:
    """Return the properties that a job gets from the repository around ``folder``, and what is changed in it.

    The variables ``AZUREML_GIT_*`` override what is found. A URL with a password or token in it is left out, with a
    warning in the log.

    Args:
        folder: the job's code.

    Returns:
        Properties, empty without a repository or without git; and the changes since the commit as ``git diff`` prints
        them, at most :data:`DIFF_LIMIT` bytes, empty when there are none.
    """
    found = _ask_git(folder)
    overrides = {key: value for key, name in _OVERRIDES.items() if (value := os.environ.get(name))}
    properties = found | overrides
    if (url := properties.get(_URL)) and _has_credentials(url):
        _logger.warning("The repository's URL is not recorded with the job: it has credentials in it")
        del properties[_URL]
    return properties, _diff(folder) if found.get("azureml.git.dirty") == "True" else ""


def _ask_git(folder: Path) -> dict[str, str]:
    status = _start(folder, "status", "--porcelain=v2", "--branch")
    remote = _start(folder, "config", "--get", "remote.origin.url")  # at the same time: each takes some milliseconds
    lines, url = _output(status), _output(remote)
    if lines is None:
        return {}
    head = dict(line[2:].split(" ", 1) for line in lines.splitlines() if line.startswith("# ") and " " in line[2:])
    changed = any(not line.startswith("# ") for line in lines.splitlines())
    return _without_gaps(
        {
            _URL: (url or "").strip(),
            "mlflow.source.git.branch": head.get("branch.head"),
            "mlflow.source.git.commit": head.get("branch.oid"),
            "azureml.git.dirty": str(changed),
        }
    )


def _without_gaps(properties: Mapping[str, str | None]) -> dict[str, str]:
    # git writes "(detached)" and "(initial)" where there is no branch and no commit
    return {key: value for key, value in properties.items() if value and not value.startswith("(")}


def _diff(folder: Path) -> str:
    process = _start(folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
    if process is None or process.stdout is None:
        return ""
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    with process:
        text = process.stdout.read(DIFF_LIMIT)
        process.kill()
    watchdog.cancel()
    return text.decode(errors="replace")


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [*_GIT, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        )
    except OSError:  # no git, or no such folder
        return None


def _output(process: subprocess.Popen[bytes] | None) -> str | None:
    if process is None:
        return None
    with process:
        try:
            out, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
    return out.decode(errors="replace") if process.returncode == 0 else None


def _has_credentials(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.password is not None or (parts.scheme in {"http", "https"} and parts.username is not None)
    except ValueError:
        return True  # nobody can tell
