"""The house stands: imports point one way, and importing the workbench costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

PACKAGE = Path(workbench.__file__).parent

# Each room with the rooms it may import; the order of the design, from the ground up.
MAY_IMPORT = {
    "errors": set(),
    "definition": {"errors"},
    "search": {"errors", "definition"},
    "store": {"errors", "definition"},
    "environments": {"errors", "definition", "store"},
    "trial": {"errors", "definition", "store", "environments"},
    "testing": {"errors", "definition", "store", "trial"},
    "tracking": {"errors", "definition", "store", "environments", "trial"},
    "notebooks": {"errors", "definition", "store", "trial"},
    "supervisor": {"errors", "definition", "search", "store", "environments", "trial"},
    "client": {
        "errors",
        "definition",
        "search",
        "store",
        "environments",
        "trial",
        "notebooks",
        "tracking",
        "supervisor",
    },
    "cli": {"errors", "definition", "store", "environments", "client"},
    "views": {"errors", "definition", "store", "trial", "notebooks", "client"},
    "server": {"errors", "definition", "store", "client", "views"},
    "magics": {"errors", "definition", "store", "notebooks", "client", "views"},
    # The flat modules of the public surface only re-export.
    "entities": {"definition"},
    "sweep": {"definition"},
    "constants": {"definition"},
    "exceptions": {"errors"},
}


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "workbench" and len(parts) > 1 else None


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [node.module or ""]
            if node.module == "workbench":
                names = [f"workbench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {room for name in names if (room := room_of(name))}
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_one_way(file: Path) -> None:
    room = file.relative_to(PACKAGE).with_suffix("").parts[0]
    assert room in MAY_IMPORT, f"{room} is not in the plan of the house"
    forbidden = imports_of(file) - MAY_IMPORT[room] - {room}
    assert not forbidden, f"{file.name} imports {sorted(forbidden)}"


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_workbench_loads_nothing_heavy() -> None:
    assert not loaded_by("import workbench") & {"mlflow", "pandas", "plotly", "pydantic", "optuna", "numpy", "rich"}


def test_a_trial_host_loads_the_standard_library_and_its_own_room_only() -> None:
    modules = loaded_by("import workbench.trial.host")
    assert not modules & {"pydantic", "numpy", "sqlite3", "subprocess", "asyncio", "shutil"}


def test_the_supervisor_never_loads_mlflow() -> None:
    modules = loaded_by("import workbench.supervisor.loop")
    assert not modules & {"mlflow", "pandas", "optuna", "scipy", "sqlalchemy"}


def test_the_server_and_its_worker_load_nothing_heavy_before_it_is_needed() -> None:
    heavy = {"mlflow", "numpy", "pandas", "plotly", "optuna", "scipy", "sqlalchemy"}
    assert not loaded_by("import workbench.server.extension") & heavy
    assert not loaded_by("import workbench.server.worker_main") & (heavy | {"jupyter_server", "tornado", "pydantic"})


def test_every_public_name_exists_and_is_listed() -> None:
    for file in MODULES:
        tree = ast.parse(file.read_text())
        listed = next(
            (
                ast.literal_eval(node.value)
                for node in tree.body
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
            ),
            None,
        )
        public = {
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        }
        assert listed is not None or not public, f"{file} has no __all__"
        missing = public - set(listed or ())
        assert not missing or file.name == "cli.py", f"{file}: {sorted(missing)} not in __all__"
