"""What is said when the engine cannot be used: each of it by a real engine, or a real socket."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.supervisor.test_sweeps_end_to_end import finish
from workbench import MLClient, command
from workbench.entities import BuildContext, Environment
from workbench.environments.engine import address, connect
from workbench.environments.network import gateway
from workbench.errors import EngineError, ValidationException

_NOBODY = 65534
_IMAGE = "workbench-test-tiny"
_SIZE = 48  # MiB of the disk of the small engine


def said_to(user: int, socket: Path) -> str:
    """Return what a user of this machine is told who wants to use the engine at a socket."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            connect(f"unix://{socket}")
        except EngineError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return text


def test_a_user_who_may_not_use_the_socket(base_image: str) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    socket = Path(address().removeprefix("unix://"))
    assert said_to(os.getuid(), socket) == ""
    assert said_to(_NOBODY, socket) == (
        f"environment: this user may not use the container engine at {socket}. "
        "Let an administrator run: sudo usermod -aG docker $USER; then log in again"
    )


def test_without_an_engine_the_rest_works_and_a_container_job_says_what_is_missing(
    shared_client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    job = command(command="true", environment=Environment(image="python:3.12"))
    monkeypatch.setattr("shutil.which", lambda name, *_: f"/usr/sbin/{name}")
    with pytest.raises(
        EngineError, match=r"container engine is not running: nothing answers at .*nothing\.sock. Start it"
    ):
        shared_client.jobs.create_or_update(job)
    monkeypatch.setattr("shutil.which", lambda *_: None)
    with pytest.raises(
        EngineError, match=r"needs Docker or Podman, and there is none on this machine.*apt-get install"
    ):
        shared_client.jobs.create_or_update(job)
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(EngineError, match="is not on this machine"):
        shared_client.jobs.create_or_update(job)
    monkeypatch.undo()
    assert finish(shared_client, command(command="true")).status == "Completed"


@pytest.fixture(scope="module")
def full_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another Docker Engine, with a small disk that is full, and an image that has room for nothing."""
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("only root can start another engine, where Docker's is installed")
    root = tmp_path_factory.mktemp("engine")
    place = f"unix://{root}/socket"
    with ExitStack() as undo:
        (root / "data").mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}m", "tmpfs", str(root / "data")], check=False
        )
        if mounted.returncode != 0 and not NOTHING_MAY_BE_SKIPPED:
            pytest.skip("this root may not mount")
        undo.callback(subprocess.run, ["umount", "--lazy", str(root / "data")], check=True)
        places = ("--data-root", root / "data", "--exec-root", root / "run", "--pidfile", root / "pid")
        apart = ("unshare", "--net")  # the machine's network is the other engine's
        with (root / "log").open("wb") as log:
            engine = subprocess.Popen([*apart, "dockerd", *map(str, places), "--host", place], stdout=log, stderr=log)
        undo.callback(engine.wait, 300)
        undo.callback(engine.terminate)
        until = time.monotonic() + 300
        while not (root / "socket").exists():
            assert engine.poll() is None, (root / "log").read_text()
            assert time.monotonic() < until, (root / "log").read_text()
            time.sleep(0.05)  # nothing tells that it listens
        api = connect(place)
        empty = io.BytesIO()
        with tarfile.open(fileobj=empty, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("file"))
        api.import_image_from_data(empty.getvalue(), repository=_IMAGE)
        gateway(place)
        with (root / "data" / "filler").open("wb") as filler:
            while _has_room(filler):
                pass
        yield place


def _has_room(filler: io.BufferedWriter) -> bool:
    try:
        filler.write(bytes(1 << 20))
        filler.flush()
    except OSError:
        return False
    return True


def test_the_disk_of_the_engine_is_full(
    shared_client: MLClient, full_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", full_engine)
    done = finish(shared_client, command(command="true", environment=Environment(image=_IMAGE)))
    assert done.status == "Failed"
    assert (done.error or "").startswith(
        "the disk that the container engine uses is full; make room: docker system df shows what takes it"
    ), done.error
    assert "no space left on device" in (done.error or "")
    (tmp_path / "Dockerfile").write_text(f"FROM {_IMAGE}\nCOPY large /large\n")
    (tmp_path / "large").write_bytes(os.urandom(1 << 20))
    done = finish(
        shared_client, command(command="true", environment=Environment(build=BuildContext(path=str(tmp_path))))
    )
    assert done.status == "Failed"
    assert (done.error or "").startswith("the environment could not be built:"), done.error
    assert "the disk that the container engine uses is full; make room" in (done.error or ""), done.error


def test_arguments_that_are_not_understood_are_told_at_submit(shared_client: MLClient) -> None:
    with pytest.raises(
        ValidationException, match=r"docker_args: '--frobnicate' is not understood. Understood here are"
    ):
        shared_client.jobs.create_or_update(command(command="x", resources={"docker_args": "--frobnicate"}))
