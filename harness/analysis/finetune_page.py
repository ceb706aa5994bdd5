"""A report with a section on fine-tuning.

Layer: above `page` and `finetune_tables`, below `report`; pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import finetune_tables, finetune_words
from harness.analysis.page import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.finetune import Finetune
    from harness.analysis.page import Page

AFTER = ("comparison", "differences", "cost", "scaling", "robustness")
"""Sections that stand before this one."""

LEAD = (
    "Trained models are compared with the same model as it is (method none) on the same documents. Trainings that "
    "differ only in their seed are replicates: a row is their mean, its interval is a two-level bootstrap over "
    "documents and seeds, and the standard deviation between the seeds stands apart; with one seed it is over "
    "documents only, and with two it is rough where the seeds differ much. Smaller training sets lie within larger "
    "ones. Gaps are those of the kept weights between the dev split and as many training examples: dev loss minus "
    "train loss, share right in training minus share right in dev. With the objective language “right” asks that "
    "every token of the answer is the likeliest one, which is not the ranking of options that the task's accuracy is."
)
"""What must be known before the numbers."""

NONE = "No training has a result; the reasons are listed below."
"""What stands there when nothing could be trained."""


def joined(page: Page, measured: Finetune, comparison: Comparison, *, drawings: Sequence[Drawing] = ()) -> Page:
    """The page with the section and with sentences on fine-tuning after those of the comparison."""
    shown, folded = finetune_tables.tables(measured, comparison)
    lead = LEAD if len(measured.settings) else NONE
    section = Section(
        name="finetuning", title="Fine-tuning", lead=lead, drawings=tuple(drawings), tables=shown, folded=folded
    )
    place = sum(one.name in AFTER for one in page.sections)
    return replace(
        page,
        verdict=(*page.verdict, *finetune_words.sentences(measured, comparison)),
        sections=(*page.sections[:place], section, *page.sections[place:]),
    )
