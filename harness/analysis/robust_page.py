"""A report with a section on robustness.

Layer: above `page` and `robust_tables`, below `report`; pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import robust_tables, robust_words
from harness.analysis.page import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.page import Page
    from harness.analysis.robustness import Robustness

AFTER = ("comparison", "cost", "tasks", "classification")
"""Sections that stand before this one."""

LEAD = (
    "Every varied cell is compared with the clean one of the same model on the same documents. Strict perturbations "
    "surely keep the meaning, soft ones are likely to, fairness ones speak of another person with the same answer."
)

NONE = "No varied cell has a result; the reasons are listed below."
"""What stands there when nothing could be measured."""


def joined(page: Page, measured: Robustness, comparison: Comparison, *, drawings: Sequence[Drawing]) -> Page:
    """The page with the section and with sentences on robustness after those of the comparison."""
    shown, folded = robust_tables.tables(measured, comparison)
    lead = LEAD if shown or folded or drawings else NONE
    section = Section(
        name="robustness", title="Robustness", lead=lead, drawings=tuple(drawings), tables=shown, folded=folded
    )
    place = sum(one.name in AFTER for one in page.sections)
    return replace(
        page,
        verdict=(*page.verdict, *robust_words.sentences(measured, comparison)),
        sections=(*page.sections[:place], section, *page.sections[place:]),
    )
