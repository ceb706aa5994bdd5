"""Efficiency -> the roofline: what each probe achieved against what the machine allows.

Layer: beside `figures`.

Source:
    Williams, Waterman and Patterson (2009), Roofline: an insightful visual performance model, CACM 52(4):65.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis import drawing, wording
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import log_ticks, scatter
from harness.analysis.series import PLACE, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.panels import Looks

MOST = 4
"""Probes that the figure shows; the fullest of more."""


def roofline(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Achieved FLOP/s against intensity, a panel per device and probe, under measured and data-sheet peaks."""
    frame = _framed(measured)
    if frame.empty:
        return None
    sizes = (
        frame.groupby(["device", "probe"], dropna=False, sort=True).size().sort_values(ascending=False, kind="stable")
    )
    chosen = sorted(sizes.index[:MOST])
    data = frame[[key in chosen for key in zip(frame["device"], frame["probe"], strict=True)]].reset_index(drop=True)
    dtypes = entries.set_index("entry")["dtype"]
    data = data.assign(dtype=data["entry"].map(dtypes).fillna("").astype(str))
    columns = min(2, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    canvas = drawing.figure(max(2.5 * rows, 0.9 + 0.15 * data["entry"].nunique()))
    grid = canvas.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (device, probe) in zip(grid.flat, chosen, strict=False):
        own = data[(data["device"] == device) & (data["probe"] == probe)]
        _panel(axes, own, data[data["device"] == device], marks)
        words = [str(probe), *([str(device)] if data["device"].nunique() > 1 else [])]
        axes.set_title(wording.short(", ".join(words), 44))
    for axes in grid.flat[len(chosen) :]:
        axes.set_visible(False)
    _frame_of(grid, len(chosen))
    _key(canvas, [entry for entry in entries.sort_values(["parameters", "entry"])["entry"]
                  if entry in set(data["entry"])], data, marks)  # fmt: skip
    return drawing.finished(canvas, name="roofline", title="Roofline", caption=_caption(data, len(sizes)), data=data)


def _framed(measured: Efficiency) -> pd.DataFrame:
    """One row per point with what it achieved, whether it was noisy, and the peaks of the data sheet where known."""
    frame = shown(measured.rooflines)
    frame = frame[(frame["intensity"] > 0) & (frame["flop_s"] > 0)]
    points = measured.points
    keys = ["entry", *PLACE]
    flags = points[points["chief"]].drop_duplicates(keys)[[*keys, "noisy", "why"]]
    frame = frame.merge(flags, on=keys, how="left")
    noisy = frame["noisy"].astype("boolean").fillna(value=False).astype(bool)
    return frame.assign(noisy=noisy, sheet_flops=frame["flop_s"] / frame["mfu_spec"],
                        sheet_bandwidth=frame["byte_s"] / frame["mbu_spec"])  # fmt: skip


def _panel(axes: Axes, own: pd.DataFrame, device: pd.DataFrame, marks: Looks) -> None:
    axes.set(xscale="log", yscale="log")
    axes.spines["left"].set_visible(True)
    lo, hi = _reach(device)
    for flops, bandwidth, solid, _ in _roofs(device):
        ridge = min(max(flops / bandwidth, lo), hi)
        corners = np.array([lo, ridge, hi])
        axes.plot(corners, np.minimum(flops, bandwidth * corners), zorder=1, **_stroke(solid=solid))
    for entry, rows in own.groupby("entry", sort=True):
        look = marks[str(entry)]
        for _, line in rows.sort_values(["prompt", "batch"]).groupby("prompt", dropna=False):
            axes.plot(line["intensity"], line["flop_s"], color=look.colour, linewidth=0.7, zorder=2)
        scatter(axes, rows, look, x="intensity", y="flop_s")


def _roofs(data: pd.DataFrame) -> list[tuple[float, float, bool, str]]:
    """FLOP/s, B/s, whether measured, and words: for each device and dtype the measured peaks and the data sheet's."""
    found = []
    for (device, dtype), rows in data.groupby(["device", "dtype"], sort=True):
        names = [str(dtype)] * (data["dtype"].nunique() > 1) + [wording.short(str(device), 18)] * (
            data["device"].nunique() > 1
        )
        for flops, bandwidth, word in (("peak_flops", "peak_bandwidth", "measured"),
                                       ("sheet_flops", "sheet_bandwidth", "data sheet")):  # fmt: skip
            peaks = rows[[flops, bandwidth]].median()
            if np.isfinite(peaks).all():
                found.append(
                    (float(peaks.iloc[0]), float(peaks.iloc[1]), word == "measured", ", ".join([word, *names]))
                )
    return found


def _stroke(*, solid: bool) -> dict[str, Any]:
    return {
        "color": INK if solid else QUIET,
        "linewidth": 1.1 if solid else 0.9,
        "linestyle": "-" if solid else (0, (4, 2)),
    }


def _reach(frame: pd.DataFrame) -> tuple[float, float]:
    """Intensities that the roofs are drawn over: those of the points and the ridge, and a little more."""
    ridge = float((frame["peak_flops"] / frame["peak_bandwidth"]).median())
    values = [*frame["intensity"], *([ridge] if math.isfinite(ridge) else [])]
    return min(values) / 1.6, max(values) * 2.5


def _frame_of(grid: np.ndarray, shown_panels: int) -> None:
    for index, axes in enumerate(grid.flat[:shown_panels]):
        log_ticks(axes, "FLOP/B")
        log_ticks(axes, "FLOP/s", side="y")
        axes.tick_params(axis="y", labelsize=7.5)
        axes.xaxis.set_tick_params(labelbottom=True)
        if index + grid.shape[1] >= shown_panels:
            axes.set_xlabel("Intensity, FLOP per byte moved")
        if index % grid.shape[1] == 0:
            axes.set_ylabel("Achieved")


def _key(canvas: Any, names: list[str], data: pd.DataFrame, marks: Looks) -> None:
    """Every entry with its mark, then every roof with its peaks, at the right of the panels."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], marker=marks[name].marker, color=marks[name].colour, markeredgecolor=marks[name].edge,
                      linewidth=0.7, markersize=4.5) for name in names]  # fmt: skip
    words = [wording.short(name, 24) for name in names]
    for flops, bandwidth, solid, text in _roofs(data):
        handles.append(Line2D([], [], **_stroke(solid=solid)))
        words.append(f"{text}:\n{wording.scaled(flops, 'FLOP/s')}, {wording.scaled(bandwidth, 'B/s')}")
    canvas.legend(handles, words, loc="outside right center", frameon=False, fontsize=7.5, handlelength=1.6,
                  labelspacing=0.45)  # fmt: skip


def _caption(data: pd.DataFrame, probes: int) -> str:
    sheet = data[["sheet_flops", "sheet_bandwidth"]].notna().all(axis=1).any()
    words = [
        "Useful work of one call or step per second against the bytes it must move.",
        "A thin line joins the batches of one prompt. Solid: peaks measured on this machine, in the same process.",
        "Dashed: the data sheet's." if sheet else "The data sheet's peaks are not known for this machine.",
    ]
    if noisy := int(data["noisy"].sum()):
        words.append(f"Hollow: the machine was not quiet ({noisy} {'points' if noisy > 1 else 'point'}).")
    if probes > MOST:
        words.append(f"Further probes, in the tables only: {probes - MOST}.")
    return " ".join([*words, f"{len(data)} points."])
