"""``python -m workbench.notebooks``: run the notebook of the trial whose folder the environment names."""

from __future__ import annotations

import os
import sys

from workbench.notebooks.unneeded import hide_unneeded

if "workbench.notebooks.runner" not in sys.modules:
    hide_unneeded()

from workbench.notebooks.runner import main

if __name__ == "__main__":
    code = main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)  # all is saved, and there is no use in taking the interpreter down piece by piece
