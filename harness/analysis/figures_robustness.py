"""Robustness -> figures: what changed input does to scores and answers; `draw` makes those there are numbers for.

Layer: beside `figures`, above `figures_curves` and `figures_changes`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD008 - sizes on paper are literals
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.figures_changes import drops, flips, key, same_reach
from harness.analysis.figures_curves import attacks, severity
from harness.analysis.palette import INK, QUIET, RULE, looks, mixed
from harness.analysis.panels import DASHES, dot, guides

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.palette import Look
    from harness.analysis.panels import Looks
    from harness.analysis.robustness import Robustness

COLUMNS = 4
"""Panels beside each other."""

WORST = {"worst": ("strict", "X"), "worst_soft": ("soft", "P"), "worst_fairness": ("fairness", "d")}
"""Columns of worst cases: their group and their mark."""


def draw(measured: Robustness, comparison: Comparison) -> tuple[Drawing, ...]:
    """Every figure of robustness that there are the numbers for, in the order of the report.

    Args:
        measured: what changed input did.
        comparison: the entries and tasks of the same study.
    """
    entries, tasks = comparison.entries, comparison.tasks
    look = looks(entries)
    marks = {str(name): look[str(name)] for name in entries["entry"]}  # in the order of the leaderboard
    with drawing.style():
        found = (
            severity(measured, tasks, entries, marks),
            drops(measured, tasks, marks),
            worst(measured, tasks, marks),
            flips(measured, tasks, entries),
            prompts(measured, tasks, marks),
            attacks(measured, entries, marks),
            transfer(measured, list(marks)),
        )
    return tuple(one for one in found if one is not None)


def worst(measured: Robustness, tasks: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Clean scores and, beside each, the mean of every document's worst outcome; a panel per task."""
    frame = measured.worst
    used = [column for column in WORST if len(frame) and frame[column].notna().any()]
    if not used:
        return None
    names = [name for name in marks if name in set(frame["entry"])]
    known = tasks.set_index("task")
    shown = [str(name) for name in known.index if name in set(frame["task"])]
    canvas, grid = _rows_grid(len(shown), names, pitch=0.13 + 0.1 * len(used))
    for axes, task in zip(grid, shown, strict=False):
        rows, percent = frame[frame["task"] == task].set_index("entry"), bool(known.at[task, "percent"])
        guides(axes, len(names))
        for index, name in enumerate(names):
            if name in rows.index:
                _worst_row(axes, rows.loc[name], index, marks[name], used, factor=100.0 if percent else 1.0)
        chance = known.at[task, "chance"]
        if percent and np.isfinite(chance) and chance > 0:
            axes.axvline(100 * chance, color=QUIET, linewidth=0.9, linestyle=DASHES, zorder=0.5)
        _finish_rows(axes, task, known.loc[task], number=len(shown))
    marks_of = [(_mark("o"), "clean")] + [(_mark(WORST[c][1]), f"worst of {WORST[c][0]}") for c in used]
    key(canvas, [], {}, more=marks_of)
    lacking = frame.loc[frame["missing"] > 0, "missing"]
    words = [
        "Clean score, and the mean over documents of the worst outcome among the clean text and all perturbations of a",
        "group, with 95 % intervals. Worst cases of more perturbations are lower. Dashed: chance; a worst case may lie",
        "below it.",
        f"Hollow: made of fewer strict cells than other entries have ({len(lacking)})." if len(lacking) else "",
    ]
    return drawing.finished(canvas, name="robustness-worst", title="Worst case beside clean",
                            caption=" ".join(filter(None, words)), data=frame)  # fmt: skip


def _worst_row(axes: Axes, row: pd.Series, index: int, look: Look, used: Sequence[str], *, factor: float) -> None:  # noqa: PLR0913 - a row and its place
    columns = ["clean", *used]
    offsets = np.linspace(-0.32, 0.32, len(columns))
    for column, offset in zip(columns, offsets, strict=True):
        value = factor * float(row[column])
        if not np.isfinite(value):
            continue
        ends = (factor * float(row[f"{column}_lo"]), factor * float(row[f"{column}_hi"]))
        if column == "clean":
            dot(axes, (value, index + offset), look, ends=ends)
            continue
        clean, pale = factor * float(row["clean"]), mixed(look.colour, "#ffffff", 0.6)
        axes.plot((value, clean), (index + offset,) * 2, color=pale, linewidth=3.0, solid_capstyle="butt", zorder=1)
        if np.isfinite(ends).all():
            axes.plot(ends, (index + offset,) * 2, color=look.edge, linewidth=1.0, solid_capstyle="butt", zorder=2)
        hollow = column == "worst" and float(row["missing"]) > 0
        axes.plot(value, index + offset, WORST[column][1], color="white" if hollow else look.colour, markersize=5.0,
                  markeredgecolor=look.edge, markeredgewidth=0.7, zorder=3)  # fmt: skip


