"""Workspaces with real supervisors, and none left running."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from workbench.client.ml_client import MLClient
from workbench.store.files import WorkspaceFolder
from workbench.store.workspace import open_workspace
from workbench.trial.processes import Identity, end_tree, is_alive, marked_processes

_NETWORKED = ("tests/browser/", "tests/containers/", "tests/chaos/", "03_containers", "in a container")
NOTHING_MAY_BE_SKIPPED = bool(os.environ.get("WORKBENCH_CI"))

# Unasked, Hypothesis takes an example that lasts a fifth of a second for a failure: a machine that is busy has those.
settings.register_profile("workbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("workbench")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Where all parts are installed, a test that skips has found one missing: that is a failure."""
    report = yield
    if NOTHING_MAY_BE_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and nothing may be: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests were run again: one that passed then has a race, which is to be mended."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"run again: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


class _SideBySide(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Runs different files side by side, but no browser beside containers.

    Each container makes and removes a network interface, and a browser breaks off what it loads when one changes.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "network" if any(sign in nodeid for sign in _NETWORKED) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _SideBySide:
    """Say which tests run side by side."""
    return _SideBySide(config, log)


@pytest.fixture(autouse=True, scope="session")
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of whoever runs the tests decides what they see."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job hands this on to all below it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("WORKBENCH_", "MLFLOW_", "AZUREML_")):
                patch.delenv(name)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("WORKBENCH_LEASES", str(tmp_path_factory.mktemp("leases")))
        yield


@pytest.fixture(autouse=True)
def _mlflow_address_is_left_alone() -> Iterator[None]:
    """A client points its process's MLflow at a workspace; what comes after a test must not find that."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once: its migrations take seconds."""
    from workbench.tracking.database import prepare

    database = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    prepare(database)
    return database


@contextmanager
def client_of(root: Path, mlflow_database: Path) -> Iterator[MLClient]:
    """Yield a client on a new workspace whose MLflow is ready; end everything that runs in it afterwards."""
    workspace = open_workspace(root)
    for file in mlflow_database.parent.iterdir():
        shutil.copy(file, workspace.hidden / file.name)
    before = os.environ.get("MLFLOW_TRACKING_URI")
    client = MLClient(path=root)
    try:
        yield client
    finally:
        if before is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        stop_everything(workspace)
        client.context.store.close()


def supervisor_of(workspace: WorkspaceFolder) -> Identity | None:
    """Return the supervisor that lives in ``workspace``, or None."""
    try:
        found = Identity.of(int(workspace.supervisor_lock.read_text()))
    except (FileNotFoundError, ValueError):
        return None
    return found if found and is_alive(found) and _may_be_supervisor(found, workspace) else None


def _may_be_supervisor(process: Identity, workspace: WorkspaceFolder) -> bool:
    """Return whether a process is no other that has the number of a supervisor that was killed: those come round."""
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return False
    return not words or (b"workbench.supervisor" in words and os.fsencode(workspace.root) in words)


def stop_everything(workspace: WorkspaceFolder) -> None:
    """End the supervisor first, so that it starts nothing more, then every trial of the workspace."""
    if supervisor := supervisor_of(workspace):
        os.kill(supervisor.pid, signal.SIGKILL)
    end_tree(lambda: marked_processes("WORKBENCH_WORKSPACE", str(workspace.root)), grace=0)


@pytest.fixture(scope="session")
def base_image() -> str:
    """An image with Python in a real engine; where there is none the test skips."""
    from tests.engine import BASE
    from workbench.environments.engine import address, connect
    from workbench.errors import EngineError

    try:
        images = connect(address()).images(BASE)
    except EngineError as error:
        pytest.skip(str(error))
    if not images:
        pytest.skip(f"there is no image {BASE}; make it with: python -m tests.engine true")
    return BASE


@pytest.fixture
def ml_client(tmp_path: Path, mlflow_database: Path) -> Iterator[MLClient]:
    """A client on a workspace of this test's own."""
    with client_of(tmp_path / "workspace", mlflow_database) as client:
        yield client


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[MLClient]:
    """A client on a workspace that the tests of one module share, with its supervisor warm."""
    with client_of(tmp_path_factory.mktemp("shared") / "workspace", mlflow_database) as client:
        yield client


@pytest.fixture
def write_code(tmp_path: Path) -> Callable[[str], str]:
    """Write a ``train.py`` into a folder of its own and return the folder."""

    def write(text: str) -> str:
        folder = tmp_path / f"code{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "train.py").write_text(text)
        return str(folder)

    return write
