"""Comparison -> maps: every pair on the mean with its verdict, and every score with its interval.

Layer: beside `figures`, above `comparisons`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004 - sizes on paper are literals
from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from harness.analysis import drawing, wording
from harness.analysis.equivalence import LEGEND, SIGNS
from harness.analysis.palette import INK, QUIET, RULE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing

WORSE: Mapping[str, str] = MappingProxyType({"better": "worse", "worse": "better"})
"""The verdict seen from the other side."""

SHADES = LinearSegmentedColormap.from_list("shades", ("#ffffff", "#cfe3f1", "#7fb5da"))
"""Shades of scores: one hue, light enough for ink everywhere, and in order in grey."""

MOST = 24
"""Entries or tasks beside each other: more cannot be read."""


def matrix(judged: Judged, comparison: Comparison) -> Drawing | None:
    """The difference of the means of every two entries, row minus column, with its verdict; None of two entries."""
    frame = judged.means
    names = [entry for entry in comparison.entries["entry"] if entry in {*frame["a"], *frame["b"]}]
    if not 2 < len(names) <= MOST:
        return None
    values, words = np.full((len(names),) * 2, np.nan), np.full((len(names),) * 2, "", dtype=object)
    rank = {name: place for place, name in enumerate(names)}
    for a, b, diff, word in frame[["a", "b", "diff", "verdict"]].itertuples(index=False, name=None):
        i, j = rank[a], rank[b]
        values[i, j], values[j, i] = 100 * diff, -100 * diff
        words[i, j], words[j, i] = word, WORSE.get(word, word)
    canvas = drawing.figure(1.15 + 0.27 * len(names))
    axes = canvas.subplots()
    reach = float(np.nanmax(np.abs(values))) or 1.0
    axes.imshow(values, cmap="PuOr", vmin=-2 * reach, vmax=2 * reach, aspect="auto")
    size = 7.0 if len(names) <= 8 else 6.0 if len(names) <= 13 else 5.0
    for i, j in np.ndindex(values.shape):
        said = "" if i == j else wording.MISSING if not words[i, j] else f"{values[i, j]:+.1f} {SIGNS[words[i, j]]}"
        axes.text(j, i, said, ha="center", va="center", fontsize=size, color=INK, in_layout=False)
    _labels(axes, names, names)
    caption = (
        "Difference of the mean corrected scores in points, row minus column, on identical documents. "
        f"{LEGEND} (the row beside the column; Holm-adjusted over {len(frame)} pairs)."
    )
    return drawing.finished(canvas, name="matrix", title="Every pair on the mean", caption=caption,
                            data=frame[["a", "b", "diff", "ci_lo", "ci_hi", "p_holm", "verdict"]])  # fmt: skip


def heat(comparison: Comparison) -> Drawing | None:
    """Every score as a cell, half of its interval in small type; None without two entries and two tasks."""
    tasks = comparison.tasks[:MOST]
    names = list(comparison.entries["entry"])[:MOST]
    if len(names) < 2 or len(tasks) < 2:
        return None
    rows = comparison.scores.set_index(["entry", "task"])
    canvas = drawing.figure(1.2 + (0.3 if len(tasks) <= 10 else 0.2) * len(names))
    axes = canvas.subplots()
    shades = np.full((len(names), len(tasks)), np.nan)
    for j, task in enumerate(tasks.itertuples(index=False)):
        shades[:, j] = _shades(np.array([rows["value"].get((name, task.task), np.nan) for name in names]), task)
    axes.imshow(shades, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    axes.set_facecolor(RULE)
    for j, task in enumerate(tasks.itertuples(index=False)):
        for i, name in enumerate(names):
            key = (name, task.task)
            said = _cell(rows.loc[key], task, small=len(tasks) > 10) if key in rows.index else wording.MISSING
            axes.text(j, i, said, ha="center", va="center", fontsize=6.5 if len(tasks) <= 10 else 5, in_layout=False,
                      color=INK)  # fmt: skip
    _labels(axes, names, [str(task) for task in tasks["task"]])
    more = max(len(comparison.entries) - MOST, 0), max(len(comparison.tasks) - MOST, 0)
    below = " Below: half of the 95 % interval." if len(tasks) <= 10 else ""
    caption = (
        "Scores in per cent, or in the unit of the metric. Shade: the way from chance to perfect; of other metrics "
        f"from the worst of these entries to the best.{below}"
        f"{f' Not drawn: {more[0]} entries and {more[1]} tasks; the leaderboard has all.' if any(more) else ''}"
    )
    data = comparison.scores[["entry", "task", "metric", "value", "lo", "hi", "n", "status"]]
    return drawing.finished(canvas, name="heatmap", title="Models by tasks", caption=caption, data=data)


def _shades(values: np.ndarray, task: Any) -> np.ndarray:
    if task.percent:
        chance = 0.0 if pd.isna(task.chance) else float(task.chance)
        return np.clip((values - chance) / (1 - chance), 0, 1)
    known = values[np.isfinite(values)]
    if not len(known) or known.max() == known.min():
        return np.where(np.isfinite(values), 0.5, np.nan)
    share = (values - known.min()) / (known.max() - known.min())
    return share if task.higher else 1 - share


def _cell(row: pd.Series, task: Any, *, small: bool) -> str:
    if pd.isna(row["value"]):
        return wording.STATUSES.get(str(row["status"]), wording.MISSING)
    half = (row["hi"] - row["lo"]) / 2
    if task.percent:
        value, spread = wording.percent(row["value"]), f"±{wording.percent(half)}"
    else:
        value = wording.significant(row["value"])
        spread = wording.spread(row["value"], half, str(task.unit)) if np.isfinite(half) else ""
    return value if small or not np.isfinite(half) else f"{value}\n{spread}"


def _labels(axes: Axes, rows: list[str], columns: list[str]) -> None:
    axes.set_yticks(range(len(rows)), wording.distinct(rows, 24))
    axes.set_xticks(range(len(columns)), wording.distinct(columns, 20), rotation=35, ha="right",
                    rotation_mode="anchor", fontsize=7, color=QUIET)  # fmt: skip
    axes.spines[["bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
