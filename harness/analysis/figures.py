"""Comparison -> figures: scores and speeds; `draw` adds all others, each from its own module.

Layer: above `derive` and `drawing`. A figure is drawn only where it has something to show; every point that has an
interval shows it.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, halves, wording
from harness.analysis.derive import Comparison, speed_of
from harness.analysis.dots import Dot, dots
from harness.analysis.figures_calibration import reliability, risk
from harness.analysis.figures_forest import forest
from harness.analysis.figures_latency import batch, batch_prefill, context, energy, prompt
from harness.analysis.figures_matrix import heat, matrix
from harness.analysis.figures_memory import memory
from harness.analysis.figures_noise import floor, spread
from harness.analysis.figures_ranks import critical
from harness.analysis.figures_roofline import roofline
from harness.analysis.figures_scaling import sizes
from harness.analysis.figures_tradeoffs import tradeoffs
from harness.analysis.palette import QUIET, looks
from harness.analysis.panels import dot, guides, linear_ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.findings import Findings
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels beside each other."""

MOST = 12
"""Tasks with a panel each; more are a map."""


def draw(
    comparison: Comparison, *, measured: Efficiency | None = None, found: Findings | None = None
) -> tuple[Drawing, ...]:
    """Every figure that there are the numbers for, in the order of the report.

    Args:
        comparison: the entries and their scores.
        measured: what the probes of the same study say; None for what the comparison holds of them.
        found: what the same study says of quality; None leaves out what needs single documents.
    """
    measured = comparison.efficiency if measured is None else measured
    look = looks(comparison.entries)
    marks = {str(entry): look[str(entry)] for entry in comparison.entries["entry"]}  # in the order of the leaderboard
    jobs: list[Callable[[], Drawing | None]] = [lambda: scores(comparison, marks)]
    jobs += _of_findings(found, marks) if found else []
    jobs += [lambda: sizes(comparison, marks), lambda: heat(comparison), lambda: speeds(comparison, marks)]
    jobs += [partial(make, measured, comparison.entries, marks) for make in EFFICIENCY]
    jobs += [lambda: spread(found.study, comparison, marks)] if found else []
    jobs += [lambda: floor(measured)]
    with drawing.style():
        return tuple(one for one in halves.done(jobs) if one is not None)


def _of_findings(found: Findings, marks: Looks) -> list[Callable[[], Drawing | None]]:
    told = found.confidence
    jobs: list[Callable[[], Drawing | None]] = [
        lambda: forest(found.forest, marks), lambda: tradeoffs(found.comparison, found.costs, marks),
        lambda: matrix(found.judged, found.comparison), lambda: critical(found.ranking, marks),
    ]  # fmt: skip
    return jobs if told is None else [*jobs, lambda: reliability(told, marks), lambda: risk(told, marks)]


EFFICIENCY: tuple[Callable[[Efficiency, pd.DataFrame, Looks], Drawing | None], ...] = (
    batch, batch_prefill, prompt, context, roofline, memory, energy,
)  # fmt: skip
"""Figures of what probes measured."""


def scores(comparison: Comparison, marks: Looks) -> Drawing | None:
    """Dots with 95 % intervals, one panel per task, chance as a dashed line; None of more than `MOST` tasks."""
    tasks = [task for task in comparison.tasks.itertuples(index=False) if _measured(comparison, str(task.task))]
    if not tasks or len(tasks) > MOST:
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
        row[0].set_yticks(range(len(order)), wording.distinct(order, 24))
    grid[0][0].set_ylim(len(order) - 0.4, -0.6)
    data = comparison.scores[["entry", "task", "metric", "value", "lo", "hi", "n", "chance", "status"]]
    caption = (
        "Score on each task with its 95 % interval (Wilson for right-or-wrong scores, else normal). "
        "Dashed: chance. Arrows in the headings point to the better side; no dot: no result."
    )
    return drawing.finished(canvas, name="scores", title="Scores by task", caption=caption, data=data)


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
    grid[0].set_yticks(range(len(order)), wording.distinct(order, 24))
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
    order = {entry: place for place, entry in enumerate(comparison.entries["entry"])}
    known = rows.loc[rows["value"].notna(), ["value", "lo", "hi"]] * factor
    dots(axes, [Dot(x=x, y=order[entry], lo=lo, hi=hi, look=marks[entry]) for entry, x, lo, hi in known.itertuples()])
    if task.percent and pd.notna(task.chance) and task.chance > 0:
        axes.axvline(factor * task.chance, color=QUIET, linewidth=0.9, linestyle=(0, (3, 2)), zorder=0.5)
    unit = f"{wording.metric(task.metric)}{', %' if task.percent else ''}{_ARROWS[task.arrow]}"
    axes.set_title(wording.short(str(task.task), 24))
    axes.set_xlabel(wording.short(unit, 30))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.margins(x=0.08)


_ARROWS = {"↑": " →", "↓": " ←", "": ""}


def _speed_panel(axes: Axes, frame: pd.DataFrame, order: list[str], marks: Looks) -> None:
    guides(axes, len(order))
    for index, entry in enumerate(order):
        if entry in frame.index:
            row = frame.loc[entry]
            dot(axes, (row["value"], index), marks[entry], ends=(row["lo"], row["hi"]))
    axes.set_xlim(0, 1.12 * float(np.nanmax(frame[["value", "hi"]].to_numpy())))
    linear_ticks(axes, str(frame["unit"].iloc[0]))
