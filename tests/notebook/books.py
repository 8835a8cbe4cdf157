"""Small notebooks, each named for what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

__all__ = ["NOTEBOOKS", "write_named", "write_notebook"]


def write_notebook(
    path: Path, *cells: str, parameters: str | None = None, kernel: str | None = "python3", language: str = "python"
) -> Path:
    """Write a notebook of these code cells to ``path``, behind a cell with the parameters if there are any."""
    made: list[Any] = [new_code_cell(source) for source in cells]
    if parameters is not None:
        made.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    made.insert(0, new_markdown_cell("# A notebook"))
    book = new_notebook(cells=made)
    if kernel:
        book.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": language}
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    path.write_text(nbformat.writes(book))
    return path


def write_named(folder: Path, name: str) -> Path:
    """Write one of ``NOTEBOOKS`` into a folder."""
    parameters, cells = NOTEBOOKS[name]
    return write_notebook(folder / f"{name}.ipynb", *cells, parameters=parameters)


NOTEBOOKS: dict[str, tuple[str | None, list[str]]] = {
    "computes": (
        "x = 1  # a number",
        ["import workbench\ny = x * 2", "workbench.log(score=y)\nworkbench.output('twice', {'y': y})\nprint(y)", "y"],
    ),
    "fails_in_cell_3": (
        None,
        ["a = 1", "def f():\n    return a / 0", "print('before')\nf()", "print('never')"],
    ),
    "kernel_dies": (None, ["print('alive')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"]),
    "prints_a_flood": (None, ["for i in range(100_000):\n    print('line', i)", "print('after')"]),
    "plots": (
        None,
        [
            "%matplotlib inline\nimport matplotlib.pyplot as plt",
            "plt.plot([1, 2]);",
            "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
            "from IPython.display import display\nh = display('first', display_id=True)\nh.update('second')",
            "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')",
            "import sys\nprint('to out', flush=True)\nprint('to err', file=sys.stderr)",
        ],
    ),
    "leaves_a_daemon": (
        None,
        [
            "import subprocess\np = subprocess.Popen(['sleep', '1000'], start_new_session=True)",
            "_ = open('outputs/pid', 'w').write(str(p.pid))",
        ],
    ),
    "waits_for_input": (None, ["name = input('who? ')"]),
    "uses_widgets": (
        None,
        [
            "import ipywidgets as w\nfrom IPython.display import display",
            "s = w.IntSlider(value=3, description='deep')\ndisplay(s)",
            "out = w.Output()\ndisplay(out)\nwith out:\n    print('inside')",
            "s.value = 7",
        ],
    ),
    "floods_a_widget": (
        None,
        [
            "import ipywidgets as w\nout = w.Output()\nout",
            "with out:\n    print('\\n'.join(f'line {i}' for i in range(100_000)))\n    print('after')",
            "with out:\n    print('more')",
        ],
    ),
    "non_ascii": ("wort = 'a'", ["print(wort, '→ 日本語 🚀')", "'größe'"]),
    "no_parameters_cell": (None, ["print(1)"]),
}
"""The source of the parameters cell, if there is one, and those of the cells behind it."""
