"""Figures of a report as a notebook shows them.

Layer: beside `report`; it knows nothing of notebooks but the method that they ask for.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, final

from harness.analysis import derive, figures, findings, frame, page, sections
from harness.analysis.current import current
from harness.analysis.settings import ReportSettings

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.drawing import Drawing
    from harness.analysis.frame import Studies


@final
@dataclass(frozen=True, kw_only=True)
class Picture:
    """One figure with its caption and the numbers behind it.

    Attributes:
        drawing: the figure.
    """

    drawing: Drawing

    @property
    def data(self) -> pd.DataFrame:
        """The numbers behind it."""
        return self.drawing.data

    def _repr_html_(self) -> str:
        """The figure as an image, so that nothing in it can clash with other figures of a page, and its caption."""
        data = base64.b64encode(self.drawing.svg).decode()
        title, caption = escape(self.drawing.title), escape(self.drawing.caption)
        return (
            f'<figure style="margin: 0.5em 0; max-width: 56em"><img alt="{title}" style="width: 100%; background: '
            f'white" src="data:image/svg+xml;base64,{data}"><figcaption style="font-size: 90%; opacity: 0.8">{caption}'
            "</figcaption></figure>"
        )


def pictures(study: Studies) -> dict[str, Picture]:
    """Every figure of the report of a study, by name.

    Raises:
        ValueError: a folder that does not exist.
    """
    records, documents, settings = frame.read(study), frame.documents(study), ReportSettings()
    comparison = derive.compare(records)
    found = findings.find(current(records), comparison, documents)
    drawings = figures.draw(comparison, found=found)
    first = page.compose(found, drawings=drawings, settings=settings)
    whole = sections.added(sections.Whole(page=first, found=found, documents=documents, settings=settings))
    return {drawing.name: Picture(drawing=drawing) for drawing in (*drawings, *whole.drawings)}
