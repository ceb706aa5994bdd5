"""A report with a section on API models and protocols.

Layer: above `page` and `api_tables`, below `report`; pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import api, api_tables
from harness.analysis.page import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.api import Apis
    from harness.analysis.drawing import Drawing
    from harness.analysis.page import Page

LEAD = (
    "Models behind an API are asked over the network: what they cost is money, and their times are those of a service. "
    "Most of them do not say how likely a given answer is, so tasks with options are asked in up to three protocols: "
    "likelihood compares how likely each option's text is; letter lists the options in an order drawn for each "
    "document and compares how likely their letters are as the first token of the answer; generate reads a free answer "
    "by a strict grammar."
)

METHOD = "method"
"""The section that also says how API models were asked; this one stands before it."""


def joined(page: Page, found: Apis, *, drawings: Sequence[Drawing] = ()) -> Page:
    """The page with the section, with the cautions of API models, and with how they were asked among the methods."""
    shown, folded = api_tables.tables(found)
    asked = api_tables.method(found)
    sections = tuple(replace(one, tables=(*one.tables, *asked)) if one.name == METHOD else one for one in page.sections)
    if shown or folded or drawings:
        own = Section(name="protocols", title="API models and protocols", lead=LEAD, drawings=tuple(drawings),
                      tables=shown, folded=folded)  # fmt: skip
        place = next((number for number, one in enumerate(sections) if one.name == METHOD), len(sections))
        sections = (*sections[:place], own, *sections[place:])
    return replace(page, cautions=(*page.cautions, *api.cautions(found)), sections=sections)
