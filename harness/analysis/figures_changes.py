"""Robustness -> rows of perturbations: how far scores drop, and which answers turn; the key that figures share.

Layer: beside `figures`, below `figures_curves`. Both figures show a perturbation at one severity, in rows of the
same order.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD008, PD101 - sizes on paper are literals; nunique leaves gaps out
from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.palette import INK, QUIET, RULE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks
    from harness.analysis.robustness import Robustness

GROUPS = ("strict", "soft", "fairness")
"""Groups of perturbations in the order of the report."""

LOST, WON = "#b35806", "#8073ac"
"""Right to wrong and wrong to right: the two ends of a diverging scale (PuOr)."""

COLUMNS = 4
"""Panels of drops beside each other."""

BESIDE = 8
"""Panels of turned answers beside each other."""

GROUP_WORDS = "strict keeps the meaning, soft may shift it, fairness changes of whom the text speaks"


@final
@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a figure from the top, a head above each group.

    Attributes:
        places: where each perturbation lies.
        labels: what is written at each place, heads included.
        heads: places of the heads.
        foot: where the rows end.
    """

    places: dict[str, float]
    labels: dict[float, str]
    heads: tuple[float, ...]
    foot: float


def drops(measured: Robustness, tasks: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Drops with intervals, a row per perturbation in the order of the mean drop, a panel per task."""
    frame = at_shared(measured.drops.dropna(subset=["drop"]), ["variation"])
    if frame.empty:
        return None
    known = tasks.set_index("task")
    names = [name for name in marks if name in set(frame["entry"])]
    shown = [str(name) for name in known.index if name in set(frame["task"])]
    pitch = max(0.19, 0.045 * len(names) + 0.11)
    order = _rows(frame, tasks, pitch=pitch)
    canvas, grid = _grid(len(shown), order, columns=COLUMNS, pitch=pitch)
    for axes, task in zip(grid, shown, strict=False):
        percent = bool(known.at[task, "percent"])
        _drop_panel(axes, frame[frame["task"] == task], order, {name: marks[name] for name in names},
                    factor=100.0 if percent else 1.0)  # fmt: skip
        axes.set_title(wording.short(task, 72 // min(COLUMNS, len(shown))))
        axes.xaxis.set_major_locator(MaxNLocator(7 if len(shown) < 3 else 4, steps=[1, 2, 2.5, 5, 10]))
        axes.set_xlabel(f"drop, {'points' if percent else wording.metric(str(known.at[task, 'metric']))} ←")
    same_reach([axes for axes, task in zip(grid, shown, strict=False) if known.at[task, "percent"]])
    key(canvas, names, marks)
    caption = (
        f"Drop of the score against the clean text, on the same documents, with its 95 % interval; {_at(frame)}. "
        f"Right of the line: worse than clean. Rows by the mean drop within each group: {GROUP_WORDS}."
    )
    return drawing.finished(canvas, name="robustness-drops", title="Drop by perturbation", caption=caption, data=frame)


def flips(measured: Robustness, tasks: pd.DataFrame, entries: pd.DataFrame) -> Drawing | None:
    """Shares of answers that turned wrong and that turned right, a panel per entry, a row per perturbation."""
    shown = at_shared(measured.drops.dropna(subset=["drop"]), ["variation"])
    binary = shown[shown["binary"].astype(bool) & (shown["trials"] > 0)] if len(shown) else shown
    if binary.empty:
        return None
    counts = ["trials", "right_to_wrong", "wrong_to_right"]
    keys = ["entry", "variation", "group", "severity"]
    data = binary.groupby(keys, sort=False, as_index=False)[counts].sum()
    data = data.assign(lost=data["right_to_wrong"] / data["trials"], won=data["wrong_to_right"] / data["trials"])
    order = _rows(shown[shown["variation"].isin(binary["variation"])], tasks, pitch=0.19)
    names = [str(name) for name in entries["entry"] if name in set(data["entry"])]
    canvas, grid = _grid(len(names), order, columns=BESIDE, pitch=0.19)
    beside = math.ceil(len(names) / math.ceil(len(names) / BESIDE))
    for axes, name in zip(grid, names, strict=False):
        _flip_panel(axes, data[data["entry"] == name], order, ticks=4 if beside <= 4 else 2)
        axes.set_title(_wrapped(name, width=96 // max(4, beside)), fontsize=8.5 if beside <= 3 else 7)
    same_reach(grid[: len(names)])
    canvas.supxlabel("Share of answers that turned, %", fontsize=8, color=QUIET)
    key(canvas, [], {}, more=[(Patch(facecolor=LOST), "right to wrong"), (Patch(facecolor=WON), "wrong to right")])
    number = binary["task"].nunique()
    caption = (
        "Answers to the same documents before and after, as shares of all of them"
        f"{f' on {number} tasks together' if number > 1 else ''}; {_at(binary)}. Left: right answers that turned "
        "wrong; right: wrong answers that turned right. Their difference is the drop; long bars on both sides are "
        "instability that a score hides."
    )
    return drawing.finished(canvas, name="robustness-flips", title="Answers that turn", caption=caption, data=data)


def _rows(frame: pd.DataFrame, tasks: pd.DataFrame, *, pitch: float) -> Rows:
    """Groups apart, in each the greatest mean drop first; of tasks with other units only the order counts."""
    percent = set(tasks.loc[tasks["percent"].astype(bool), "task"])
    rates = frame[frame["task"].isin(percent)]
    size = frame["drop"].abs().groupby(frame["task"]).transform("max").replace(0, 1)
    scaled = frame.assign(drop=frame["drop"] / size) if rates.empty else rates
    mean = scaled.groupby("variation")["drop"].mean()
    groups = frame.drop_duplicates("variation").set_index("variation")[["group", "severity"]]
    one = groups["severity"].nunique() == 1
    places: dict[str, float] = {}
    labels: dict[float, str] = {}
    heads, at, half = [], 0.0, 0.5 + min(0.5, 0.1 / pitch)
    for group in [*GROUPS, *sorted(set(groups["group"]) - set(GROUPS))]:
        own = [str(name) for name in groups.index[groups["group"] == group]]
        if not own:
            continue
        heads.append(at)
        labels[at] = group
        for name in sorted(own, key=lambda name: (-float(mean.get(name, -np.inf)), name)):
            at += half if at == heads[-1] else 1
            places[name] = at
            labels[at] = wording.short(name, 22) + ("" if one else f" ({groups.at[name, 'severity']:g})")
        at += half + 0.1
    return Rows(places=places, labels=labels, heads=tuple(heads), foot=max(places.values()))


def _at(frame: pd.DataFrame) -> str:
    """At which severity, for a caption."""
    values = frame["severity"].unique()
    return f"severity {values[0]:g}" if len(values) == 1 else "severity in brackets"


def _grid(number: int, order: Rows, *, columns: int, pitch: float) -> tuple[Figure, list[Axes]]:
    """Panels that share the rows, with their labels at the left."""
    rows = math.ceil(number / columns)
    canvas = drawing.figure(rows * (0.75 + pitch * (order.foot + 1)) + 0.35)
    grid = canvas.subplots(rows, math.ceil(number / rows), squeeze=False, sharey=True)
    for first in grid[:, 0]:
        first.set_yticks(list(order.labels), list(order.labels.values()))
        for place, label in zip(order.labels, first.get_yticklabels(), strict=True):
            label.set(**({"color": QUIET, "fontstyle": "italic"} if place in order.heads else {"color": INK}))
    grid[0][0].set_ylim(order.foot + 0.6, -0.6)
    for axes in grid.flat[number:]:
        axes.set_visible(False)
    return canvas, list(grid.flat)


def _drop_panel(axes: Axes, frame: pd.DataFrame, order: Rows, marks: Looks, *, factor: float) -> None:
    edges = sorted({place + side for place in order.places.values() for side in (-0.5, 0.5)})
    axes.hlines(edges, 0, 1, transform=axes.get_yaxis_transform(), color=RULE, linewidth=0.4, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=0.8)
    step = 0.8 / max(len(marks), 2)
    for index, (name, look) in enumerate(marks.items()):
        rows = frame[frame["entry"] == name]
        at = rows["variation"].map(order.places) + step * (index - (len(marks) - 1) / 2)
        axes.hlines(at, factor * rows["drop_lo"], factor * rows["drop_hi"], color=look.edge, linewidth=1.0, zorder=2)
        axes.plot(factor * rows["drop"], at, look.marker, color=look.colour, markeredgecolor=look.edge,
                  markeredgewidth=0.7, markersize=4.5 if len(marks) <= 4 else 3.5, zorder=3)  # fmt: skip
    axes.margins(x=0.06)


def _flip_panel(axes: Axes, rows: pd.DataFrame, order: Rows, *, ticks: int) -> None:
    at = rows["variation"].map(order.places)
    axes.hlines(list(order.places.values()), 0, 1, transform=axes.get_yaxis_transform(), color=RULE, linewidth=0.4,
                zorder=0)  # fmt: skip
    axes.barh(at, -100 * rows["lost"], height=0.62, color=LOST, zorder=2)
    axes.barh(at, 100 * rows["won"], height=0.62, color=WON, zorder=2)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))


def same_reach(panels: Sequence[Axes]) -> None:
    """The same horizontal reach for panels whose values are to be held against each other."""
    if panels:
        ends = [axes.get_xlim() for axes in panels]
        limits = min(end[0] for end in ends), max(end[1] for end in ends)
        for axes in panels:
            axes.set_xlim(*limits)


def _wrapped(name: str, *, width: int) -> str:
    r"""A name on lines of a narrow panel, three at most.

    >>> _wrapped("pythia-1.4b-deduped", width=12)
    'pythia-1.4b-\ndeduped'
    """
    return "\n".join(textwrap.wrap(wording.short(name, 3 * width - 3), width)[:3])


def at_shared(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The rows at one severity for each of the keys: that of most rows, the largest of several."""
    if rows.empty:
        return rows
    sizes = rows.groupby([*keys, "severity"], as_index=False).size()
    best = sizes.sort_values(["size", "severity"]).drop_duplicates(list(keys), keep="last")
    kept = rows.reset_index(drop=True).reset_index().merge(best[[*keys, "severity"]], on=[*keys, "severity"])
    return kept.sort_values("index")[list(rows.columns)].reset_index(drop=True)


def key(canvas: Figure, names: Sequence[str], marks: Looks, *, lines: bool = False, more: Sequence[Any] = ()) -> None:
    """Which look is which entry, above the panels, and what further marks mean, `(handle, words)` each."""
    handles: list[Any] = [
        Line2D([], [], color=marks[name].colour, marker=marks[name].marker, markeredgecolor=marks[name].edge,
               markeredgewidth=0.7, markersize=4.5, linewidth=1.2 if lines else 0)
        for name in names
    ]  # fmt: skip
    words = [wording.short(name, 24) for name in names] + [text for _, text in more]
    columns = max(1, int(7.3 / (0.065 * max(map(len, words), default=1) + 0.42)))
    canvas.legend([*handles, *(handle for handle, _ in more)], words, loc="outside upper left", frameon=False,
                  ncols=columns, fontsize=8, handlelength=1.4, handletextpad=0.4, columnspacing=1.2,
                  labelcolor=INK)  # fmt: skip