def _mark(marker: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=QUIET, markersize=5)


def _rows_grid(number: int, names: Sequence[str], *, pitch: float) -> tuple[Figure, list[Axes]]:
    """Panels with a row per entry, named at the left."""
    rows = math.ceil(number / COLUMNS)
    canvas = drawing.figure(rows * (0.8 + pitch * len(names)) + 0.35)
    grid = canvas.subplots(rows, math.ceil(number / rows), squeeze=False, sharey=True)
    for first in grid[:, 0]:
        first.set_yticks(range(len(names)), [wording.short(name, 24) for name in names])
    grid[0][0].set_ylim(len(names) - 0.4, -0.6)
    for axes in grid.flat[number:]:
        axes.set_visible(False)
    return canvas, list(grid.flat)


def _finish_rows(axes: Axes, title: str, task: pd.Series, *, number: int) -> None:
    wide = 72 // min(COLUMNS, number)
    arrow = {"↑": " →", "↓": " ←"}.get(str(task["arrow"]), "")
    axes.set_title("\n".join(wording.short(line, wide) for line in title.split("\n")))
    axes.set_xlabel(
        wording.short(f"{wording.metric(str(task['metric']))}{', %' if task['percent'] else ''}{arrow}", 30)
    )
    axes.xaxis.set_major_locator(MaxNLocator(7 if number < 3 else 4, steps=[1, 2, 2.5, 5, 10]))
    axes.use_sticky_edges = False
    axes.margins(x=0.08)


