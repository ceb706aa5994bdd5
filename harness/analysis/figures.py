"""Comparison -> figures: scores, scaling, speeds; `draw` adds those of costs and of efficiency.

Layer: above `derive` and `drawing`. A figure is drawn only where it has something to show; every point that has an
interval shows it.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD008, PD101 - sizes on paper are literals; nunique leaves gaps out
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.derive import Comparison, speed_of
from harness.analysis.figures_latency import batch, batch_prefill, context, energy, prompt
from harness.analysis.figures_memory import memory
from harness.analysis.figures_roofline import roofline
from harness.analysis.figures_tradeoffs import tradeoffs
from harness.analysis.palette import FAMILIES, NAMES, QUIET, looks
from harness.analysis.panels import dot, guides, linear_ticks, log_ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels beside each other."""


def draw(comparison: Comparison, *, measured: Efficiency | None = None) -> tuple[Drawing, ...]:
    """Every figure that there are the numbers for, in the order of the report.

    Args:
        comparison: the entries and their scores.
        measured: what the probes of the same study say; None for what the comparison holds of them.
    """
    measured = comparison.efficiency if measured is None else measured
    makers: tuple[Callable[[Comparison, Looks], Drawing | None], ...] = (scores, scaling, speeds)
    marks = looks(comparison.entries)
    with drawing.style():
        found = [make(comparison, marks) for make in makers]
        found.insert(1, tradeoffs(comparison, measured, marks))
        found += [make(measured, comparison.entries, marks) for make in EFFICIENCY]
    return tuple(one for one in found if one is not None)


EFFICIENCY: tuple[Callable[[Efficiency, pd.DataFrame, Looks], Drawing | None], ...] = (
    batch, batch_prefill, prompt, context, roofline, memory, energy,
)  # fmt: skip
"""Figures of what probes measured."""


def scores(comparison: Comparison, marks: Looks) -> Drawing | None:
    """Dots with 95 % intervals, one panel per task, chance as a dashed line."""
    tasks = [task for task in comparison.tasks.itertuples(index=False) if _measured(comparison, str(task.task))]
    if not tasks:
        return None
    order = list(comparison.entries["entry"])
    rows = math.ceil(len(tasks) / COLUMNS)
    canvas = drawing.figure(rows * (0.75 + 0.2 * len(order)) + 0.1)
    grid = canvas.subplots(rows, min(COLUMNS, len(tasks)), squeeze=False, sharey=True)
    for axes, task in zip(grid.flat, tasks, strict=False):
        _scores_panel(axes, comparison, task, marks)
    for axes in grid.flat[len(tasks) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_yticks(range(len(order)), [wording.short(entry, 24) for entry in order])
    grid[0][0].set_ylim(len(order) - 0.4, -0.6)
    data = comparison.scores[["entry", "task", "metric", "value", "lo", "hi", "n", "chance", "status"]]
    caption = (
        "Score on each task with its 95 % interval (Wilson for right-or-wrong scores, else normal). "
        "Dashed: chance. Arrows in the headings point to the better side; no dot: no result."
    )
    return drawing.finished(canvas, name="scores", title="Scores by task", caption=caption, data=data)


def scaling(comparison: Comparison, marks: Looks) -> Drawing | None:
    """Scores against parameters, a line per family; a fitted line only through four sizes or more."""
    frame = _scaling_data(comparison)
    if frame["parameters"].nunique() < 2:
        return None
    panels = list(dict.fromkeys(frame["task"]))
    rows = math.ceil(len(panels) / COLUMNS)
    canvas = drawing.figure(1.75 * rows + 0.35)
    grid = canvas.subplots(rows, min(COLUMNS, len(panels)), squeeze=False)
    for axes, task in zip(grid.flat, panels, strict=False):
        _scaling_panel(axes, frame[frame["task"] == task], marks)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    canvas.supxlabel("Parameters (log scale)", fontsize=8, color=QUIET)
    used = [family for family in FAMILIES if family in {look.family for look in marks.values()}]
    handles = [_handle(family) for family in used]
    canvas.legend(handles, [NAMES[f] for f in used], loc="outside upper left", ncols=7, frameon=False,
                  fontsize=8, handletextpad=0.3, columnspacing=1.4)  # fmt: skip
    caption = (
        "Score against the number of parameters, 95 % intervals. Lines join the sizes of one family; dotted: chance."
    )
    if (frame.groupby("family")["parameters"].nunique() >= 4).any():
        caption += " Dashed: least-squares line in log parameters, for families with at least four sizes."
    return drawing.finished(canvas, name="scaling", title="Quality against size", caption=caption, data=frame)


def speeds(comparison: Comparison, marks: Looks) -> Drawing | None:
    """Speed, latency and memory of every entry: dots with intervals on axes that start at zero."""
    wanted = (("decode_tok_s", "Decode, tok/s ↑"), ("prefill_tok_s", "Prefill, tok/s ↑"),
              ("ttft", "First token ↓"), ("peak_memory", "Peak memory ↓"))  # fmt: skip
    found = [(metric, title, speed_of(comparison, metric)) for metric, title in wanted]
    found = [(metric, title, frame) for metric, title, frame in found if len(frame)]
    if not any(metric != "peak_memory" for metric, _, _ in found):
        return None
    order = list(comparison.entries["entry"])
    canvas = drawing.figure(0.75 + 0.2 * len(order))
    grid = canvas.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axes, (_, title, frame) in zip(grid, found, strict=True):
        _speed_panel(axes, frame, order, marks)
        axes.set_title(title)
    grid[0].set_yticks(range(len(order)), [wording.short(entry, 24) for entry in order])
    grid[0].set_ylim(len(order) - 0.4, -0.6)
    data = pd.concat([frame.reset_index().assign(metric=metric) for metric, _, frame in found])
    caption = (
        "Medians over repeats with 95 % bootstrap intervals where there are at least three. All axes start at zero."
    )
    return drawing.finished(canvas, name="speeds", title="Speed and memory", caption=caption, data=data)


def _measured(comparison: Comparison, task: str) -> bool:
    return bool(comparison.scores.loc[comparison.scores["task"] == task, "value"].notna().any())


def _scores_panel(axes: Axes, comparison: Comparison, task: Any, marks: Looks) -> None:
    factor = 100.0 if task.percent else 1.0
    rows = comparison.scores[comparison.scores["task"] == task.task].set_index("entry")
    guides(axes, len(comparison.entries))
    for index, entry in enumerate(comparison.entries["entry"]):
        if entry in rows.index and pd.notna(rows.at[entry, "value"]):
            row = rows.loc[entry]
            dot(axes, (factor * row["value"], index), marks[entry], ends=(factor * row["lo"], factor * row["hi"]))
    if task.percent and pd.notna(task.chance) and task.chance > 0:
        axes.axvline(factor * task.chance, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0.5)
    unit = f"{wording.metric(task.metric)}{', %' if task.percent else ''}{_ARROWS[task.arrow]}"
    axes.set_title(wording.short(str(task.task), 24))
    axes.set_xlabel(wording.short(unit, 30))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0.08)


