"""What the engine is asked for, and what is concluded from its answers: without an engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from workbench.environments.network import NETWORK
from workbench.store.files import TrialFolder
from workbench.trial import container
from workbench.trial.container import Ending
from workbench.trial.spec import TrialSpec

_MIB = 1 << 20
_UUID = "GPU-5e1f"


class Engine(APIClient):  # type: ignore[misc]  # docker has no types
    """An engine that only answers what is asked before a container is made.

    Args:
        podman: whether it says that it is Podman.
        cdi: the folders in which it looks for CDI's files.
        state: of the one container that it has.
    """

    def __init__(self, *, podman: bool = False, cdi: tuple[str, ...] = (), state: dict[str, Any] | None = None) -> None:
        super().__init__(base_url="unix:///nowhere", version="1.45")
        self._podman, self._cdi, self._state = podman, cdi, state

    def inspect_image(self, _: str) -> dict[str, Any]:
        return {"Config": {"Env": ["PYTHONPATH=/theirs"]}}

    def inspect_network(self, _: str) -> dict[str, Any]:
        return {"Labels": {"workbench": "network"}, "IPAM": {"Config": [{"Gateway": "172.30.0.1"}]}}

    def info(self) -> dict[str, Any]:
        return {"CDISpecDirs": list(self._cdi)}

    def version(self, **_: Any) -> dict[str, Any]:
        return {"Components": [{"Name": "Podman Engine" if self._podman else "Engine"}]}

    def wait(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"StatusCode": 0}

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"State": self._state}


def asked(folder: Path, engine: Engine | None = None, gpus: tuple[str, ...] = (), **wanted: Any) -> dict[str, Any]:
    """Return what the engine is asked for."""
    (folder / "surroundings").write_text(json.dumps({"HF_TOKEN": "theirs"}))
    spec = TrialSpec(
        name="t",
        folder="t",
        command="true",
        surroundings=str(folder / "surroundings"),
        wake=str(folder / "wake"),
        experiment_name="e",
        display_name="t",
        created=0.0,
        gpus=list(gpus),
        variables={"WORKBENCH_WORKSPACE": str(folder)},
        environment={"image": "i", "engine": "unix:///nowhere"},
        container={"mounts": [], "port": 5000, **wanted},
    )
    options: dict[str, Any] = container._options(engine or Engine(), spec, TrialFolder(folder / "trial"))
    return options


def test_it_runs_as_the_caller_who_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setattr(os, "getgid", lambda: 54322)
    monkeypatch.setattr(os, "getgroups", lambda: [54323])
    options = asked(tmp_path)
    assert options["user"] == "54321:54322"
    assert options["host_config"]["GroupAdd"] == ["54323"]
    seen = options["environment"]
    assert (seen["USER"], seen["LOGNAME"], seen["HOME"]) == ("54321", "54321", "/tmp")
    options = asked(tmp_path, docker_args="--user 1:2")
    assert options["user"] == "1:2"
    assert "USER" not in options["environment"]


def test_limits(tmp_path: Path) -> None:
    host = asked(tmp_path, memory=64 * _MIB, nano_cpus=500_000_000)["host_config"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 * _MIB, 64 * _MIB, 500_000_000)
    assert (host["ShmSize"], host["NetworkMode"], host["Init"]) == (2 << 30, NETWORK, True)
    host = asked(tmp_path, memory=64 * _MIB, docker_args="--memory=128m")["host_config"]
    assert (host["Memory"], host["MemorySwap"]) == (128 * _MIB, 128 * _MIB)
    host = asked(tmp_path, memory=64 * _MIB, docker_args="--memory-swap=256m --cpus 2")["host_config"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 * _MIB, 256 * _MIB, 2_000_000_000)
    assert asked(tmp_path, shm_size="96m")["host_config"]["ShmSize"] == 96 * _MIB
    assert asked(tmp_path, docker_args="--shm-size=1g")["host_config"]["ShmSize"] == 1 << 30


@pytest.mark.parametrize("how", ["runtime", "cdi", "podman"])
def test_gpus_are_asked_for_by_uuid(tmp_path: Path, how: str) -> None:
    (tmp_path / "cdi").mkdir()
    if how == "cdi":
        (tmp_path / "cdi" / "nvidia.yaml").touch()
    engine = Engine(podman=how == "podman", cdi=(str(tmp_path / "cdi"), str(tmp_path / "missing")))
    host = asked(tmp_path, engine, gpus=(_UUID,))["host_config"]
    by_runtime = {"Driver": "", "DeviceIDs": [_UUID], "Capabilities": [["gpu"]]}
    by_name = {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={_UUID}"]}
    (request,) = host["DeviceRequests"]
    wanted = by_runtime if how == "runtime" else by_name
    assert {name: request[name] for name in wanted} == wanted
    assert not asked(tmp_path, engine)["host_config"].get("DeviceRequests")


def test_mounts_are_such_that_a_missing_source_is_refused(tmp_path: Path) -> None:
    mounts = [("/a:b", "/in", "ro"), ("/c", "/out", "rw")]
    host = asked(tmp_path, mounts=mounts, docker_args="-v /d:/e")["host_config"]
    found = [(one["Type"], one["Source"], one["Target"], one["ReadOnly"]) for one in host["Mounts"]]
    assert found == [("bind", "/a:b", "/in", True), ("bind", "/c", "/out", False)]
    assert host["Binds"] == ["/d:/e"]


def test_a_variable_without_a_value_has_that_of_whoever_submits(tmp_path: Path) -> None:
    seen = asked(tmp_path, docker_args="-e HF_TOKEN -e UNKNOWN -e MINE=a=b -e EMPTY=")["environment"]
    assert (seen["HF_TOKEN"], seen["MINE"], seen["EMPTY"]) == ("theirs", "a=b", "")
    assert "UNKNOWN" not in seen
    assert seen["PYTHONPATH"] == f"/theirs:{container.REPORTING}"


@pytest.mark.parametrize("runs", [True, False])
def test_what_runs_has_not_ended_whatever_else_the_engine_says(*, runs: bool) -> None:
    engine = Engine(state={"Running": runs, "ExitCode": 0, "OOMKilled": False})
    assert container._has_ended(engine, "c") is not runs
    ending = Ending(id="c")
    container._read_state(engine, ending)
    assert ending.code == (None if runs else 0)
