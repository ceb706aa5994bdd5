"""What trust in times rests on, as figures: the A/A control against itself, and the whole spread of times, not medians.

Layer: beside `figures`, above `efficiency` and `points`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.analysis import drawing, points, wording
from harness.analysis.dots import BAND
from harness.analysis.labels import labelled
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import guides, log_ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.frame import Study
    from harness.analysis.panels import Looks

MOST = 8
"""Lines of one figure: the first entries of the leaderboard."""

PLACE = ["device", "probe", "batch", "prompt", "new"]


def floor(measured: Efficiency) -> Drawing | None:
    """The ratio of the A/A control to its own model, by device and probe, with the noise floor as a band."""
    rows = measured.floor[measured.floor["probe"] != ""]
    if not len(rows):
        return None
    canvas = drawing.figure(0.8 + 0.24 * len(rows))
    axes = canvas.subplots()
    guides(axes, len(rows))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=0.5)
    for place, row in enumerate(rows.itertuples(index=False)):
        axes.fill_between((-100 * row.floor, 100 * row.floor), place - 0.32, place + 0.32, color=BAND, linewidth=0,
                          zorder=-1)  # fmt: skip
        if np.isfinite((row.lo, row.hi)).all():
            axes.plot((100 * (row.lo - 1), 100 * (row.hi - 1)), (place, place), color=INK, linewidth=1.2)
        axes.plot(100 * (row.ratio - 1), place, "o", color=INK, markersize=4.5)
    several = rows["device"].nunique() > 1
    names = [f"{row.probe}, {wording.short(str(row.device), 16)}" if several else str(row.probe)
             for row in rows.itertuples(index=False)]  # fmt: skip
    axes.set_yticks(range(len(rows)), [wording.short(name, 30) for name in names])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("Time of a model over its own, %")
    axes.margins(x=0.08)
    caption = (
        f"One model under two names ({wording.listing(sorted(set(rows['model'])))}), measured as if it were two: the "
        "truth is 0. Dots: mean difference over all points, with Student's 95 % intervals over blocks. Band: the noise "
        "floor, which single points stay within 19 times of 20; smaller differences of other models are not called."
    )
    return drawing.finished(canvas, name="noise-floor", title="A model against itself", caption=caption, data=rows)


def spread(study: Study, comparison: Comparison, marks: Looks) -> Drawing | None:
    """The single gaps between tokens from the shortest to the longest: tails that a median hides."""
    gaps, where = _gaps(study, comparison)
    names = [name for name in marks if name in gaps][:MOST]
    if not names:
        return None
    canvas = drawing.figure(2.9)
    axes, ends, rows = canvas.subplots(), [], []
    for name in names:
        values, look = np.sort(gaps[name]), marks[name]
        shares = np.arange(1, len(values) + 1) / len(values)
        kept = np.unique(np.linspace(0, len(values) - 1, 300).astype(int))
        axes.step(shares[kept], values[kept], where="pre", color=look.edge, linewidth=1.2)
        rows += [(name, float(values[i]), float(shares[i]), len(values)) for i in kept]
        ends.append(drawing.End(point=(1.0, float(values[-1])), text=wording.short(name, 24), colour=look.edge))
    axes.set_yscale("log")
    axes.spines["left"].set_visible(True)
    axes.set_ylabel("Time between tokens ↓")
    axes.set_xlabel("Share of gaps that are shorter")
    axes.set_xlim(0, 1.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    log_ticks(axes, "s", side="y")
    axes.tick_params(axis="y", labelsize=7.5, labelcolor=QUIET)
    drawing.label_ends(canvas, [(axes, ends)])
    more = len(gaps) - len(names)
    caption = (
        f"Every single gap between two tokens at {where}, all repeats and processes of an entry together, from the "
        "shortest to the longest: where a line turns up at the right are the waits that a median does not show."
        f"{f' Drawn: the first {len(names)} of the leaderboard.' if more > 0 else ''}"
    )
    data = pd.DataFrame(rows, columns=["entry", "seconds", "share", "n"])
    return drawing.finished(canvas, name="spread", title="The spread of times", caption=caption, data=data)


def _gaps(study: Study, comparison: Comparison) -> tuple[dict[str, NDArray[np.float64]], str]:
    """The gaps of every entry at the point that most entries share, the smallest of several; and where that is."""
    cells = study.cells
    if not any(isinstance(facts.get("steps"), Mapping) for facts in cells["probe_facts"]):
        return {}, ""
    found = points.probes(labelled(cells))
    found = found[~found["control"] & (found["state"] == "ok") & found["entry"].isin(set(comparison.entries["entry"]))]
    own = [facts["steps"].get("itl") or [] if isinstance(facts.get("steps"), Mapping) else []
           for facts in found["probe_facts"]]  # fmt: skip
    found = found.assign(gaps=[np.concatenate([np.asarray(one, dtype=float) for one in repeats]) if len(repeats) else
                               np.zeros(0) for repeats in own])  # fmt: skip
    found = found[[len(one) > 0 for one in found["gaps"]]]
    number = found.groupby(PLACE)["entry"].nunique()
    if not len(number):
        return {}, ""
    chosen = number.index[number == number.max()][0]
    same = (found[PLACE].astype(object) == list(chosen)).all(axis=1)
    gathered = {str(entry): np.concatenate(list(rows["gaps"])) for entry, rows in found[same].groupby("entry")}
    return gathered, f"{points.place(*chosen[2:])} ({chosen[1]})"
