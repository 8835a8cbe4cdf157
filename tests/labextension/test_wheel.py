"""What the package holds: both halves of the extension, as built, and nothing that is left behind when it goes."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

REPOSITORY = Path(__file__).parents[2]
BUILT = REPOSITORY / "workbench" / "labextension"
EXTENSION = "share/jupyter/labextensions/workbench-lab"
SERVER = "etc/jupyter/jupyter_server_config.d/workbench.json"

_MOST_AT_START = 150_000  # bytes that each page of JupyterLab loads, whether the workbench is looked at or not
_MOST = 2_500_000  # of all there is: plotly alone has nearly twice that


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, made of what is built already: npm takes a minute."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    environment = os.environ | {"HATCH_BUILD_NO_HOOKS": "true"}
    subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=True, timeout=120)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, bytes]:
    """What is in it, by where it is installed: the data below the environment, the others among its packages."""
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {re.sub(r"^workbench-[^/]+\.data/data/", "", name): archive.read(name) for name in names}


def test_the_wheel_holds_both_halves_as_built(files: dict[str, bytes]) -> None:
    built = {path.relative_to(BUILT).as_posix(): path.read_bytes() for path in BUILT.rglob("*") if path.is_file()}
    assert {"package.json", "static/style.js", "schemas/workbench-lab/plugin.json"} <= built.keys()
    inside = {name.removeprefix(f"{EXTENSION}/"): text for name, text in files.items() if name.startswith(EXTENSION)}
    installed = json.loads(inside.pop("install.json"))
    assert (installed["packageManager"], installed["packageName"]) == ("python", "workbench")
    assert inside == built
    package = json.loads(built["package.json"])
    assert package["name"] == "workbench-lab"
    assert package["jupyterlab"]["_build"]["load"] in built
    assert json.loads(files[SERVER]) == {"ServerApp": {"jpserver_extensions": {"workbench.server": True}}}
    for name in ("view.js", "widget.js", "asker.js"):
        assert files[f"workbench/views/static/{name}"]
    assert "workbench/server/extension.py" in files
    assert not [name for name in files if name.startswith("workbench/labextension/")]  # once is enough


def test_plotly_is_not_in_it_and_little_is_loaded_before_it_is_needed(files: dict[str, bytes]) -> None:
    scripts = {name.rpartition("/")[2]: text for name, text in files.items() if name.endswith(".js")}
    assert not [name for name, text in scripts.items() if b"choropleth" in text]  # as all of plotly has
    assert sum(len(text) for name, text in files.items() if name.startswith(EXTENSION)) < _MOST
    (entry,) = (name for name in scripts if name.startswith("remoteEntry"))
    (exposed,) = re.findall(r'\{"\./index":.*?\}', scripts[entry].decode())
    numbers = set(re.findall(r"\.e\((\d+)\)", exposed))
    at_start = [name for name in scripts if name.partition(".")[0] in numbers]
    assert len(at_start) >= 3  # the panel's part, the view's, and the style
    assert sum(len(scripts[name]) for name in [entry, *at_start]) < _MOST_AT_START


def test_uninstalling_leaves_nothing_behind(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"

    def uv(*command: str) -> None:
        options = ("--offline", "--no-config", "--quiet")
        subprocess.run([find_uv_bin(), *command, *options], capture_output=True, check=True, timeout=120)

    def there() -> set[Path]:
        below = (path for part in ("share/jupyter", "etc/jupyter") for path in (environment / part).rglob("*"))
        return {path for path in below if path.is_file()}

    uv("venv", "--python", sys.executable, str(environment))
    uv("pip", "install", "--python", str(environment), "--no-deps", str(wheel))
    installed = there()
    assert {environment / SERVER, environment / EXTENSION / "install.json"} <= installed
    (record,) = environment.glob("lib/*/site-packages/workbench-*.dist-info/RECORD")
    with record.open() as file:
        removed = {(record.parents[1] / row[0]).resolve() for row in csv.reader(file)}  # by pip, as by others
    assert {path.resolve() for path in installed} <= removed
    uv("pip", "uninstall", "--python", str(environment), "workbench")
    assert there() == set()