_ARROWS = {"↑": " →", "↓": " ←", "": ""}


def _scaling_data(comparison: Comparison) -> pd.DataFrame:
    """One row per entry and panel: the mean first, then every task, in the unit of its axis."""
    entries = comparison.entries.dropna(subset=["parameters"])
    sizes = entries.set_index("entry")[["family", "parameters"]]
    mean = entries[["entry", "mean", "mean_stderr"]].dropna(subset=["mean"])
    first = pd.DataFrame({"entry": mean["entry"], "task": "mean, corrected (%)", "value": 100 * mean["mean"],
                          "lo": 100 * (mean["mean"] - 1.96 * mean["mean_stderr"]),
                          "hi": 100 * (mean["mean"] + 1.96 * mean["mean_stderr"]), "chance": 0.0})  # fmt: skip
    tasks = comparison.tasks.set_index("task")
    rest = comparison.scores.loc[comparison.scores["value"].notna(), ["entry", "task", "value", "lo", "hi", "chance"]]
    rest = rest.sort_values(["task", "entry"])
    factor = np.where(rest["task"].map(tasks["percent"]).astype(bool), 100.0, 1.0)
    rest = rest.assign(**{name: rest[name] * factor for name in ("value", "lo", "hi", "chance")})
    names = {name: f"{name} ({'%' if row.percent else row.unit})" for name, row in tasks.iterrows()}
    both = pd.concat([part for part in (first, rest.assign(task=rest["task"].map(names))) if len(part)] or [first])
    return both.join(sizes, on="entry", how="inner").astype({"parameters": "float64"}).reset_index(drop=True)


def _scaling_panel(axes: Axes, frame: pd.DataFrame, marks: Looks) -> None:
    axes.set_xscale("log")
    for family, group in frame.sort_values("parameters").groupby("family"):
        colour = FAMILIES.get(str(family), FAMILIES["other"])
        if group["parameters"].nunique() >= 4:
            slope, start = np.polyfit(np.log10(group["parameters"]), group["value"], 1)
            axes.plot(group["parameters"], start + slope * np.log10(group["parameters"]), "--", color=colour, lw=0.9)
        elif group["parameters"].nunique() > 1:
            axes.plot(group["parameters"], group["value"], color=colour, lw=1.1, zorder=1)
        for row in group.itertuples(index=False):
            look = marks[row.entry]
            axes.plot((row.parameters,) * 2, (row.lo, row.hi), color=look.edge, linewidth=1.0, zorder=2)
            axes.plot(row.parameters, row.value, look.marker, color=look.colour, markeredgecolor=look.edge,
                      markersize=4.5, markeredgewidth=0.7, zorder=3)  # fmt: skip
    chance = frame["chance"].dropna()
    if len(chance) and chance.iloc[0] > 0:
        axes.axhline(chance.iloc[0], color=QUIET, linewidth=0.9, linestyle=":", zorder=0.5)
    axes.set_title(wording.short(str(frame["task"].iloc[0]), 26))
    axes.spines["left"].set_visible(True)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.margins(x=0.12)
    log_ticks(axes, "params")
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _handle(family: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=FAMILIES[family], marker="o", linewidth=1.2, markersize=4.5)


def _speed_panel(axes: Axes, frame: pd.DataFrame, order: list[str], marks: Looks) -> None:
    guides(axes, len(order))
    for index, entry in enumerate(order):
        if entry in frame.index:
            row = frame.loc[entry]
            dot(axes, (row["value"], index), marks[entry], ends=(row["lo"], row["hi"]))
    axes.set_xlim(0, 1.12 * float(np.nanmax(frame[["value", "hi"]].to_numpy())))
    linear_ticks(axes, str(frame["unit"].iloc[0]))