def prompts(measured: Robustness, tasks: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Every prompt variant's score as a dot, their mean, and the width that sampling noise alone would give."""
    points = measured.prompt_points.dropna(subset=["value"])
    if points.empty:
        return None
    names = [name for name in marks if name in set(points["entry"])]
    known = tasks.set_index("task")
    pairs = [(str(task), str(kind)) for task in known.index if task in set(points["task"])
             for kind in dict.fromkeys(points.loc[points["task"] == task, "variation"])]  # fmt: skip
    canvas, grid = _rows_grid(len(pairs), names, pitch=0.24)
    for axes, (task, kind) in zip(grid, pairs, strict=False):
        chosen = [frame[(frame["task"] == task) & (frame["variation"] == kind)] for frame in (points, measured.prompts)]
        factor = 100.0 if known.at[task, "percent"] else 1.0
        guides(axes, len(names))
        for index, name in enumerate(names):
            own, noise = (frame[frame["entry"] == name] for frame in chosen)
            _variants(axes, own, noise, index, marks[name], factor=factor)
        _finish_rows(axes, f"{task}\n{kind.replace('_', ' ')}", known.loc[task], number=len(pairs))
    for task in dict.fromkeys(task for task, _ in pairs):
        same_reach([axes for axes, (other, _) in zip(grid, pairs, strict=False) if other == task])
    band = Patch(facecolor=RULE, alpha=0.6)
    mean = Line2D([], [], linestyle="", marker="|", color=INK, markersize=9, markeredgewidth=1.4)
    variant = Line2D([], [], linestyle="", marker="o", color=QUIET, alpha=0.6, markersize=3.5, markeredgewidth=0)
    key(canvas, [], {}, more=[(variant, "a variant"), (_mark("D"), "the clean prompt"), (mean, "mean"),
                              (band, "expected from noise")])  # fmt: skip
    caption = (
        "One dot per variant of the prompt on the same documents. Grey: the width that the range of the dots would "
        "stay within in 95 % of cases if all variants were equally good, around the middle of the range; dots "
        "beyond it are more than sampling noise."
    )
    return drawing.finished(canvas, name="robustness-prompts", title="Spread over prompts", caption=caption,
                            data=_with_noise(points, measured.prompts))  # fmt: skip


def _variants(axes: Axes, own: pd.DataFrame, noise: pd.DataFrame, index: int, look: Look, *, factor: float) -> None:  # noqa: PLR0913 - a row and its place
    if own.empty:
        return
    if len(noise) and np.isfinite(noise["spread_noise_hi"].iloc[0]):
        width = factor * float(noise["spread_noise_hi"].iloc[0])
        middle = factor * (float(own["value"].min()) + float(own["value"].max())) / 2
        axes.barh(index, width, left=middle - width / 2, height=0.72, color=RULE, alpha=0.6, linewidth=0, zorder=0.6)
    clean = own["clean"].astype(bool)
    varied = own[~clean]
    offsets = 0.11 * (np.arange(len(varied)) % 3 - 1)  # equal scores stay visible
    axes.plot(factor * varied["value"], index + offsets, "o", color=look.colour, alpha=0.6, markersize=3.5,
              markeredgewidth=0, zorder=2)  # fmt: skip
    axes.plot(factor * own.loc[clean, "value"], np.full(int(clean.sum()), index), "D", color=look.colour,
              markeredgecolor=look.edge, markeredgewidth=0.8, markersize=5, zorder=3)  # fmt: skip
    axes.plot(factor * float(own["value"].mean()), index, "|", color=INK, markersize=11, markeredgewidth=1.4, zorder=4)


def _with_noise(points: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    columns = ["entry", "task", "variation", "mean", "spread", "spread_noise", "spread_noise_hi"]
    return points.merge(summary[columns], on=columns[:3], how="left")


def transfer(measured: Robustness, names: Sequence[str]) -> Drawing | None:
    """Share of one model's adversarial examples that turn another model too: victims down, targets across."""
    frame = measured.transfer[measured.transfer["entry"].isin(list(names))]
    if not len(frame) or frame["success_rate"].isna().all():
        return None
    targets = [name for name in names if name in set(frame["entry"])]
    of_entry = frame.drop_duplicates("entry").set_index("entry")["model"]
    ranked = [str(of_entry[name]) for name in targets]
    victims = list(dict.fromkeys([*(name for name in ranked if name in set(frame["victim"])),
                                  *sorted(set(frame["victim"].astype(str)))]))  # fmt: skip
    pairs = list(frame[["task", "attack"]].drop_duplicates().itertuples(index=False, name=None))
    columns = min(len(pairs), 4 if len(targets) <= 3 else 3 if len(targets) <= 5 else 2)
    rows = math.ceil(len(pairs) / columns)
    longest = max(len(wording.short(name, 24)) for name in targets)
    canvas = drawing.figure(rows * (0.5 + 0.26 * len(victims)) + 0.06 * longest + 0.45)
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (task, attack) in zip(grid.flat, pairs, strict=False):
        own = frame[(frame["task"] == task) & (frame["attack"] == attack)]
        _matrix(axes, own, victims, targets)
        axes.set_title(f"{wording.short(str(attack), 24)}\n{wording.short(str(task), 24)}")
    for axes in grid.flat[len(pairs) :]:
        axes.set_visible(False)
    canvas.supxlabel("Read by", fontsize=8, color=QUIET)
    canvas.supylabel("Made against", fontsize=8, color=QUIET)
    caption = (
        "Per cent of the adversarial examples made against the model of the row that turn the model of the column as "
        "well, of those it answered rightly before; numbers and intervals are in the data. No number: none to read."
    )
    return drawing.finished(canvas, name="robustness-transfer", title="Transfer of adversarial examples",
                            caption=caption, data=frame)  # fmt: skip


def _matrix(axes: Axes, frame: pd.DataFrame, victims: Sequence[str], targets: Sequence[str]) -> None:
    rates = np.full((len(victims), len(targets)), np.nan)
    axes.set(xlim=(-0.5, len(targets) - 0.5), ylim=(len(victims) - 0.5, -0.5))
    axes.set_xticks(range(len(targets)), [wording.short(name, 24) for name in targets], rotation=90, color=INK)
    axes.set_yticks(range(len(victims)), [wording.short(name, 24) for name in victims])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    for row in frame.itertuples(index=False):
        rates[victims.index(str(row.victim)), targets.index(str(row.entry))] = row.success_rate
    for (y, x), rate in np.ndenumerate(rates):
        text = f"{100 * rate:.0f}" if np.isfinite(rate) else wording.MISSING
        axes.text(x, y, text, ha="center", va="center", fontsize=7.5, zorder=2,
                  color=INK if not np.isfinite(rate) or rate > 0.55 else "white")  # fmt: skip
    axes.pcolormesh(np.arange(len(targets) + 1) - 0.5, np.arange(len(victims) + 1) - 0.5, rates, cmap="cividis",
                    vmin=0.0, vmax=1.0, edgecolors="white", linewidth=1.5, zorder=1)  # fmt: skip
