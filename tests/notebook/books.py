"""Small notebooks, each named for what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

__all__ = ["NOTEBOOKS", "write_notebook"]


def write_notebook(path: Path, *cells: str, parameters: str | None = None, kernel: str | None = "python3") -> Path:
    """Write a notebook of these code cells to ``path``, behind a cell with the parameters if there are any."""
    made: list[Any] = [new_code_cell(source) for source in cells]  # type: ignore[no-untyped-call]
    if parameters is not None:
        made.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))  # type: ignore[no-untyped-call]
    made.insert(0, new_markdown_cell("# A notebook"))  # type: ignore[no-untyped-call]
    book = new_notebook(cells=made)  # type: ignore[no-untyped-call]
    if kernel:
        book.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    nbformat.write(book, path)  # type: ignore[no-untyped-call]
    return path


NOTEBOOKS = {
    "computes": {
        "parameters": "x = 1",
        "cells": ["import workbench\ny = x * 2", "workbench.log(score=y)\nprint(y)", "y"],
    },
    "fails_in_cell_3": {"cells": ["a = 1", "def f():\n    return a / 0", "print('before')\nf()", "print('never')"]},
    "kernel_dies": {"cells": ["print('alive')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"]},
    "prints_a_flood": {"cells": ["for i in range(100_000):\n    print('line', i)", "print('after')"]},
    "plots": {
        "cells": [
            "%matplotlib inline\nimport matplotlib.pyplot as plt",
            "plt.plot([1, 2]);",
            "import pandas as pd\npd.DataFrame({'a': [1, 2]})",
            "from IPython.display import display\nh = display('first', display_id=True)\nh.update('second')",
            "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')",
        ]
    },
    "leaves_a_daemon": {
        "cells": [
            "import subprocess\n"
            "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\nopen('outputs/pid', 'w').write(str(p.pid))"
        ]
    },
    "waits_for_input": {"cells": ["name = input('who? ')"]},
    "uses_widgets": {
        "cells": [
            "import ipywidgets as w\nfrom IPython.display import display\ns = w.IntSlider(value=3, description='deep')\ndisplay(s)",
            "out = w.Output()\ndisplay(out)\nwith out:\n    print('inside')",
            "s.value = 7",
        ]
    },
    "non_ascii": {"parameters": "wort = 'a'", "cells": ["print(wort, '→ 日本語 🚀')", "'größe'"]},
    "no_parameters_cell": {"cells": ["print(1)"]},
}
"""Notebooks of nothing but cells, as arguments of ``write_notebook``."""
