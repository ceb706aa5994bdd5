"""Confidence -> figures: reliability diagrams over the histogram of confidence, and risk against coverage.

Layer: beside `figures`, above `confidence`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.dots import Dot, dots
from harness.analysis.palette import QUIET, mixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from harness.analysis.confidence import Confidence
    from harness.analysis.drawing import Drawing
    from harness.analysis.palette import Look
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels beside each other."""

MOST = 8
"""Entries that are drawn: the first of the leaderboard; the table has all."""


def reliability(found: Confidence, marks: Looks) -> Drawing:
    """How often answers of each confidence are right, a panel per entry, with how often that confidence occurs."""
    names = _names(found, marks)
    columns, rows = min(COLUMNS, len(names)), math.ceil(len(names) / COLUMNS)
    canvas = drawing.figure(1.95 * rows + 0.25)
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    lowest = math.floor(10 * float(found.shares.loc[found.shares["share"] > 0, "from"].min())) / 10
    most = float(found.shares["share"].max())
    for axes, name in zip(grid.flat, names, strict=False):
        _histogram(axes, found.shares[found.shares["entry"] == name], marks[name], most=most)
        _diagram(axes, found.bins[found.bins["entry"] == name], name, marks)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(names))
        axes.tick_params(labelbottom=place + columns >= len(names))  # above an empty place as well
    grid[0][0].set_xlim(lowest - 0.02, 1.02)
    grid[0][0].set_ylim(0, 1.03)
    for row in grid:
        row[0].set_ylabel("Right", fontsize=8)
        _percents(row[0], "y")
    _percents(grid[0][0], "x")
    canvas.supxlabel("Confidence in the chosen option", fontsize=8, color=QUIET)
    caption = (
        f"Share of right answers in {_number(found.bins)} groups of equally many documents by confidence, with "
        "Wilson's 95 % intervals; on the diagonal confidence is honest, below it too high. Bars: how often each "
        f"confidence occurs, on one scale. {_pooled(found)}{_left_out(found, names)}"
    )
    return drawing.finished(canvas, name="reliability", title="Is confidence honest?", caption=caption, data=found.bins)


def risk(found: Confidence, marks: Looks) -> Drawing:
    """Error rate against the share of documents that is answered, the most confident first; a line per entry."""
    names = _names(found, marks)
    canvas = drawing.figure(2.9)
    axes, ends = canvas.subplots(), []
    for place, name in enumerate(names):
        own, look = found.risks[found.risks["entry"] == name], marks[name]
        axes.plot(own["coverage"], own["risk"], color=look.edge, linewidth=1.2, linestyle=_DASHES[place % len(_DASHES)])
        last = (float(own["coverage"].iloc[-1]), float(own["risk"].iloc[-1]))
        dots(axes, [Dot(x=last[0], y=last[1], lo=math.nan, hi=math.nan, look=look)], size=4.5)
        ends.append(drawing.End(point=last, text=wording.short(name, 24), colour=look.edge))
    axes.spines["left"].set_visible(True)
    axes.set_xlabel("Share answered, the most confident first")
    axes.set_ylabel("Error rate ↓")
    axes.set_ylim(0, None)
    axes.set_xlim(0, 1.03)
    _percents(axes, "x")
    _percents(axes, "y")
    drawing.label_ends(canvas, [(axes, ends)])
    caption = (
        "Error rate among the documents that a model is most confident of; a line that falls to the left shows that "
        f"confidence tells right from wrong. Lines are estimates, without intervals. {_pooled(found)}"
        f"{_left_out(found, names)}"
    )
    return drawing.finished(canvas, name="risk-coverage", title="Errors when only the surest answers count",
                            caption=caption, data=found.risks)  # fmt: skip


_DASHES = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


def _names(found: Confidence, marks: Looks) -> list[str]:
    known = set(found.bins["entry"])
    return [name for name in marks if name in known][:MOST]


def _diagram(axes: Axes, rows: pd.DataFrame, name: str, marks: Looks) -> None:
    look = marks[name]
    axes.plot((0, 1), (0, 1), color=QUIET, linewidth=0.8, linestyle=(0, (3, 2)), zorder=0.5)
    axes.plot(rows["confidence"], rows["accuracy"], color=look.edge, linewidth=0.8, zorder=1)
    points = rows[["confidence", "accuracy", "lo", "hi"]].itertuples(index=False, name=None)
    dots(axes, [Dot(x=x, y=y, lo=lo, hi=hi, look=look) for x, y, lo, hi in points], upright=True, size=4)
    axes.set_title(wording.short(name, 24))
    axes.spines["left"].set_visible(True)


def _histogram(axes: Axes, rows: pd.DataFrame, look: Look, *, most: float) -> None:
    """Bars at the foot of the panel, the longest of all entries a quarter of its height."""
    kept = rows[rows["share"] > 0]
    axes.bar(kept["from"], 0.25 * kept["share"] / most, width=0.9 * (kept["to"] - kept["from"]), align="edge",
             color=mixed(look.colour, "#ffffff", 0.6), zorder=0.2)  # fmt: skip


def _percents(axes: Axes, side: str) -> None:
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.tick_params(axis=side, labelsize=7.5, labelcolor=QUIET)


def _number(bins: pd.DataFrame) -> int:
    return int(bins.groupby("entry").size().max())


def _pooled(found: Confidence) -> str:
    if not found.pooled:
        return "Each entry's own tasks together: no task has log-likelihoods of all. "
    return f"Together: {wording.listing(found.pooled)}. "


def _left_out(found: Confidence, names: Sequence[str]) -> str:
    more = found.bins["entry"].nunique() - len(names)
    return f"Drawn: the first {len(names)} of the leaderboard; {more} more are in the table." if more else ""
