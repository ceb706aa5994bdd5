"""Score against US dollars: what a right answer of an API model costs, a panel per task.

Layer: beside `figures`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis import drawing, wording
from harness.analysis.palette import QUIET, looks
from harness.analysis.panels import DASHES, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analysis.api import Apis
    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks

COLUMNS = 3
"""Panels beside each other."""


def draw(found: Apis, comparison: Comparison) -> tuple[Drawing, ...]:
    """Score against price, where two models have a price on the same task; else nothing."""
    frame = found.costs.dropna(subset=["usd_per_1000", "value"])
    frame = frame[frame["usd_per_1000"] > 0]
    number = frame.groupby("task")["entry"].transform("nunique") if len(frame) else frame["task"]
    frame = frame[number > 1] if len(frame) else frame
    if frame.empty:
        return ()
    names = [str(task) for task in comparison.tasks["task"] if task in set(frame["task"])]
    with drawing.style():
        return (_drawing(frame, names, comparison, looks(comparison.entries)),)


def _drawing(frame: pd.DataFrame, names: list[str], comparison: Comparison, marks: Looks) -> Drawing:
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    canvas = drawing.figure(2.5 * rows + 0.2)
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True)
    known = comparison.tasks.set_index("task")
    for axes, task in zip(grid.flat, names, strict=False):
        percent = bool(known.at[task, "percent"])  # noqa: PD008 - one value of a labelled frame
        _panel(axes, frame[frame["task"] == task], marks, factor=100.0 if percent else 1.0)
        axes.set_title(wording.short(task, 66 // columns))
        axes.set_ylabel(f"{wording.metric(str(known.at[task, 'metric']))}{', %' if percent else ''}")  # noqa: PD008
        chance = known.at[task, "chance"]  # noqa: PD008
        if percent and pd.notna(chance):
            axes.axhline(100 * chance, color=QUIET, linewidth=0.9, linestyle=DASHES, zorder=0.5)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes in list(grid.flat[: len(names)])[-columns:]:
        axes.set_xlabel("USD per 1,000 documents")
    log_ticks(grid.flat[0], "USD")
    drawing.settle(canvas)
    for axes, task in zip(grid.flat, names, strict=False):
        _names(axes, frame[frame["task"] == task], factor=100.0 if known.at[task, "percent"] else 1.0)  # noqa: PD008
    data = frame[["entry", "task", "protocol", "usd_per_1000", "usd_per_right", "value", "lo", "hi", "n"]]
    caption = (
        "Score of each API model on each task against the price of 1,000 documents that it answered, at the prices of "
        "the days on which they were paid; bars are 95 % intervals, dashed lines are chance. Above and to the left is "
        "better. Prompts of one task are the same for all; models split them into tokens of their own."
    )
    return drawing.finished(canvas, name="api-costs", title="Score against price", caption=caption, data=data)


def _panel(axes: Axes, rows: pd.DataFrame, marks: Looks, *, factor: float) -> None:
    axes.set_xscale("log")
    for one in rows.itertuples(index=False):
        look = marks[str(one.entry)]
        if pd.notna(one.lo):
            ends = (factor * one.lo, factor * one.hi)
            axes.plot((one.usd_per_1000,) * 2, ends, color=look.edge, linewidth=1.2, zorder=2)
        axes.plot(one.usd_per_1000, factor * one.value, look.marker, color=look.colour, markeredgecolor=look.edge,
                  markeredgewidth=0.8, zorder=3)  # fmt: skip
    axes.margins(x=0.25, y=0.15)
    axes.spines["left"].set_visible(True)


def _names(axes: Axes, rows: pd.DataFrame, *, factor: float) -> None:
    points = [(float(one.usd_per_1000), factor * float(one.value)) for one in rows.itertuples(index=False)]
    drawing.label_points(axes, points, [wording.short(str(name), 20) for name in rows["entry"]])
