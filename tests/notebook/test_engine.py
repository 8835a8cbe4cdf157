"""The engine outside of trials, and held against papermill's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
import zmq
from jupyter_client.channels import AsyncZMQSocketChannel, ZMQSocketChannel
from papermill.engines import papermill_engines

from tests.notebook.books import NOTEBOOKS, write_notebook
from workbench.notebooks.engine import WorkbenchEngine

TIMES = {"start_time", "end_time", "duration", "output_path"}


@pytest.fixture(autouse=True, scope="module")
def _engine() -> None:
    papermill_engines.register("workbench", WorkbenchEngine)


@pytest.fixture(autouse=True)
def _papermill_hears_replies_that_cross(monkeypatch: pytest.MonkeyPatch) -> None:
    """Papermill's own engine can wait for ever in a cell with an Output widget; see ``AlertChannel``."""

    def send(self: AsyncZMQSocketChannel, msg: dict[str, Any]) -> None:
        ZMQSocketChannel.send(self, msg)
        if self.socket is not None:
            self.socket.get(zmq.EVENTS)

    monkeypatch.setattr(AsyncZMQSocketChannel, "send", send, raising=False)


def execute(source: Path, target: Path, engine: str | None, parameters: dict[str, Any] | None = None) -> Any:
    """Execute a notebook and return what lies on disk then, whether it failed or not."""
    try:
        papermill.execute_notebook(source, target, parameters, engine_name=engine, progress_bar=False)
    except papermill.PapermillExecutionError as error:
        return comparable(target), str(error)
    return comparable(target), None


def comparable(path: Path) -> Any:
    """Return a notebook without times, identities of models and cells, and where its text was cut into messages."""
    book = nbformat.reads(path.read_text(), as_version=4)
    for part in [book, *book.cells]:
        for name in TIMES & part.metadata.get("papermill", {}).keys():
            del part.metadata.papermill[name]
    for cell in book.cells:
        cell.pop("id", None)
        if "execution" in cell.metadata:
            cell.metadata.execution = sorted(cell.metadata.execution)
        if "outputs" in cell:
            cell.outputs = joined(cell.outputs)
    for widgets in book.metadata.get("widgets", {}).values():
        # By kind: the models' names are made up anew each time.
        widgets.state = sorted(widgets.state.values(), key=lambda model: (model.model_name, json.dumps(model)))
    text = json.dumps(book, sort_keys=True)
    found = dict.fromkeys(re.findall(r"[0-9a-f]{32}|ipykernel_\d+/\d+|0x[0-9a-f]+", text))
    for number, identity in enumerate(found):
        text = text.replace(identity, f"<{number}>")
    return json.loads(text)


def joined(outputs: list[Any]) -> list[Any]:
    made: list[Any] = []
    for output in outputs:
        if made and output.output_type == "stream" and made[-1].get("name") == output.name:
            made[-1].text += output.text
        else:
            made.append(output)
    return made


@pytest.mark.parametrize("names", [("non_ascii", "plots", "uses_widgets"), ("fails_in_cell_3",)])
def test_the_executed_notebook_equals_papermills(tmp_path: Path, names: tuple[str, ...]) -> None:
    cells = [cell for name in names for cell in NOTEBOOKS[name][1]]
    source = write_notebook(tmp_path / "a.ipynb", *cells, parameters=NOTEBOOKS[names[0]][0])
    parameters = {"wort": "ß"} if NOTEBOOKS[names[0]][0] else None
    expected = execute(source, tmp_path / "theirs.ipynb", None, parameters)
    assert execute(source, tmp_path / "ours.ipynb", "workbench", parameters) == expected


def test_the_command_line_of_papermill_knows_the_engine(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "print(x)\nx + 1", parameters="x = 1")
    command = [sys.executable, "-m", "papermill", "--engine", "workbench", "-p", "x", "41", "a.ipynb", "b.ipynb"]
    command += ["--no-progress-bar"]
    ran = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    book = nbformat.reads((tmp_path / "b.ipynb").read_text(), as_version=4)
    assert [cell.outputs[0].get("text") for cell in book.cells[-1:]] == ["41\n"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, "b.ipynb"]


def test_the_output_notebook_is_whole_at_any_moment(tmp_path: Path) -> None:
    cells = [f"for i in range(40):\n    print('{'x' * 2000}', flush=True)\n# {number}" for number in range(6)]
    source, target = write_notebook(tmp_path / "a.ipynb", *cells), tmp_path / "b.ipynb"
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            if target.exists():
                seen.append(len(json.loads(target.read_text())["cells"]))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        papermill.execute_notebook(source, target, engine_name="workbench", progress_bar=False)
    finally:
        done.set()
        reader.join()
    assert set(seen) == {7}, "a reader saw half a notebook"
    assert len(seen) > 10


def test_a_kernel_outside_a_trial_keeps_its_signal_handlers(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "import signal\nsignal.getsignal(signal.SIGTERM) == signal.SIG_DFL")
    papermill.execute_notebook(source, tmp_path / "b.ipynb", engine_name="workbench", progress_bar=False)
    assert "True" in (tmp_path / "b.ipynb").read_text()
