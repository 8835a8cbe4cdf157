"""What a workspace must never do: listen on the network, run code from a file it reads, leave its folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import supervisor_of
from workbench import MLClient, command, load_job
from workbench.client.waiting import wait_until
from workbench.errors import ValidationException
from workbench.trial.processes import descendants, marked_processes

WriteCode = Callable[[str], str]
_LISTEN = "0A"


def listening_inodes() -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                found.add(fields[9])
    return found


def sockets_of(pid: int) -> set[str]:
    targets = []
    with suppress(FileNotFoundError):  # it has ended since: what imports a library may ask other programs things
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since
                targets.append(str(entry.readlink()))
    return {target.removeprefix("socket:[").removesuffix("]") for target in targets if target.startswith("socket:")}


def test_nothing_listens_on_the_network(ml_client: MLClient, write_code: WriteCode) -> None:
    code = write_code("import signal, workbench\nworkbench.log(m=1)\nsignal.pause()")
    name = str(ml_client.jobs.create_or_update(command(code=code, command="python train.py")).name)
    assert wait_until(lambda: bool(ml_client.context.store.points(name)), ml_client.context, 60)
    supervisor = supervisor_of(ml_client.context.workspace)
    assert supervisor is not None
    trial = marked_processes("WORKBENCH_WORKSPACE", str(ml_client.workspace_folder))
    pids = {supervisor.pid, *descendants(supervisor.pid), *trial}
    assert len(pids) >= 4, "supervisor, mirror, host and program"
    assert not set().union(*map(sockets_of, pids)) & listening_inodes()
    ml_client.jobs.begin_cancel(name).result()


@pytest.mark.parametrize(
    "line",
    [
        "command: !!python/object/apply:os.system ['touch {mark}']",
        "command: !!python/name:os.system",
        "!!python/object/new:os.system ['touch {mark}']",
    ],
)
def test_loading_yaml_runs_nothing(tmp_path: Path, line: str) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "job.yml").write_text(line.format(mark=mark))
    with pytest.raises(ValidationException, match=r"job\.yml"):
        load_job(tmp_path / "job.yml")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["../../escape", "/abs", "a/../b", "x\u2024\u2024/y", "..", ".hidden", "nul\0"])
def test_names_never_leave_the_workspace(ml_client: MLClient, name: str) -> None:
    with pytest.raises(ValidationException):
        ml_client.jobs.create_or_update(command(command="true", name=name))
    with pytest.raises(ValidationException):
        ml_client.jobs.create_or_update(command(command="echo ${{outputs.o}}", outputs={name: None}))
    assert not list(ml_client.context.workspace.runs.iterdir())
