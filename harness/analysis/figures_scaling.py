"""Comparison -> the figure of scores against size: a fitted line with its band from four sizes of a family on.

Layer: beside `figures`, above `scaling`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004 - sizes on paper are literals
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, scaling, wording
from harness.analysis.dots import Dot, dots
from harness.analysis.palette import FAMILIES, NAMES, QUIET
from harness.analysis.panels import log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels beside each other."""

MOST = 12
"""Panels; of more tasks the mean alone is drawn."""

MEAN = "mean, corrected (%)"
"""Heading of the panel of the mean."""


def sizes(comparison: Comparison, marks: Looks) -> Drawing | None:
    """Scores against parameters, one colour per family; a line only through four sizes of a family or more."""
    frame = data(comparison)
    if frame["parameters"].nunique() < 2:
        return None
    panels = list(dict.fromkeys(frame["task"]))
    left_out = len(panels) - 1 if len(panels) > MOST and panels[0] == MEAN else 0
    panels = panels[:1] if left_out else panels
    rows = math.ceil(len(panels) / COLUMNS)
    canvas = drawing.figure((2.6 if left_out else 1.75 * rows) + 0.35)
    grid = canvas.subplots(rows, min(COLUMNS, len(panels)), squeeze=False, sharex=True)
    grid[0][0].set_xscale("log")
    for axes, task in zip(grid.flat, panels, strict=False):
        _panel(axes, frame[frame["task"] == task], marks)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(panels))
        axes.tick_params(labelbottom=place + COLUMNS >= len(panels))  # above an empty place as well
    log_ticks(grid[0][0], "params")
    canvas.supxlabel("Parameters (log scale)", fontsize=8, color=QUIET)
    number = frame.groupby("family")["parameters"].nunique()
    lined = set(number.index[number >= scaling.LEAST])
    used = [family for family in FAMILIES if family in {look.family for look in marks.values()}]
    handles = [_handle(family, line=family in lined) for family in used]
    canvas.legend(handles, [NAMES[f] for f in used], loc="outside upper left", ncols=7, frameon=False, fontsize=8,
                  handletextpad=0.3, columnspacing=1.4)  # fmt: skip
    caption = " ".join(filter(None, (
        "Score against the number of parameters, 95 % intervals; dotted: chance.", fits(frame),
        f"The {left_out} tasks one by one are in the data." if left_out else "",
    )))  # fmt: skip
    return drawing.finished(canvas, name="scaling", title="Quality against size", caption=caption, data=frame)


def fits(frame: pd.DataFrame) -> str:
    """Which families have a line, and why the others have none."""
    number = frame.groupby("family")["parameters"].nunique().sort_index()
    lines = [NAMES.get(str(f), str(f)) for f in number.index[number >= scaling.LEAST]]
    few = number[number < scaling.LEAST]
    none = [f"{count} of {NAMES.get(str(family), str(family))}" for family, count in few.items()]
    words = []
    if lines:
        words.append(f"Lines: least squares in the logarithm of size, with the 95 % band of the line "
                     f"({wording.listing(lines)}).")  # fmt: skip
    if none:
        words.append(f"No line through fewer than {scaling.LEAST} sizes of a family ({wording.listing(none)}).")
    return " ".join(words)


def data(comparison: Comparison) -> pd.DataFrame:
    """One row per entry and panel: the mean first, then every task, in the unit of its axis."""
    entries = comparison.entries.dropna(subset=["parameters"])
    known = entries.set_index("entry")[["family", "parameters"]]
    mean = entries[["entry", "mean", "mean_stderr"]].dropna(subset=["mean"])
    first = pd.DataFrame({"entry": mean["entry"], "task": MEAN, "value": 100 * mean["mean"],
                          "lo": 100 * (mean["mean"] - 1.96 * mean["mean_stderr"]),
                          "hi": 100 * (mean["mean"] + 1.96 * mean["mean_stderr"]), "chance": 0.0})  # fmt: skip
    tasks = comparison.tasks.set_index("task")
    rest = comparison.scores.loc[comparison.scores["value"].notna(), ["entry", "task", "value", "lo", "hi", "chance"]]
    rest = rest.sort_values(["task", "entry"])
    factor = np.where(rest["task"].map(tasks["percent"]).astype(bool), 100.0, 1.0)
    rest = rest.assign(**{name: rest[name] * factor for name in ("value", "lo", "hi", "chance")})
    names = {name: f"{name} ({'%' if row.percent else row.unit})" for name, row in tasks.iterrows()}
    both = pd.concat([part for part in (first, rest.assign(task=rest["task"].map(names))) if len(part)] or [first])
    return both.join(known, on="entry", how="inner").astype({"parameters": "float64"}).reset_index(drop=True)


def _panel(axes: Axes, frame: pd.DataFrame, marks: Looks) -> None:
    rows = frame[["entry", "parameters", "value", "lo", "hi"]].itertuples(index=False, name=None)
    dots(axes, [Dot(x=x, y=y, lo=lo, hi=hi, look=marks[entry]) for entry, x, y, lo, hi in rows], upright=True, size=4.5)
    axes.margins(x=0.12)
    heights = axes.get_ylim()
    for family, group in frame.groupby("family"):
        _line(axes, group, FAMILIES.get(str(family), FAMILIES["other"]))
    axes.set_ylim(heights)  # the band of a line through four sizes may be wider than all there is to see
    chance = frame["chance"].dropna()
    if len(chance) and chance.iloc[0] > 0:
        axes.axhline(chance.iloc[0], color=QUIET, linewidth=0.9, linestyle=":", zorder=0.5)
    axes.set_title(wording.short(str(frame["task"].iloc[0]), 26))
    axes.spines["left"].set_visible(True)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _line(axes: Axes, group: pd.DataFrame, colour: str) -> None:
    """The fitted line of one family with its band, where it has sizes enough."""
    if group["parameters"].nunique() < scaling.LEAST:
        return
    reach = np.geomspace(group["parameters"].min(), group["parameters"].max(), 40)
    line, lo, hi = scaling.fit(group["parameters"], group["value"]).at(reach)
    axes.plot(reach, line, color=colour, linewidth=1.1, zorder=1)
    axes.fill_between(reach, lo, hi, color=colour, alpha=0.13, linewidth=0, zorder=0.4)


def _handle(family: str, *, line: bool) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=FAMILIES[family], marker="o", linewidth=1.2 if line else 0, markersize=4.5)
