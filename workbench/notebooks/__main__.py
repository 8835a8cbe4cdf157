"""``python -m workbench.notebooks``: run the notebook of the trial whose folder the environment names."""

from __future__ import annotations

import sys

# papermill looks for clients of every cloud, and jsonschema for parsers that take a second to load; a trial reads and
# writes local files. To an import, None here means that there is no such module.
for _unneeded in ("adlfs", "azure", "boto3", "gcsfs", "github", "isoduration", "pyarrow", "rfc3987_syntax"):
    sys.modules[_unneeded] = None  # type: ignore[assignment]

from workbench.notebooks.runner import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
