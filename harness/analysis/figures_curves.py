"""Robustness -> lines in small multiples: score against severity, attack success against queries.

Layer: beside `figures`, above `figures_changes`. Few panels carry the names of entries at the ends of their lines;
many panels share a key.
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
import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from harness.analysis import drawing, wording
from harness.analysis.figures_changes import GROUPS, at_shared, key
from harness.analysis.palette import QUIET
from harness.analysis.panels import DASHES, groups

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks
    from harness.analysis.robustness import Robustness

ROOMY = 4
"""Panels up to this number are wide enough for names at the ends of lines."""

MOST = 28
"""Panels of one figure; of more, those with the greatest loss are shown."""


@final
@dataclass(frozen=True, kw_only=True)
class Multiple:
    """One panel of lines.

    Attributes:
        title: what it shows, on one line or two.
        height: what its vertical axis says.
        aside: a word at the right of the title, or nothing.
        frame: `entry, x, value, lo, hi, baseline`, values as they are written; of a baseline only the line is drawn.
        level: where guessing lies; NaN for nowhere.
        scale: panels of one scale share their vertical axis.
    """

    title: str
    height: str
    frame: pd.DataFrame
    aside: str = ""
    level: float = math.nan
    scale: Hashable = ""


def severity(measured: Robustness, tasks: pd.DataFrame, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Scores against severity, clean at 0: by task all strict perturbations together, of one task each by itself."""
    curves, left_out = _chosen(measured.curves)
    if curves.empty:
        return None
    known, several = tasks.set_index("task"), curves["task"].nunique() > 1
    multiples = []
    for (name, variation), rows in curves.groupby(["task", "variation"], sort=False):
        task, pooled = known.loc[name], bool(rows["pooled"].iloc[0])
        factor, group = (100.0 if task["percent"] else 1.0), str(rows["group"].iloc[0])
        aside = "" if pooled or group == GROUPS[0] else group
        chance = factor * task["chance"] if task["percent"] and pd.notna(task["chance"]) else math.nan
        multiples.append(Multiple(
            title=_title(str(name), "" if pooled and several else str(variation), aside, several=several),
            aside="" if several else aside, height=_score(task), frame=_lines(rows, factor, x="severity"), scale=name,
            level=chance if chance > 0 else math.nan,
        ))  # fmt: skip
    canvas = small_multiples(multiples, entries, marks, label="Severity")
    words = [
        "Score against the severity of the perturbation, clean at 0, with 95 % bands; dashed: chance.",
        f"{'Shown' if several else 'All strict'}: the mean over the strict perturbations that were measured at every "
        "severity." if curves["pooled"].any() else "",
        f"Further curves, with smaller losses, in the tables only: {left_out}." if left_out else "",
    ]  # fmt: skip
    return drawing.finished(canvas, name="robustness-severity", title="Score against severity",
                            caption=" ".join(filter(None, words)), data=curves)  # fmt: skip


