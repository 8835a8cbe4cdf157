from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import browser

__all__ = ["Table", "browser"]

Table = Callable[[str, str, str], None]


@pytest.fixture(scope="module")
def table() -> Table:
    """What prints a row: what is measured, the figure, and its budget or peer."""
    print(f"\n\n{'what':58} {'measured':>16} {'budget or peer':>24}")

    def row(what: str, measured: str, against: str) -> None:
        print(f"{what:58} {measured:>16} {against:>24}")

    return row
