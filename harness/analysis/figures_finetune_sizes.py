"""Fine-tuning -> scores by number of examples: trained on, and shown in the prompt of the untrained model, on one axis.

Layer: below `figures_finetune`, above `figures_changes`. Few lines carry their names at their ends; many share a key.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.figures_changes import key
from harness.analysis.figures_finetune_looks import headed, height, measured_on, with_units
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import DASHES, grid_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.finetune import Finetune
    from harness.analysis.panels import Looks

ROOMY = 4
"""Panels of scores by examples up to which lines carry their names."""

NAMED = 7
"""Lines of a panel up to which they carry their names."""

PROMPT = "untrained, with shots"
"""What the line of examples in the prompt is called."""


def sizes(measured: Finetune, tasks: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Score against training examples, and of the untrained model against examples in its prompt, on one axis."""
    frame = with_units(measured.sizes, tasks)
    trained = frame[frame["source"] == "training"]
    sized = [place for *place, own in _by_recipe(trained) if own["x"].nunique() > 1]
    groups = [(place, rows) for place, rows in frame.groupby(["model", "task"], sort=False) if list(place) in sized]
    if not groups:
        return None
    lines = max(rows["id"].nunique() for _, rows in groups)
    roomy = len(groups) <= ROOMY and lines <= NAMED
    columns = min(2 if roomy else 3, len(groups))
    canvas = drawing.figure((2.5 if roomy else 1.9) * math.ceil(len(groups) / columns) + (0.15 if roomy else 0.8))
    grid = canvas.subplots(math.ceil(len(groups) / columns), columns, squeeze=False)
    ends = []
    for axes, ((model, task), rows) in zip(grid.flat, groups, strict=False):
        crossed = measured.worth[(measured.worth["model"] == model) & (measured.worth["task"] == task)]
        ends.append((axes, _sizes_panel(axes, rows, crossed, marks)))
        axes.set_title(headed(task, model, 72 // columns))
        axes.set_ylabel(height(rows.iloc[0]))
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    canvas.supxlabel("Examples: trained on, or shown in the prompt (log scale)", fontsize=8, color=QUIET)
    _finish_sizes(canvas, ends, frame, marks, roomy=roomy)
    data = pd.concat([rows for _, rows in groups])
    return drawing.finished(canvas, name="finetune-examples", title="Examples trained on and examples shown",
                            caption=_sizes_caption(data), data=data)  # fmt: skip


def _by_recipe(trained: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    return [(model, task, rows) for (model, task, _), rows in trained.groupby(["model", "task", "id"], sort=False)]


def _sizes_caption(data: pd.DataFrame) -> str:
    shots = data[(data["source"] == "prompt") & (data["x"] > 0)]
    words = [
        f"Score ({measured_on(data)}) by the number of training examples, with 95 % bands over documents and seeds.",
        "Black: the untrained model with that many examples in its prompt." if len(shots) else "",
        "Dashed: the untrained model without examples." if (data["x"] == 0).any() else "",
        "Crosses: where a trained line first reaches a score of the prompt (see the table of worth)."
        if len(shots) else "",
    ]  # fmt: skip
    return " ".join(filter(None, words))


def _sizes_panel(axes: Axes, rows: pd.DataFrame, crossed: pd.DataFrame, marks: Looks) -> list[drawing.End]:
    axes.set_xscale("log")
    axes.spines["left"].set_visible(True)
    factor, ends = (100.0 if rows["percent"].iloc[0] else 1.0), []
    for (source, _, how), own in rows.groupby(["source", "id", "how"], sort=False):
        points = own[own["x"] > 0].sort_values("x")
        plain = source == "prompt"
        colour, marker = (INK, "o") if plain else (marks[how].edge, marks[how].marker)
        for level in own.loc[own["x"] == 0, "value"]:
            axes.axhline(factor * level, color=INK, linewidth=0.9, linestyle=DASHES, zorder=0.6)
        if points.empty:
            continue
        known = points.dropna(subset=["lo", "hi"])
        axes.fill_between(known["x"], factor * known["lo"], factor * known["hi"], color=colour, alpha=0.12,
                          linewidth=0, zorder=1)  # fmt: skip
        axes.vlines(known["x"], factor * known["lo"], factor * known["hi"], color=colour, linewidth=0.8, zorder=1.5)
        axes.plot(points["x"], factor * points["value"], color=colour, linewidth=1.2, zorder=2)
        axes.plot(points["x"], factor * points["value"], marker, markerfacecolor="white" if plain else colour,
                  markeredgecolor=colour, markeredgewidth=0.8, markersize=4.2, zorder=3)  # fmt: skip
        last = points.iloc[-1]
        place = (float(last["x"]), factor * float(last["value"]))
        if plain and last["x"] < rows["x"].max():
            _below(axes, points, factor)
        else:
            ends.append(drawing.End(point=place, colour=colour, text=PROMPT if plain else wording.short(str(how), 24)))
    inside = crossed[crossed["place"] == "inside"]
    axes.plot(inside["worth"], factor * inside["shots_value"], "x", color=INK, markersize=5.5, markeredgewidth=1.3,
              zorder=4)  # fmt: skip
    grid_ticks(axes, set(rows.loc[rows["x"] > 0, "x"]))
    axes.margins(x=0.06, y=0.1)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    return ends


def _below(axes: Axes, points: pd.DataFrame, factor: float) -> None:
    """Names the line of the prompt below its start: a line to the right edge would look like more of it."""
    first = points.iloc[0]
    foot = factor * float(first["lo"] if np.isfinite(first["lo"]) else first["value"])
    axes.annotate(PROMPT, (float(first["x"]), foot), xytext=(-3, -3), textcoords="offset points", ha="left", va="top",
                  fontsize=7.5, color=INK, zorder=5, annotation_clip=False)  # fmt: skip


def _finish_sizes(
    canvas: Figure, ends: Sequence[tuple[Axes, list[drawing.End]]], frame: pd.DataFrame, marks: Looks, *, roomy: bool
) -> None:
    if roomy:
        drawing.label_ends(canvas, ends)
        return
    plain = Line2D([], [], color=INK, marker="o", markerfacecolor="white", markersize=4.2)
    names = list(dict.fromkeys(frame.loc[frame["source"] == "training", "how"]))
    more = [(plain, PROMPT)] if (frame["source"] == "prompt").any() else []
    key(canvas, names, marks, lines=True, more=more)
