"""Forest -> its figure: paired differences from a baseline with intervals, the line of no difference, and the margin.

Layer: beside `figures`, above `forest` and `dots`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD008 - sizes on paper are literals
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.comparisons import MEAN
from harness.analysis.dots import BAND, Dot, dots, signs
from harness.analysis.equivalence import LEGEND, SIGNS
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import guides

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.forest import Forest
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels beside each other."""

MOST = 12
"""Panels; of more tasks the mean is drawn, and the tasks are a map beside it."""


def forest(found: Forest | None, marks: Looks) -> Drawing | None:
    """Differences from the baseline, a panel for the mean and for each task; of many tasks a map beside the mean."""
    if found is None:
        return None
    frame = found.frame
    names = [name for name in marks if name in set(frame["entry"])]
    tasks = list(dict.fromkeys(frame["task"]))
    canvas = _panels(found, tasks, names, marks) if len(tasks) <= MOST else _mapped(found, tasks, names, marks)
    return drawing.finished(canvas, name="forest", title=f"Differences from {wording.short(found.baseline, 40)}",
                            caption=_caption(found, mapped=len(tasks) > MOST), data=frame)  # fmt: skip


def _caption(found: Forest, *, mapped: bool) -> str:
    per_task, overall = found.tests
    why = "as the settings ask" if found.named else "the first of the leaderboard"
    tests = " and ".join(part for part in (f"{per_task} on tasks" if per_task else "",
                                           f"{overall} on the mean" if overall else "") if part)  # fmt: skip
    family = "a family of its own" if found.named else "the family of all pairs, since the data chose the baseline"
    points = 100 * found.margin
    return " ".join((
        f"Paired differences from {wording.short(found.baseline, 40)} ({why}) on identical documents, with 95 %",
        "intervals; to the right is better, also where lower scores are. Line: no difference; band:",
        f"±{points:g} point{'' if points == 1 else 's'}, what counts as equivalent. {LEGEND}; of Holm-adjusted tests",
        f"({tests}: {family}). Filled: a difference was shown.",
        "Map: differences in points, or in the unit of the metric; no sign: inconclusive." if mapped else "",
    )).strip()  # fmt: skip


def _panels(found: Forest, tasks: list[str], names: list[str], marks: Looks) -> Figure:
    rows, columns = math.ceil(len(tasks) / COLUMNS), min(COLUMNS, len(tasks))
    pitch = 0.2 if len(names) <= 10 else 0.155
    canvas = drawing.figure(rows * (0.78 + pitch * max(2, len(names))) + 0.1)
    grid = canvas.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, task in zip(grid.flat, tasks, strict=False):
        _panel(axes, found, task, names, marks)
    for axes in grid.flat[len(tasks) :]:
        axes.set_visible(False)
    percent = found.frame.drop_duplicates("task").set_index("task")["percent"]
    _one_scale([axes for axes, task in zip(grid.flat, tasks, strict=False) if percent[task] and task != MEAN])
    for row in grid:
        _named(row[0], names)
    return canvas


def _named(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), wording.distinct(names, 24))
    axes.set_ylim(len(names) - 0.4, -0.6)


def _panel(axes: Axes, found: Forest, task: str, names: list[str], marks: Looks) -> None:
    rows = found.frame[found.frame["task"] == task].set_index("entry")
    percent, unit = bool(rows["percent"].iloc[0]), str(rows["unit"].iloc[0])
    factor = 100.0 if percent else 1.0
    guides(axes, len(names))
    axes.axvspan(-factor * found.margin, factor * found.margin, color=BAND, linewidth=0, zorder=-1)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=0.5)
    heights = {name: place for place, name in enumerate(names) if name in rows.index}
    dots(axes, [_dot(rows.loc[name], height, factor, marks[name]) for name, height in heights.items()])
    signs(axes, {height: str(rows.at[name, "verdict"]) for name, height in heights.items()})
    whole = task == MEAN
    axes.set_title("Mean of tasks" if whole else wording.short(task, 24))
    words = "points, corrected" if whole else "points" if percent else "score" if unit == "1" else unit
    axes.set_xlabel(f"{words} →")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0.08)


def _dot(row: pd.Series, height: int, factor: float, look: object) -> Dot:
    shown = row["verdict"] in {"better", "worse"}
    return Dot(x=factor * row["diff"], y=height, lo=factor * row["ci_lo"], hi=factor * row["ci_hi"], look=look,
               hollow=not shown)  # fmt: skip


def _one_scale(panels: list[Axes]) -> None:
    """Points are points: the same scale for all tasks that are shown in per cent."""
    ends = np.array([axes.get_xlim() for axes in panels]).reshape(-1, 2)
    for axes in panels:
        axes.set_xlim(ends[:, 0].min(), ends[:, 1].max())


def _mapped(found: Forest, tasks: list[str], names: list[str], marks: Looks) -> Figure:
    """The mean as dots, and every task as a column of a map in one order of rows."""
    canvas = drawing.figure(1.5 + 0.185 * len(names))
    whole = tasks[0] == MEAN
    shown = tasks[1:] if whole else tasks
    ratios = [2.2, 5.0] if whole else [0.01, 7.0]
    left, right = canvas.subplots(1, 2, width_ratios=ratios, sharey=True)
    if whole:
        _panel(left, found, MEAN, names, marks)
    left.set_visible(whole)
    wide = found.frame.set_index(["entry", "task"])
    keys = [[(name, task) for task in shown] for name in names]
    factors = np.where(found.frame.drop_duplicates("task").set_index("task").loc[shown, "percent"], 100.0, 1.0)
    values = np.array([[wide["diff"].get(key, np.nan) for key in row] for row in keys]) * factors
    right.imshow(values / _reach(values, factors > 1), cmap="PuOr", vmin=-2, vmax=2, aspect="auto")
    for i, row in enumerate(keys):
        for j, key in enumerate(row):
            word = str(wide["verdict"].get(key, ""))
            text = wording.MISSING if not word else _number(values[i, j], 0 if factors[j] > 1 else 2)
            sign = "" if word in {"", "inconclusive"} else SIGNS[word]
            right.text(j, i, f"{text}\n{sign}" if sign else text, ha="center", va="center", fontsize=5, color=INK,
                       linespacing=0.9, in_layout=False)  # fmt: skip
    right.set_xticks(range(len(shown)), [wording.short(task, 18) for task in shown], rotation=60, ha="right",
                     rotation_mode="anchor", fontsize=6.5)  # fmt: skip
    right.spines[["bottom", "left"]].set_visible(False)
    right.tick_params(length=0, labelleft=not whole)
    right.set_title("By task", color=QUIET)
    _named(left if whole else right, names)
    return canvas


def _reach(values: np.ndarray, percent: np.ndarray) -> np.ndarray:
    """What the colours of each column end at: one end for all that are in points, its own for any other metric."""
    ends = np.nanmax(np.abs(values), axis=0)
    ends[percent] = ends[percent].max(initial=0.0)
    return np.where(ends > 0, ends, 1.0)


def _number(value: float, decimals: int) -> str:
    """A number for a small cell, without the sign of a zero."""
    said = f"{value:.{decimals}f}"
    return said.removeprefix("-") if float(said) == 0 else said
