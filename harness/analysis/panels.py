"""Pieces that panels are made of: dots with intervals, hairlines, ticks, lines over a grid, rows of entries.

Layer: above `drawing`, below the figures; it draws what it is given and chooses nothing.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PLR2004, PD101 - sizes on paper are literals; nunique leaves gaps out
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from harness.analysis import drawing, wording
from harness.analysis.palette import QUIET, RULE, Look

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6
"""Lines in one panel; more entries are shown in several panels, those of like size together."""

DASHES = (0, (3, 2))
"""A bound: what the machine allows, not what was measured."""

Looks = dict[str, Look]


@final
@dataclass(frozen=True, kw_only=True)
class Facet:
    """One quantity of every entry over a grid.

    Attributes:
        title: what it is, and which direction is better.
        unit: unit of the values.
        frame: one row per entry and place: `entry, x, value, lo, hi, bound, status, noisy`.
    """

    title: str
    unit: str
    frame: pd.DataFrame


def dot(axes: Axes, point: tuple[float, float], look: Look, *, ends: tuple[float, float], hollow: bool = False) -> None:
    """A marker with a horizontal interval; hollow where the machine was noisy."""
    if np.isfinite(ends).all():
        axes.plot(ends, (point[1], point[1]), color=look.edge, linewidth=1.2, solid_capstyle="butt", zorder=2)
    axes.plot(*point, look.marker, color="white" if hollow else look.colour, markeredgecolor=look.edge,
              markeredgewidth=0.8, zorder=3)  # fmt: skip


def scatter(axes: Axes, rows: pd.DataFrame, look: Look, *, x: str = "x", y: str = "value") -> None:
    """The markers of many points at once, with vertical intervals where `lo` and `hi` are known; hollow where noisy."""
    known = rows.dropna(subset=["lo", "hi"]) if "lo" in rows else rows[:0]
    if len(known):
        axes.vlines(known[x], known["lo"], known["hi"], color=look.edge, linewidth=1.2, zorder=2)
    noisy = rows["noisy"].to_numpy(dtype=bool)
    for part, colour in ((rows[~noisy], look.colour), (rows[noisy], "white")):
        if len(part):
            axes.plot(part[x], part[y], look.marker, color=colour, markeredgecolor=look.edge, markeredgewidth=0.8,
                      markersize=4.5, zorder=3)  # fmt: skip


def guides(axes: Axes, number: int) -> None:
    """A hairline per entry, so that the eye finds its name."""
    axes.hlines(range(number), 0, 1, transform=axes.get_yaxis_transform(), color=RULE, linewidth=0.4, zorder=0)


def log_ticks(axes: Axes, unit: str, *, side: str = "x") -> None:
    """Ticks of a logarithmic axis; an axis that spans little is made linear, where ticks are easier to read."""
    lo, hi = _limits(axes, side)
    decades = math.log10(hi / lo)
    if decades < 0.3:
        axes.set(**{f"{side}scale": "linear"})
        axes.autoscale_view(scalex=side == "x", scaley=side == "y")
        linear_ticks(axes, unit, side=side)
        return
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.3 else (1.0, 2.0, 5.0)
    binary = LogLocator(base=4.0 if decades > 1.0 else 2.0, numticks=9)
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(
        binary if unit == "B" else LogLocator(subs=subs, numticks=9 if side == "y" or decades < 4 else 4)
    )
    axis.set_minor_locator(NullLocator())  # minor ticks have no length, but each would be laid out
    axis.set_major_formatter(FuncFormatter(lambda value, _: wording.tick(value, unit)))


def linear_ticks(axes: Axes, unit: str, *, side: str = "x") -> None:
    """Round numbers in the unit that is written: 256 MiB, not 268,435,456 B."""
    lo, hi = _limits(axes, side)
    scale = wording.factor(hi, unit)
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(lo / scale, hi / scale) * scale
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([tick for tick in ticks if lo <= tick <= hi]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: "0" if value == 0 else wording.tick(value, unit)))


def _limits(axes: Axes, side: str) -> tuple[float, float]:
    return axes.get_xlim() if side == "x" else axes.get_ylim()


def groups(entries: pd.DataFrame, shown: Collection[str]) -> list[list[str]]:
    """Entries in panels of at most `MOST`, from the smallest to the largest."""
    order = entries[entries["entry"].isin(list(shown))].sort_values(["parameters", "entry"])["entry"]
    parts = np.array_split(np.array(order, dtype=object), max(1, math.ceil(len(order) / MOST)))
    return [list(part) for part in parts]


def over(facets: Sequence[Facet], entries: pd.DataFrame, marks: Looks, *, label: str) -> Figure:
    """The facets over their grid; where the grid has a single place, a row per entry instead of lines."""
    if any(facet.frame.loc[facet.frame["value"].notna(), "x"].nunique() > 1 for facet in facets):
        return over_grid(facets, entries, marks, label=label)
    names = {name for facet in facets for name in facet.frame["entry"]}
    order = entries.sort_values(["parameters", "entry"])["entry"]
    return over_entries(facets, [entry for entry in order if entry in names], marks)


def over_grid(facets: Sequence[Facet], entries: pd.DataFrame, marks: Looks, *, label: str) -> Figure:
    """Every facet as lines over its grid, bounds dashed, what ran out of memory crossed; names at the lines' ends.

    Few entries share one panel per facet; many take several panels of one scale, the small entries first.
    """
    parts = groups(entries, {name for facet in facets for name in facet.frame["entry"]})
    columns = min(2, len(parts) * len(facets))
    rows = math.ceil(len(parts) * len(facets) / columns)
    canvas = drawing.figure(2.2 * rows + 0.1)
    grid = canvas.subplots(rows, columns, squeeze=False)
    ends = []
    for number, facet in enumerate(facets):
        own = list(grid.flat[number * len(parts) : (number + 1) * len(parts)])
        for axes, names in zip(own, parts, strict=True):
            ends.append((axes, lines(axes, facet.frame, names, marks)))
            axes.set_title(facet.title + (f", {_sizes(entries, names)}" if len(parts) > 1 else ""))
            axes.set_xlabel(label)
            grid_ticks(axes, facet.frame["x"].unique())
        one_scale(own, facet.unit)
    for axes in grid.flat[len(parts) * len(facets) :]:
        axes.set_visible(False)
    drawing.label_ends(canvas, ends)
    return canvas


def _sizes(entries: pd.DataFrame, names: Sequence[str]) -> str:
    known = entries.loc[entries["entry"].isin(list(names)), "parameters"].dropna()
    if known.empty:
        return "size unknown"
    return " to ".join(dict.fromkeys(wording.count(round(float(end))) for end in (known.min(), known.max())))


def lines(axes: Axes, frame: pd.DataFrame, names: Sequence[str], marks: Looks) -> list[drawing.End]:
    """One line per entry over `x`, on logarithmic axes; returns where each ends."""
    axes.set(xscale="log", yscale="log")
    axes.spines["left"].set_visible(True)
    ends = []
    for name in names:
        rows = frame[frame["entry"] == name].sort_values("x")
        good, look = rows[rows["value"].notna()], marks[name]
        axes.plot(good["x"], good["bound"], color=look.colour, linewidth=0.9, linestyle=DASHES, zorder=1)
        axes.plot(good["x"], good["value"], color=look.colour, linewidth=1.2, zorder=1.5)
        scatter(axes, good, look)
        places = [(row.x, row.value) for row in good.itertuples(index=False)]
        places += _crossed(axes, rows, look)
        ends += [drawing.End(point=max(places), text=wording.short(name, 24), colour=look.edge)] if places else []
    return ends


def _crossed(axes: Axes, rows: pd.DataFrame, look: Look) -> list[tuple[float, float]]:
    """Crosses the first place that ran out of memory, at the height of the measured place before it, and returns where.

    An entry that fitted nowhere is crossed at the foot of the panel.
    """
    good, lost = rows[rows["value"].notna()], rows.loc[rows["status"] == "oom", "x"]
    if lost.empty:
        return []
    x = float(lost.min())
    before = good[good["x"] < x]
    if before.empty:
        axes.plot(x, 0.03, "x", color=look.edge, markersize=5, markeredgewidth=1.4, zorder=3, clip_on=False,
                  transform=axes.get_xaxis_transform())  # fmt: skip
        return []
    near = before.iloc[-1]
    axes.plot((near["x"], x), (near["value"],) * 2, color=look.edge, linewidth=0.9, linestyle=":", zorder=1)
    axes.plot(x, near["value"], "x", color=look.edge, markersize=5, markeredgewidth=1.4, zorder=3)
    return [(x, float(near["value"]))]


def grid_ticks(axes: Axes, places: Collection[float]) -> None:
    """Ticks of a logarithmic x axis at the places of the grid, as many as can be read."""
    wanted = sorted(float(place) for place in places)
    lo, hi = math.log(wanted[0]), math.log(wanted[-1])
    kept = [wanted[-1]]
    for place in reversed(wanted[:-1]):
        if math.log(kept[-1]) - math.log(place) > (hi - lo) / 8:
            kept.append(place)
    if len(wanted) == 1:
        axes.set_xlim(wanted[0] / 2, wanted[0] * 2)
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(x=0.06)


def one_scale(panels: Sequence[Axes], unit: str) -> None:
    """The same vertical scale for several logarithmic panels; linear where they span little."""
    ends = [axes.get_ylim() for axes in panels]
    lo, hi = min(end[0] for end in ends), max(end[1] for end in ends)
    for axes in panels:
        axes.set_ylim(lo, hi)
        log_ticks(axes, unit, side="y")
        axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)


def over_entries(facets: Sequence[Facet], order: Sequence[str], marks: Looks) -> Figure:
    """Every facet as a row per entry: a dot with its interval, the bound as a dashed mark, out of memory as a cross."""
    canvas = drawing.figure(0.75 + 0.2 * len(order))
    grid = canvas.subplots(1, len(facets), squeeze=False, sharey=True)[0]
    for axes, facet in zip(grid, facets, strict=True):
        rows = facet.frame.set_index("entry")
        row_panel(axes, rows[~rows.index.duplicated()], order, marks)
        row_scale(axes, rows, facet.unit)
        axes.set_title(facet.title)
    grid[0].set_yticks(range(len(order)), [wording.short(entry, 24) for entry in order])
    grid[0].set_ylim(len(order) - 0.4, -0.6)
    return canvas


def row_panel(axes: Axes, rows: pd.DataFrame, order: Sequence[str], marks: Looks) -> None:
    """Dots, bounds and crosses of one quantity; `rows` is indexed by entry."""
    guides(axes, len(order))
    for index, entry in enumerate(order):
        row = rows.loc[entry] if entry in rows.index else None
        if row is not None and np.isfinite(row["value"]):
            dot(axes, (row["value"], index), marks[entry], ends=(row["lo"], row["hi"]), hollow=bool(row["noisy"]))
            axes.vlines(row["bound"], index - 0.38, index + 0.38, color=marks[entry].edge, linewidth=1.0,
                        linestyle=(0, (2, 1)), zorder=1)  # fmt: skip
        elif row is not None and row["status"] == "oom":
            axes.plot(0.02, index, "x", color=marks[entry].edge, transform=axes.get_yaxis_transform())
            axes.text(0.05, index, "OOM", transform=axes.get_yaxis_transform(), va="center", fontsize=7, color=QUIET)


def row_scale(axes: Axes, rows: pd.DataFrame, unit: str) -> None:
    """A scale that starts at zero, or a logarithmic one where the values span more than a factor of thirty."""
    known = rows[["value", "lo", "hi", "bound"]].to_numpy(dtype=float)
    known = known[np.isfinite(known)]
    if len(known) and known.min() > 0 and known.max() > 30 * known.min():
        axes.set_xscale("log")
        axes.set_xlim(known.min() / 1.5, known.max() * 1.5)
        log_ticks(axes, unit)
        return
    axes.set_xlim(min(0.0, 1.12 * known.min(initial=0.0)), 1.12 * known.max(initial=0.0) or 1.0)
    linear_ticks(axes, unit)
