"""Fine-tuning -> figures: accuracy against what training costs, and gaps; `draw` makes those there are numbers for.

Layer: beside `figures`, above `figures_finetune_curves` and `figures_finetune_sizes`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from harness.analysis import drawing, wording
from harness.analysis.figures_changes import key
from harness.analysis.figures_finetune_curves import learning
from harness.analysis.figures_finetune_looks import headed, height, looks, measured_on, with_units
from harness.analysis.figures_finetune_sizes import sizes
from harness.analysis.palette import INK, QUIET, mixed
from harness.analysis.panels import DASHES, dot, guides, log_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.finetune import Finetune
    from harness.analysis.panels import Looks

COSTS = (
    ("share", "Trained share of the parameters, %", "%", 100.0),
    ("peak_bytes", "Peak memory of training", "B", 1.0),
    ("seconds", "Time of training", "s", 1.0),
)
"""Columns of costs, what they are, their unit, and what brings them to it."""

ROWS = 4
"""Pairs of model and task that one figure shows."""

NAMED = 8
"""Points of a panel up to which each carries its name."""

LETTERS = 14
"""Length of names up to which points carry them."""

WIDE = 30
"""Factor beyond which an axis of costs has ticks at powers of ten."""

TICKS = 4
"""Most ticks of an axis of costs."""

BARS = 36
"""Rows of the figure of gaps; of more, those of most examples are shown."""


def draw(measured: Finetune, comparison: Comparison) -> tuple[Drawing, ...]:
    """Every figure of fine-tuning that there are the numbers for, in the order of the report.

    Args:
        measured: what trainings took and gained.
        comparison: the entries and tasks of the same study.
    """
    marks = looks(measured.settings)
    with drawing.style():
        found = (
            costs(measured, comparison.tasks, marks),
            sizes(measured, comparison.tasks, marks),
            learning(measured, marks),
            gaps(measured, marks),
        )
    return tuple(one for one in found if one is not None)


def costs(measured: Finetune, tasks: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Score on the own task against trained share, peak memory and time: a row of panels per model and task."""
    frame = _priced(measured, tasks)
    if frame.empty:
        return None
    groups = list(frame.groupby(["model", "task"], sort=False))
    shown = groups[:ROWS]
    named = max(len(rows) for _, rows in shown) <= NAMED and frame["how"].str.len().max() <= LETTERS
    canvas = drawing.figure(len(shown) * (2.35 if named else 2.1) + (0.25 if named else 0.75))
    grid = canvas.subplots(len(shown), len(COSTS), squeeze=False, sharey="row")
    for line, ((model, task), rows) in zip(grid, shown, strict=True):
        for axes, (column, title, scale, factor) in zip(line, COSTS, strict=True):
            _cost_panel(axes, rows.assign(x=factor * rows[column], lo=factor * rows[f"{column}_min"],
                                          hi=factor * rows[f"{column}_max"]), marks)  # fmt: skip
            _scale(axes, factor * pd.concat([rows[column], rows[f"{column}_min"], rows[f"{column}_max"]]), scale)
            axes.set_xlabel(title)
        line[0].set_title(headed(task, model, 50))
        line[0].set_ylabel(height(rows.iloc[0]))
    if named:
        _names(canvas, grid, shown)
    else:
        key(canvas, list(dict.fromkeys(frame["how"])), marks)
    data = pd.concat([rows for _, rows in shown])
    return drawing.finished(canvas, name="finetune-costs", title="Score against what training took",
                            caption=_costs_caption(data, len(groups) - len(shown)), data=data)  # fmt: skip


def _costs_caption(data: pd.DataFrame, left: int) -> str:
    trained = sorted({f"{value:,.0f}" for value in data["n_train"].dropna()})
    words = [
        "Score on the task that was trained on, higher is better" if (data["arrow"] == "↑").all() else
        "Score on the task that was trained on",
        f"({measured_on(data)}), against what training took (less is better).",
        f"Trained on {' or '.join(trained)} examples." if trained else "",
        "Upright: 95 % intervals; across: lowest to highest of the seeds.",
        "Dashed: the model as it is." if data["level"].notna().any() else "",
        "Dotted: chance." if (data["guess"] > 0).any() else "",
        f"Further pairs of model and task in the tables only: {left}." if left else "",
    ]  # fmt: skip
    return " ".join(filter(None, words))


