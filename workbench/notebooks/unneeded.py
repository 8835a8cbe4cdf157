"""What papermill and jsonschema would load and a trial does not need: it reads and writes local files.

papermill looks for clients of every cloud, and jsonschema for parsers that take a second to load.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["hide_unneeded", "without_unneeded"]

_UNNEEDED = ("adlfs", "azure", "boto3", "gcsfs", "github", "isoduration", "pyarrow", "rfc3987_syntax")


def hide_unneeded(more: Iterable[str] = ()) -> list[str]:
    """Let the packages, and ``more``, be missing from now on unless they are loaded; return those that are hidden."""
    hidden = [name for name in (*_UNNEEDED, *more) if name not in sys.modules]
    # To an import, None here means that there is no such module.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    return hidden


@contextmanager
def without_unneeded(more: Iterable[str] = ()) -> Iterator[None]:
    """Let them be missing for as long as this lasts."""
    hidden = hide_unneeded(more)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
