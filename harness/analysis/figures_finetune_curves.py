"""Fine-tuning -> learning curves: losses by step, with the step whose weights were kept.

Layer: below `figures_finetune`, above `figures_changes`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD101 - sizes on paper are literals; nunique leaves gaps out
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.figures_changes import key
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import DASHES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.finetune import Finetune
    from harness.analysis.panels import Looks

COLUMNS = 4
"""Panels of learning curves beside each other."""

MOST = 16
"""Panels of learning curves; of more settings, those of most examples come first."""

SMOOTH = 8
"""Windows that fit beside each other in a smoothed training loss."""


def learning(measured: Finetune, marks: Looks) -> Drawing | None:
    """Loss on training and dev examples by step, a panel per setting; the step whose weights were kept is marked."""
    curves = measured.curves[measured.curves["curve"] != "dev accuracy"]
    if curves.empty:
        return None
    keys, left = _chosen(curves)
    columns = max(2, min(COLUMNS, len(keys))) if len(keys) != 5 else 3
    rows, several = math.ceil(len(keys) / columns), curves["model"].nunique() > 1
    canvas = drawing.figure((2.4 if columns < 3 else 1.75 if several else 1.6) * rows + 0.7)
    grid = canvas.subplots(rows, columns, squeeze=False)
    for axes, place in zip(grid.flat, keys, strict=False):
        own = _at(curves, place)
        _loss_panel(axes, own, _best(measured.trainings, place), marks[str(own["how"].iloc[0])].edge)
        axes.set_title(_title(own.iloc[0], several=several, width=84 // columns), fontsize=8)
    for axes in grid.flat[len(keys) :]:
        axes.set_visible(False)
    _same_heights(list(grid.flat), [task for _, task, _ in keys])
    canvas.supxlabel("Optimiser step", fontsize=8, color=QUIET)
    canvas.supylabel("Loss, nats ↓", fontsize=8, color=QUIET)
    _loss_key(canvas, curves)
    data = pd.concat([_at(measured.curves, place) for place in keys])
    return drawing.finished(canvas, name="finetune-curves", title="Learning curves",
                            caption=_learning_caption(data, left), data=data)  # fmt: skip


def _learning_caption(data: pd.DataFrame, left: int) -> str:
    smooth = int(data[data["curve"] == "train loss"].groupby(["id", "task", "size"]).size().max()) if len(data) else 0
    words = [
        "Loss per answer token, or per label, on the batches of training (dashed, with dropout"
        + (", running mean)" if smooth >= 2 * SMOOTH else ")"),
        "and on the dev split (solid, without), lower is better; means of the seeds",
        f"({_span(data['seeds'])}), bands from their lowest to their highest.",
        "Triangles: the step whose weights each seed kept." if (data["curve"] == "dev loss").any() else
        "No dev split: the last weights were kept.",
        f"Further settings in the tables only: {left}." if left else "",
    ]  # fmt: skip
    return " ".join(filter(None, words))


def _span(values: pd.Series) -> str:
    lo, hi = int(values.min()), int(values.max())
    return f"{lo} to {hi} seeds" if lo != hi else "1 seed" if hi == 1 else f"{hi} seeds"


def _chosen(curves: pd.DataFrame) -> tuple[list[tuple[str, str, str]], int]:
    """The settings that have a panel, in order, and how many have none."""
    first = curves.drop_duplicates(["id", "task", "size"])
    rank = first.groupby(["id", "task"])["n_train"].rank(ascending=False, method="first").fillna(1)
    kept = first.loc[rank.sort_values(kind="stable").index[:MOST].sort_values()]
    return list(kept[["id", "task", "size"]].itertuples(index=False, name=None)), len(first) - len(kept)


def _at(frame: pd.DataFrame, place: tuple[str, str, str]) -> pd.DataFrame:
    return frame[(frame["id"] == place[0]) & (frame["task"] == place[1]) & (frame["size"] == place[2])]


def _best(made: pd.DataFrame, place: tuple[str, str, str]) -> np.ndarray:
    own = _at(made, place)
    return own.loc[own["status"] == "ok", "best_step"].dropna().to_numpy(dtype=float)


def _title(row: pd.Series, *, several: bool, width: int) -> str:
    size = f", n = {row['n_train']:,.0f}" if np.isfinite(row["n_train"]) else ""
    lines = [wording.short(str(row["how"]), width), wording.short(str(row["task"]), max(8, width - len(size))) + size]
    return "\n".join([*lines, *([wording.short(str(row["model"]), width)] if several else [])])


def _loss_panel(axes: Axes, own: pd.DataFrame, best: np.ndarray, colour: str) -> None:
    axes.spines["left"].set_visible(True)
    train, dev = (own[own["curve"] == curve].sort_values("step") for curve in ("train loss", "dev loss"))
    for rows, style, shade in ((_smoothed(train), DASHES, QUIET), (dev, "-", colour)):
        axes.fill_between(rows["step"], rows["lo"], rows["hi"], color=shade, alpha=0.16, linewidth=0, zorder=1)
        axes.plot(rows["step"], rows["value"], color=shade, linestyle=style, linewidth=1.2, zorder=2)
    if len(dev):
        axes.plot(dev["step"], dev["value"], "o", color=colour, markersize=2.4, zorder=2.5)
        heights = np.interp(best, dev["step"].astype(float), dev["value"].astype(float))
        axes.plot(best, heights, "v", markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.9, markersize=5,
                  zorder=3, clip_on=False)  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.set_xlim(0, 1.05 * max(1.0, float(own["step"].max())))


def _smoothed(rows: pd.DataFrame) -> pd.DataFrame:
    """A running mean over neighbouring steps, so that batches do not hide the course."""
    width = len(rows) // SMOOTH
    if width < 2:
        return rows
    names = ["value", "lo", "hi"]
    return rows.assign(**{name: rows[name].rolling(width, center=True, min_periods=1).mean() for name in names})


def _same_heights(panels: Sequence[Axes], tasks: Sequence[str]) -> None:
    """The same vertical scale, from 0, for the panels of one task."""
    for task in dict.fromkeys(tasks):
        own = [axes for axes, other in zip(panels, tasks, strict=False) if other == task]
        top = max(axes.get_ylim()[1] for axes in own)
        for axes in own:
            axes.set_ylim(0, top)
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
            axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)


def _loss_key(canvas: Figure, curves: pd.DataFrame) -> None:
    handles = [(Line2D([], [], color=QUIET, linestyle=DASHES), "training batches")]
    if (curves["curve"] == "dev loss").any():
        mark = Line2D([], [], linestyle="", marker="v", markerfacecolor="white", markeredgecolor=INK, markersize=5)
        handles += [(Line2D([], [], color=INK, marker="o", markersize=2.4), "dev split"), (mark, "chosen step")]
    if (curves["seeds"] > 1).any():
        handles.append((Patch(facecolor=QUIET, alpha=0.25), "range of the seeds"))
    key(canvas, [], {}, more=handles)
