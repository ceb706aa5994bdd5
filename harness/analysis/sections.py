"""A page with the sections that only some studies have: those of what is measured beside clean tasks and probes.

Layer: above `page`, below `report`. Each is added by a function of its own, so that a further one is one more line.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.analysis import page as pages

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa

    from harness.analysis.drawing import Drawing
    from harness.analysis.findings import Findings
    from harness.analysis.page import Page
    from harness.analysis.settings import ReportSettings


@final
@dataclass(frozen=True, kw_only=True)
class Whole:
    """A page on its way, and what stands beside it as files.

    Attributes:
        page: so far.
        found: everything that the study says of quality.
        documents: with their texts.
        settings: of the report.
        drawings: figures that were added.
        frames: tables of numbers that were added, by name.
    """

    page: Page
    found: Findings
    documents: pa.Table
    settings: ReportSettings
    drawings: tuple[Drawing, ...] = ()
    frames: tuple[tuple[str, pd.DataFrame], ...] = ()


def added(whole: Whole) -> Whole:
    """With every section that the study has records for, in the order of the page."""
    for add in SECTIONS:
        whole = add(whole)
    return replace(whole, page=pages.ordered(whole.page))


def _robustness(whole: Whole) -> Whole:
    from harness.analysis import robustness

    found = whole.found
    measured = robustness.measure(found.study, whole.documents, found.comparison)
    if measured is None:
        return whole
    from harness.analysis import figures_robustness, robust_page

    drawings = figures_robustness.draw(measured, found.comparison)
    page = robust_page.joined(whole.page, measured, found.comparison, drawings=drawings)
    return _with(whole, page, drawings, _frames("robustness", measured))


def _finetuning(whole: Whole) -> Whole:
    from harness.analysis import finetune

    found = whole.found
    measured = finetune.measure(found.study, whole.documents, found.comparison)
    if measured is None:
        return whole
    from harness.analysis import figures_finetune, finetune_page

    drawings = figures_finetune.draw(measured, found.comparison)
    page = finetune_page.joined(whole.page, measured, found.comparison, drawings=drawings)
    return _with(whole, page, drawings, _frames("finetune", measured))


def _protocols(whole: Whole) -> Whole:
    from harness.analysis import api

    found = whole.found
    asked = api.measure(found.study, whole.documents, found.comparison)
    if asked is None:
        return whole
    from harness.analysis import api_figure, api_page

    drawings = api_figure.draw(asked, found.comparison)
    return _with(whole, api_page.joined(whole.page, asked, drawings=drawings), drawings, _frames("api", asked))


def _disagreements(whole: Whole) -> Whole:
    from harness.analysis import disagreements_page

    found = whole.found
    page = disagreements_page.joined(whole.page, found.comparison, found.judged, whole.documents,
                                     baseline=whole.settings.baseline)  # fmt: skip
    return replace(whole, page=page)


def _frames(name: str, measured: Any) -> tuple[tuple[str, pd.DataFrame], ...]:
    """Every frame of what was measured that has rows."""
    held = ((field.name, getattr(measured, field.name)) for field in fields(measured))
    return tuple((f"{name}-{part.replace('_', '-')}", frame) for part, frame in held if len(frame))


def _with(
    whole: Whole, page: Page, drawings: tuple[Drawing, ...], frames: tuple[tuple[str, pd.DataFrame], ...] = ()
) -> Whole:
    return replace(whole, page=page, drawings=(*whole.drawings, *drawings), frames=(*whole.frames, *frames))


def _against(whole: Whole) -> Whole:
    if whole.settings.against is None:
        return whole
    from harness.analysis import against, against_page

    found = whole.found
    here = against.Side(name=found.study.name, comparison=found.comparison, answers=found.judged.answers)
    page = against_page.joined(whole.page, here, Path(whole.settings.against), margin=whole.settings.margin)
    return replace(whole, page=page)


SECTIONS: tuple[Callable[[Whole], Whole], ...] = (_robustness, _finetuning, _protocols, _disagreements, _against)
"""What adds a section where a study has it."""
