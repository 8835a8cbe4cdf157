"""``python -m workbench.notebooks``: run the notebook of the trial whose folder the environment names."""

from __future__ import annotations

import sys

from workbench.notebooks.unneeded import hide_unneeded

if "workbench.notebooks.runner" not in sys.modules:
    hide_unneeded()

from workbench.notebooks.runner import main

if __name__ == "__main__":
    sys.exit(main())
