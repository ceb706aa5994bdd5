"""Quality against what it costs: speed, latency, memory, energy, and which entries are beaten on both beyond noise.

Layer: beside `figures`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import drawing, stats, wording
from harness.analysis.derive import speed_of
from harness.analysis.palette import RULE, Look, mixed
from harness.analysis.panels import dot, log_ticks
from harness.analysis.points import place
from harness.analysis.series import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.panels import Looks

DRAWS = 4000
"""Joint draws of quality and cost from which it is told who is beaten."""

SURE = 0.95
"""Share of draws in which an entry must be beaten on both axes to count as beaten."""

COSTS = (
    ("decode_tok_s", "Decode, tokens per second → faster", 1),
    ("peak_memory", "Peak memory (less is better)", -1),
    ("itl", "Time between tokens (less is better)", -1),
    ("energy_tok", "Energy per token, net (less is better)", -1),
)
"""Metric, its label, and whether more (1) or less (-1) of it is better."""


@final
@dataclass(frozen=True, kw_only=True)
class _Panel:
    """A cost in words, its direction, and a row per entry: `mean, mean_stderr, value, lo, hi, unit, noisy, beaten`."""

    label: str
    better: int
    frame: pd.DataFrame


def tradeoffs(comparison: Comparison, measured: Efficiency | None, marks: Looks) -> Drawing | None:
    """Mean chance-corrected score against decode speed, peak memory, time between tokens and energy per token."""
    where, chosen = _panels(comparison, measured)
    if not chosen:
        return None
    columns = min(2, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    number = max(len(panel.frame) for panel in chosen)
    canvas = drawing.figure(rows * min(6.5, 2.7 + 0.1 * max(6, number)))
    grid = canvas.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, panel in zip(grid.flat, chosen, strict=False):
        _draw(axes, panel, marks)
        axes.set_xlabel(panel.label)
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    canvas.supylabel("Mean score, % of the way from chance to perfect", fontsize=8, color="#5f5f5f")
    drawing.settle(canvas)
    for axes, panel in zip(grid.flat, chosen, strict=False):
        points = [(float(r.value), 100 * float(r.mean)) for r in panel.frame[["value", "mean"]].itertuples()]
        drawing.label_points(axes, points, [wording.short(str(name), 22) for name in panel.frame.index])
    data = pd.concat([panel.frame.reset_index(names="entry") for panel in chosen])
    return drawing.finished(canvas, name="tradeoffs", title="Quality against its costs",
                            caption=_caption(comparison, where, data), data=data)  # fmt: skip


def _caption(comparison: Comparison, where: str, data: pd.DataFrame) -> str:
    beaten = int((data["beaten"] >= SURE).sum())
    words = [
        f"Ordered by {comparison.basis}.",
        f"Costs at {where}." if where else "",
        "Bars: 95 % intervals. The grey step joins the entries that no other beats on both axes, by point estimates.",
        f"Faded: beaten on both axes by another entry in at least {100 * SURE:.0f} % of {DRAWS:,} joint draws of score",
        f"and cost ({beaten} of {len(data)} points); the others may be worth having.",
    ]
    if noisy := int(data["noisy"].sum()):
        words.append(f"Hollow: the machine was not quiet ({noisy} {'points' if noisy > 1 else 'point'}).")
    return " ".join(filter(None, words))


def beaten(quality: NDArray[np.float64], cost: NDArray[np.float64], *, better: int) -> NDArray[np.float64]:
    """Share of joint draws in which another entry is as good on both axes and better on one, `(entries,)`.

    Scores are drawn from normal distributions, costs from log-normal ones, entries apart from each other; one seed.

    Args:
        quality: `(entries, 2)`: mean and standard error (a gap counts as none).
        cost: `(entries, 3)`: value and the ends of its 95 % interval (gaps count as none); positive.
        better: 1 where more of the cost is better, as with a speed, else -1.
    """
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2, DRAWS, len(quality)))
    scores = quality[:, 0] + np.nan_to_num(quality[:, 1]) * z[0]
    width = np.nan_to_num(np.log(cost[:, 2] / cost[:, 1])) / (2 * stats.z_value())
    gains = better * (np.log(cost[:, 0]) + width * z[1])
    found = np.zeros(len(quality))
    for entry in range(len(quality)):
        q, g = scores[:, [entry]], gains[:, [entry]]
        over = (scores >= q) & (gains >= g) & ((scores > q) | (gains > g))
        found[entry] = over.any(axis=1).mean()
    return found


def _panels(comparison: Comparison, measured: Efficiency | None) -> tuple[str, list[_Panel]]:
    """Where the costs were measured, in words, and a panel for each that two entries or more have."""
    quality = comparison.entries.set_index("entry")[["mean", "mean_stderr"]]
    where, costs = _measured(measured)
    found = []
    for metric, label, better in COSTS:
        cost = costs.get(metric)
        if cost is None:
            cost = speed_of(comparison, metric).assign(noisy=False)
        frame = quality.join(cost[["value", "lo", "hi", "unit", "noisy"]], how="inner")
        frame = frame.dropna(subset=["mean", "value"])
        frame = frame[frame["value"] > 0]
        if len(frame) > 1:
            sure = beaten(
                frame[["mean", "mean_stderr"]].to_numpy(float),
                frame[["value", "lo", "hi"]].to_numpy(float),
                better=better,
            )
            found.append(_Panel(label=label, better=better, frame=frame.assign(metric=metric, beaten=sure)))
    return where, found


def _measured(measured: Efficiency | None) -> tuple[str, dict[str, pd.DataFrame]]:
    """The costs of decoding at the point that most entries share (the smallest batch of several), by metric."""
    if measured is None:
        return "", {}
    points = shown(measured.points)
    points = points[(points["kind"] == "decode") & (points["subset"] == "")]
    shared = points[points["metric"] == "itl"].groupby(["probe", "batch", "prompt", "new"])["entry"].nunique()
    if shared.empty:
        return "", {}
    probe, *sizes = shared.index[shared == shared.max()][0]
    at = points[(points["probe"] == probe)]
    for axis, size in zip(("batch", "prompt", "new"), sizes, strict=True):
        at = at[at[axis] == size]
    renamed = at["metric"].replace({"peak_device_bytes": "peak_memory", "peak_host_bytes": "peak_memory"})
    at = at.assign(value=at["median"], own=at["metric"], metric=renamed).sort_values(["entry", "own"])
    kept = at.drop_duplicates(["entry", "metric"]).set_index("entry")  # of memory the device's, where there is one
    found = {metric: rows for metric, _, _ in COSTS if len(rows := kept[kept["metric"] == metric])}
    return f"{place(*sizes)} ({probe})", found


def _draw(axes: Axes, panel: _Panel, marks: Looks) -> None:
    axes.set_xscale("log")
    frame = panel.frame
    front = _front(frame["value"].to_numpy() * panel.better, frame["mean"].to_numpy())
    best = frame[front].sort_values("value")
    axes.step(best["value"], 100 * best["mean"], where="post" if panel.better < 0 else "pre", color=RULE, linewidth=1.0,
              zorder=1)  # fmt: skip
    for entry, row in frame.iterrows():
        look = _faded(marks[str(entry)]) if row["beaten"] >= SURE else marks[str(entry)]
        point = (row["value"], 100 * row["mean"])
        dot(axes, point, look, ends=(row["lo"], row["hi"]), hollow=bool(row["noisy"]))
        if np.isfinite(row["mean_stderr"]):
            half = 196 * row["mean_stderr"]
            axes.plot((point[0],) * 2, (point[1] - half, point[1] + half), color=look.edge, linewidth=1.2, zorder=2)
    axes.margins(x=0.18, y=0.1)
    axes.autoscale_view()
    log_ticks(axes, str(frame["unit"].iloc[0]))
    axes.spines["left"].set_visible(True)


def _faded(look: Look) -> Look:
    return dataclasses.replace(look, colour=mixed(look.colour, "#ffffff", 0.7), edge=mixed(look.edge, "#ffffff", 0.55))


def _front(gain: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Which points no other point beats on one axis without losing on the other."""
    dominated = [
        bool(((gain >= g) & (quality >= q) & ((gain > g) | (quality > q))).any())
        for g, q in zip(gain, quality, strict=True)
    ]
    return ~np.array(dominated)