def _chosen(curves: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows that are shown, panels in order, and how many curves are left out."""
    curves = curves.dropna(subset=["value"])
    pooled = curves["pooled"].astype(bool)
    keep = pooled | ~curves["task"].isin(set(curves.loc[pooled, "task"]))
    if curves["task"].nunique() < 2:
        single = curves.loc[curves["group"] == GROUPS[0], "variation"].nunique() <= 2
        keep = ~pooled | (not single)  # the mean of one perturbation is that perturbation
    curves = curves.loc[keep]
    if curves.empty:
        return curves, 0
    keys = ["task", "variation"]
    ranks = {group: rank for rank, group in enumerate(GROUPS)}
    last = curves[curves["severity"] == curves.groupby(["entry", *keys])["severity"].transform("max")]
    size = last["drop"].abs().groupby(last["task"]).transform("max").replace(0, 1)  # tasks differ in their units
    panels = last.assign(loss=last["drop"] / size).groupby(keys, sort=False, as_index=False)
    panels = panels.agg(loss=("loss", "mean"), pooled=("pooled", "max"), group=("group", "first"))
    kept = panels.sort_values("loss", ascending=False, kind="stable").head(MOST)
    place = {name: rank for rank, name in enumerate(dict.fromkeys(curves["task"]))}
    kept = kept.assign(task_rank=kept["task"].map(place), rank=kept["group"].map(ranks).fillna(9),
                       first=~kept["pooled"].astype(bool),
                       gain=-kept.groupby("variation")["loss"].transform("mean"))  # fmt: skip
    kept = kept.sort_values(["task_rank", "first", "rank", "gain"], kind="stable")[keys]
    return kept.merge(curves, on=keys, how="left")[list(curves.columns)], len(panels) - len(kept)


def _lines(rows: pd.DataFrame, factor: float, *, x: str, baseline: bool = False) -> pd.DataFrame:
    names = {"value": "value", "lo": "lo", "hi": "hi"} if "value" in rows else {"success_rate": "value"}
    ends = {name: factor * rows[name].astype("float64") for name in ("lo", "hi")}
    value = factor * rows[next(iter(names))].astype("float64")
    found = rows[["entry"]].assign(x=rows[x].astype("float64"), value=value, baseline=baseline, **ends)
    return found.sort_values(["entry", "x"], kind="stable")


def _title(task: str, variation: str, group: str, *, several: bool) -> str:
    if not variation:
        return wording.short(task, 20)
    if not several:
        return wording.short(variation, 16 if group else 20)
    first = wording.short(variation, 19 - len(group) if group else 20) + (f" ({group})" if group else "")
    return f"{first}\n{wording.short(task, 20)}"


def _score(task: pd.Series) -> str:
    words = f"{wording.metric(str(task['metric']))}{', %' if task['percent'] else ''} {task['arrow']}".strip()
    return words[:1].upper() + words[1:]


def attacks(measured: Robustness, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Share of documents that an attack turned, against the queries it spent; the random edits dashed."""
    curve, pairs = measured.attack_curve, _panels_of(measured)
    if curve.empty or pairs.empty:
        return None
    several = pairs["severity"].nunique() > 1
    multiples, shown = [], []
    for (task, attack, budget), own in pairs.groupby(["task", "variation", "severity"], sort=False):
        at = curve[(curve["task"] == task) & (curve["severity"] == budget)]
        solid = at[at["variation"] == attack]
        dashed = at[at["variation"].isin(set(own["control"]) - {""}) & (attack != at["variation"])]
        shown += [solid, dashed]
        frame = pd.concat([_lines(solid, 100.0, x="queries"),
                           _lines(dashed, 100.0, x="queries", baseline=True)])  # fmt: skip
        first = f"{wording.short(str(attack), 14)}, {100 * budget:g} %" if several else wording.short(str(attack), 20)
        title = f"{first}\n{wording.short(str(task), 20)}"
        multiples.append(Multiple(title=title, height="Turned, %", frame=frame))
    canvas = small_multiples(multiples, entries, marks, label="Queries per document", steps=True)
    data = pd.concat(shown).drop_duplicates(["entry", "task", "variation", "severity", "queries"])
    budget = "the share in the heading" if several else f"{100 * float(pairs['severity'].iloc[0]):g} %"
    words = [
        "Share of the documents answered rightly before that the attack turned, by the queries it had spent on each;",
        f"it may change {budget} of the words. Bands: 95 % (Wilson).",
        "Dashed: random edits from the same candidates." if (data["search"] == "random").any() else "",
    ]
    return drawing.finished(canvas, name="robustness-attacks", title="Attack success against queries",
                            caption=" ".join(filter(None, words)), data=data)  # fmt: skip


def _panels_of(measured: Robustness) -> pd.DataFrame:
    """Attacks that have a panel, each at the budget that most entries share: all but those that are a baseline."""
    rows = measured.attacks
    drawn = rows.merge(measured.attack_curve[["entry", "task", "variation", "severity"]].drop_duplicates())
    used = set(rows["control"]) - {""}
    drawn = drawn[~drawn["variation"].isin(used)]
    return at_shared(drawn, ["task", "variation"])


def small_multiples(
    multiples: Sequence[Multiple], entries: pd.DataFrame, marks: Looks, *, label: str, steps: bool = False
) -> Figure:
    """Every panel with a line and a band per entry; two columns with names at the lines, or four with a key above."""
    shown = {str(name) for one in multiples for name in one.frame["entry"]}
    roomy = len(multiples) <= ROOMY
    parts = groups(entries, shown) if roomy else [[name for part in groups(entries, shown) for name in part]]
    plan = [(one, part) for one in multiples for part in parts]
    columns = min(2 if roomy else 4, len(plan))
    rows = math.ceil(len(plan) / columns)
    canvas = drawing.figure((2.2 if roomy else 1.45) * rows + (0.1 if roomy else 0.6))
    grid = canvas.subplots(rows, columns, squeeze=False, sharey=len({one.scale for one in multiples}) == 1)
    ends = []
    for axes, (one, names) in zip(grid.flat, plan, strict=False):
        ends.append((axes, _panel(axes, one, names, marks, steps=steps)))
        if len(parts) > 1:
            axes.set_title(f"{one.title}, {_reach(entries, names)}")
        _x_ticks(axes, one.frame["x"], steps=steps, few=not roomy)
    for axes in grid.flat[len(plan) :]:
        axes.set_visible(False)
    _one_scale([(axes, one.scale) for axes, (one, _) in zip(grid.flat, plan, strict=False)])
    canvas.supxlabel(label, fontsize=8, color=QUIET)
    _heights(canvas, [(axes, one.height) for axes, (one, _) in zip(grid.flat, plan, strict=False)], columns)
    if roomy:
        drawing.label_ends(canvas, ends)
    else:
        key(canvas, parts[0], marks, lines=True)
    return canvas


def _heights(canvas: Figure, panels: Sequence[tuple[Axes, str]], columns: int) -> None:
    """Says what the vertical axes mean: once where it is the same, else wherever it changes along a row."""
    if len({words for _, words in panels}) == 1:
        canvas.supylabel(panels[0][1], fontsize=8, color=QUIET)
        return
    for number, (axes, words) in enumerate(panels):
        if number % columns == 0 or words != panels[number - 1][1]:
            axes.set_ylabel(wording.short(words, 24))


def _reach(entries: pd.DataFrame, names: Sequence[str]) -> str:
    known = entries.loc[entries["entry"].isin(list(names)), "parameters"].dropna()
    ends = (known.min(), known.max()) if len(known) else ()
    return " to ".join(dict.fromkeys(wording.count(round(float(end))) for end in ends))


def _panel(axes: Axes, one: Multiple, names: Sequence[str], marks: Looks, *, steps: bool) -> list[drawing.End]:
    axes.spines["left"].set_visible(True)
    axes.set_title(one.title)
    if one.aside:
        axes.set_title(one.aside, loc="right", fontsize=7, fontweight="normal", color=QUIET)
    if np.isfinite(one.level):
        axes.axhline(one.level, color=QUIET, linewidth=0.9, linestyle=DASHES, zorder=0.5)
    ends = []
    style = "steps-post" if steps else "default"
    for name in names:
        look, own = marks[name], one.frame[one.frame["entry"] == name]
        base, rows = own[own["baseline"].astype(bool)], own[~own["baseline"].astype(bool)]
        axes.plot(base["x"], base["value"], color=look.colour, linewidth=1.0, linestyle=DASHES, drawstyle=style,
                  zorder=1.4)  # fmt: skip
        known = rows.dropna(subset=["lo", "hi"])
        axes.fill_between(known["x"], known["lo"], known["hi"], step="post" if steps else None, color=look.colour,
                          alpha=0.13 if len(names) <= 6 else 0.08, linewidth=0, zorder=1)  # fmt: skip
        axes.plot(rows["x"], rows["value"], color=look.colour, linewidth=1.2, drawstyle=style, zorder=1.5)
        if not steps:
            axes.plot(rows["x"], rows["value"], look.marker, color=look.colour, markeredgecolor=look.edge,
                      markeredgewidth=0.6, markersize=3.5, zorder=3)  # fmt: skip
        if len(rows):
            point = (float(rows["x"].iloc[-1]), float(rows["value"].iloc[-1]))
            ends.append(drawing.End(point=point, text=wording.short(name, 24), colour=look.edge))
    return ends


def _x_ticks(axes: Axes, places: pd.Series, *, steps: bool, few: bool) -> None:
    if steps:
        axes.xaxis.set_major_locator(MaxNLocator(3 if few else 5, steps=[1, 2, 2.5, 5, 10], integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlim(0, 1.02 * max(1.0, float(places.max())))
        return
    wanted = sorted({float(place) for place in places})
    kept = [wanted[-1]]
    for place in reversed(wanted[:-1]):
        if kept[-1] - place >= (wanted[-1] - wanted[0]) / (4 if few else 8):
            kept.append(place)
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.margins(x=0.06)


def _one_scale(panels: Sequence[tuple[Axes, Hashable]]) -> None:
    """The same vertical scale for the panels that share one."""
    for scale in dict.fromkeys(scale for _, scale in panels):
        own = [axes for axes, other in panels if other == scale]
        lo, hi = min(axes.get_ylim()[0] for axes in own), max(axes.get_ylim()[1] for axes in own)
        for axes in own:
            axes.set_ylim(lo, hi)
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
            axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