def _priced(measured: Finetune, tasks: pd.DataFrame) -> pd.DataFrame:
    """Settings with a result on their own task; of each model and task those of the size that most recipes share.

    `score`, its ends and `level` are in the unit of the axis.
    """
    own = measured.gains[measured.gains["own"].astype(bool)].sort_values("shots", kind="stable")
    own = own.drop_duplicates(["id", "trained_on", "size"])
    names = ["value", "value_lo", "value_hi", "base", "n", "seeds"]
    right = own.assign(asked=own["task"], task=own["trained_on"])[["id", "task", "size", "asked", "metric", *names]]
    both = measured.settings.drop(columns="seeds").merge(right, on=["id", "task", "size"], how="inner")
    both = with_units(both.assign(share_min=both["share"], share_max=both["share"]), tasks)
    factor = np.where(both["percent"], 100.0, 1.0)
    scaled = {"score": "value", "score_lo": "value_lo", "score_hi": "value_hi", "level": "base", "guess": "chance"}
    both = both.assign(**{name: factor * both[column] for name, column in scaled.items()})
    parts = [rows[rows["size"] == _shared(rows)] for _, rows in both.groupby(["model", "task"], sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else both


def _shared(rows: pd.DataFrame) -> str:
    counts = rows.groupby("size").agg(recipes=("id", "nunique"), most=("n_train", "max"))
    return str(counts.sort_values(["recipes", "most"]).index[-1])


def _cost_panel(axes: Axes, rows: pd.DataFrame, marks: Looks) -> None:
    axes.set_xscale("log")
    for row in rows[rows["x"] > 0].to_dict("records"):
        look, y = marks[str(row["how"])], row["score"]
        ends = (row["score_lo"], row["score_hi"])
        if np.isfinite(ends).all():
            axes.plot((row["x"],) * 2, ends, color=look.edge, linewidth=1.2, solid_capstyle="butt", zorder=2)
        dot(axes, (row["x"], y), look, ends=(row["lo"], row["hi"]) if row["lo"] < row["hi"] else (np.nan, np.nan))
    for column, colour, style in (("level", INK, DASHES), ("guess", QUIET, ":")):
        for level in rows.loc[rows[column] > 0, column].head(1):
            axes.axhline(level, color=colour, linewidth=0.9, linestyle=style, zorder=0.6)
    axes.spines["left"].set_visible(True)
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _scale(axes: Axes, values: pd.Series, unit: str) -> None:
    """Round numbers on a logarithmic axis; it spans a factor of two at least, or equal costs would look apart."""
    known = values[values > 0]
    lo, hi = (float(known.min()), float(known.max())) if len(known) else (1.0, 1.0)
    around = max(1.25, 1.5 / math.sqrt(hi / lo), (hi / lo) ** 0.15)
    axes.set_xlim(lo / around, hi * around)
    if hi > WIDE * lo:
        log_ticks(axes, unit)
        return
    lo, hi = axes.get_xlim()
    size = wording.factor(math.sqrt(lo * hi), unit)
    places = [step * 10.0**power * size for power in range(-6, 7) for step in (1, 1.5, 2, 3, 5, 7)]
    inside = [place for place in places if lo <= place <= (min(hi, 100.0) if unit == "%" else hi)]
    axes.xaxis.set_major_locator(FixedLocator(inside if len(inside) <= TICKS else inside[::2]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: wording.tick(value, unit)))


def _names(canvas: drawing.Figure, grid: np.ndarray, shown: Sequence[tuple[object, pd.DataFrame]]) -> None:
    drawing.settle(canvas)
    for line, (_, rows) in zip(grid, shown, strict=True):
        for axes, (column, *_, factor) in zip(line, COSTS, strict=True):
            own = rows[rows[column] > 0]
            points = list(zip((factor * own[column]).astype(float), own["score"].astype(float), strict=True))
            drawing.label_points(axes, points, [wording.short(str(name), 18) for name in own["how"]])
            for note in axes.texts:  # a name may lie on a line, but below marks and intervals
                note.set(zorder=1.9, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4})


def gaps(measured: Finetune, marks: Looks) -> Drawing | None:
    """Gaps between training and dev examples as bars, seeds as dots; a pair of panels per model and task."""
    frame = measured.settings.dropna(subset=["loss_gap"])
    if frame.empty:
        return None
    kept = _kept(frame)
    groups = list(kept.groupby(["model", "task"], sort=False))
    canvas = drawing.figure(sum(0.72 + 0.2 * len(rows) for _, rows in groups) + 0.4)
    grid = canvas.subplots(len(groups), 2, squeeze=False, sharey="row", sharex="col",
                           height_ratios=[len(rows) + 1.5 for _, rows in groups])  # fmt: skip
    for line, ((model, task), rows) in zip(grid, groups, strict=True):
        several = rows.groupby("id").size().max() > 1
        names = [_row_name(row, several=several) for row in rows.to_dict("records")]
        for axes, (column, factor) in zip(line, (("loss_gap", 1.0), ("accuracy_gap", 100.0)), strict=True):
            _gap_panel(axes, rows, _seeds(measured.trainings, rows, column), (column, factor), marks)
        line[0].set_yticks(range(len(names)), names)
        line[0].set_ylim(len(names) - 0.4, -0.6)
        line[0].set_title(headed(task, model, 60))
    grid[-1][0].set_xlabel("dev loss - train loss, nats ←")
    grid[-1][1].set_xlabel("right in training - right in dev, points ←")
    seed = Line2D([], [], linestyle="", marker="o", markerfacecolor="white", markeredgecolor=INK, markersize=3.5)
    line_ = Line2D([], [], color=INK, linewidth=1.2)
    key(canvas, [], {}, more=[(Patch(facecolor=QUIET, alpha=0.5), "mean of the seeds"), (seed, "a seed"),
                              (line_, "95 % over examples")])  # fmt: skip
    return drawing.finished(canvas, name="finetune-gaps", title="Gap between training and dev examples",
                            caption=_gaps_caption(kept, len(frame)), data=kept)  # fmt: skip


def _gaps_caption(kept: pd.DataFrame, total: int) -> str:
    looked = sorted({f"{value:,.0f}" for value in kept["n_dev"].dropna() if value > 0})
    words = [
        "What the kept weights do better on training examples than on the dev split; 0 or less: no overfitting seen.",
        f"Dev examples: {' or '.join(looked)}, and as many training examples or all there are." if looked else "",
        "Lines at the accuracy gap: 95 % (Newcombe) over examples, of one training; losses have none.",
        f"Settings with fewer examples in the tables only: {total - len(kept)}." if total > len(kept) else "",
    ]
    return " ".join(filter(None, words))


def _kept(frame: pd.DataFrame) -> pd.DataFrame:
    if len(frame) <= BARS:
        return frame
    most = frame.sort_values("n_train", kind="stable").drop_duplicates(["id", "task"], keep="last")
    return frame.loc[[index for index in frame.index if index in set(most.index)]].head(BARS)


def _row_name(row: dict[str, object], *, several: bool) -> str:
    return wording.short(str(row["how"]), 30) + (f", n = {row['n_train']:,.0f}" if several else "")


def _seeds(made: pd.DataFrame, rows: pd.DataFrame, column: str) -> list[np.ndarray]:
    good = made[made["status"] == "ok"]
    held = {key: own[column].dropna().to_numpy() for key, own in good.groupby(["id", "task", "size"])}
    return [held.get((row.id, row.task, row.size_), np.zeros(0)) for row in
            rows.rename(columns={"size": "size_"}).itertuples()]  # fmt: skip


def _gap_panel(
    axes: Axes, rows: pd.DataFrame, seeds: Sequence[np.ndarray], what: tuple[str, float], marks: Looks
) -> None:
    column, factor = what
    guides(axes, len(rows))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    for index, row in enumerate(rows.to_dict("records")):
        look = marks[str(row["how"])]
        axes.barh(index, factor * row[column], height=0.55, color=mixed(look.colour, "#ffffff", 0.35), linewidth=0.8,
                  edgecolor=look.edge, zorder=1)  # fmt: skip
        ends = [factor * row.get(f"{column}_{end}", math.nan) for end in ("lo", "hi")]
        if np.isfinite(ends).all():
            axes.plot(ends, (index, index), color=INK, linewidth=1.1, solid_capstyle="butt", zorder=2)
        if len(seeds[index]) > 1:
            heights = index + 0.12 * (np.arange(len(seeds[index])) % 3 - 1)
            axes.plot(factor * seeds[index], heights, "o", markerfacecolor="white", markeredgecolor=INK,
                      markeredgewidth=0.8, markersize=3.2, zorder=3)  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.use_sticky_edges = False
    axes.margins(x=0.06)
