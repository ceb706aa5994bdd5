"""Quality against what it costs: speed, latency, memory, energy, and which entries are beaten on both beyond noise.

Layer: beside `figures`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import LogLocator

from harness.analysis import drawing, wording
from harness.analysis.palette import RULE, Look, mixed
from harness.analysis.panels import dot, log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analysis.costs import Cost, Costs
    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks


def tradeoffs(comparison: Comparison, found: Costs, marks: Looks) -> Drawing | None:
    """Mean chance-corrected score against every cost: speed, memory, time between tokens, energy, price."""
    chosen = found.found
    if not chosen:
        return None
    columns = min(2, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    number = max(len(cost.frame) for cost in chosen)
    canvas = drawing.figure(rows * min(6.5, 2.7 + 0.1 * max(6, number)))
    grid = canvas.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, cost in zip(grid.flat, chosen, strict=False):
        _draw(axes, cost, marks)
        axes.set_xlabel(cost.label)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    canvas.supylabel("Mean score, % of the way from chance to perfect", fontsize=8, color="#5f5f5f")
    drawing.settle(canvas)
    for axes, cost in zip(grid.flat, chosen, strict=False):
        points = [(float(r.value), 100 * float(r.mean)) for r in cost.frame[["value", "mean"]].itertuples()]
        drawing.label_points(axes, points, wording.distinct([str(name) for name in cost.frame.index], 22))
    data = pd.concat([cost.frame.reset_index(names="entry").assign(metric=cost.metric) for cost in chosen])
    return drawing.finished(canvas, name="tradeoffs", title="Quality against its costs",
                            caption=_caption(comparison, found, data), data=data)  # fmt: skip


def _caption(comparison: Comparison, found: Costs, data: pd.DataFrame) -> str:
    words = [
        f"Ordered by {comparison.basis}.",
        f"Costs at {found.where}." if found.where else "",
        "Bars: 95 % intervals. The grey step joins the entries that no other beats on both axes, by point estimates.",
        "Faded: dominated, since one and the same other entry is as good on both axes and better on one in at least",
        f"95 % of {found.draws:,} joint draws of score and cost, and in more where several entries could be",
        f"({int(data['dominated'].sum())} of {len(data)} points); the others may be worth having.",
    ]
    if noisy := int(data["noisy"].sum()):
        words.append(f"Hollow: the machine was not quiet ({noisy} {'points' if noisy > 1 else 'point'}).")
    return " ".join(filter(None, words))


def _draw(axes: Axes, cost: Cost, marks: Looks) -> None:
    axes.set_xscale("log")
    frame = cost.frame
    best = frame[frame["front"]].sort_values("value")
    axes.step(best["value"], 100 * best["mean"], where="post" if cost.better < 0 else "pre", color=RULE, linewidth=1.0,
              zorder=1)  # fmt: skip
    for entry, row in frame.iterrows():
        look = _faded(marks[str(entry)]) if row["dominated"] else marks[str(entry)]
        point, half = (row["value"], 100 * row["mean"]), 196 * row["mean_stderr"]
        dot(axes, point, look, ends=(row["lo"], row["hi"]), hollow=bool(row["noisy"]))
        axes.plot((point[0],) * 2, (point[1] - half, point[1] + half), color=look.edge, linewidth=1.2, zorder=2)
    axes.margins(x=0.18, y=0.1)
    axes.autoscale_view()
    log_ticks(axes, str(frame["unit"].iloc[0]))
    if axes.get_xscale() == "log" and str(frame["unit"].iloc[0]) != "B":
        _close_ticks(axes)
    axes.spines["left"].set_visible(True)


def _close_ticks(axes: Axes) -> None:
    """More ticks where a logarithmic axis spans less than a decade: 1, 2 and 5 alone would leave it with one."""
    lo, hi = axes.get_xlim()
    if hi < 10 * lo:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=9))


def _faded(look: Look) -> Look:
    return dataclasses.replace(look, colour=mixed(look.colour, "#ffffff", 0.7), edge=mixed(look.edge, "#ffffff", 0.55))
