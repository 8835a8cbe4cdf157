"""What axe, the accessibility checker, finds on a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["serious_problems"]

_AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"


def serious_problems(page: Page, *selectors: str) -> list[str]:
    """Return what is serious or critical in parts of a page: rule, element and what to do, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE.read_text())
    found: list[str] = page.evaluate(
        """async include => {
            const { violations } = await axe.run({ include }, { resultTypes: ['violations'] });
            return violations
                .filter(({ impact }) => ['serious', 'critical'].includes(impact))
                .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html} ${node.failureSummary}`));
        }""",
        [[selector] for selector in selectors],
    )
    return found
