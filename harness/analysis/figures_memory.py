"""Efficiency -> what memory is made of, what was predicted, and what the device has.

Layer: beside `figures`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import drawing, wording
from harness.analysis.palette import INK, QUIET
from harness.analysis.panels import guides, linear_ticks
from harness.analysis.points import place
from harness.analysis.series import PLACE, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.panels import Looks

PARTS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "weights_bytes": ("weights", "#33475b"), "buffers_bytes": ("buffers", "#a9744f"),
    "kv_bytes": ("key-value cache", "#6f9bb8"), "gradient_bytes": ("gradients", "#8a6f9e"),
    "optimiser_bytes": ("optimiser", "#4f7a5b"), "activation_bytes": ("activations", "#d8b365"),
    "overhead_bytes": ("overhead", "#dcdcdc"),
})  # fmt: skip
"""Parts of the stack from the left: their words and their colours, dark beside light so that they differ in grey."""

MOST = 3
"""Panels beside each other; a device and probe each."""

FAR = 3.0
"""A limit that many times beyond the longest bar is written, not drawn."""


def memory(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Bytes by part at one point per probe, the predicted total as a tick, the device's memory as a line."""
    del marks  # colours tell parts apart here, not entries
    chosen = _chosen(measured)
    if not chosen:
        return None
    names = {name for frame in chosen for name in frame["entry"]}
    order = [entry for entry in entries.sort_values(["parameters", "entry"])["entry"] if entry in names]
    canvas = drawing.figure(1.15 + 0.22 * len(order))
    grid = canvas.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    for axes, frame in zip(grid, chosen, strict=True):
        _panel(axes, frame.set_index("entry"), order)
        axes.set_title(_title(frame, several=len({str(one["device"].iloc[0]) for one in chosen}) > 1))
    grid[0].set_yticks(range(len(order)), [wording.short(entry, 24) for entry in order])
    grid[0].set_ylim(len(order) - 0.4, -0.6)
    data = pd.concat(chosen, ignore_index=True)
    _key(canvas, data)
    return drawing.finished(canvas, name="memory", title="Memory by part", caption=_caption(data), data=data)


def _chosen(measured: Efficiency) -> list[pd.DataFrame]:
    """For each device and probe the rows of one point: where most entries were tried and half of them fitted.

    Of several such points it is the largest.
    """
    points, held = shown(measured.points), shown(measured.memory).reindex(columns=_columns(measured.memory))
    held = held[held[list(PARTS)].notna().any(axis=1)]
    lost = points[(points["metric"] == "") & (points["status"] == "oom")][["entry", "kind", *PLACE, "status"]]
    whole = pd.concat([held.assign(status="ok"), lost], ignore_index=True)
    found: list[tuple[int, pd.DataFrame]] = []
    for _, rows in held.groupby(["device", "probe"], dropna=False, sort=True):
        own = whole[(whole["device"] == rows["device"].iloc[0]) & (whole["probe"] == rows["probe"].iloc[0])]
        sizes = own.fillna({"batch": 0, "prompt": 0, "new": 0}).groupby(["batch", "prompt", "new"])["status"]
        fitted = sizes.agg(lambda status: (status == "ok").sum())
        tried = sizes.size()[fitted >= fitted.max() / 2]
        best = tried.index[tried == tried.max()][-1]
        same = whole.index.isin(own.index)
        for axis, size in zip(("batch", "prompt", "new"), best, strict=True):
            same &= (whole[axis].fillna(0) == size).to_numpy(dtype=bool)
        found.append((int(tried.max()), whole[same].reset_index(drop=True)))
    ranked = sorted(found, key=lambda one: (-one[0], _RANKS.get(str(one[1]["kind"].iloc[0]), 9)))
    return [frame for _, frame in ranked[:MOST]]


_RANKS: Mapping[str, int] = MappingProxyType({"decode": 0, "prefill": 1, "train_step": 2, "score": 3, "generate": 4})


def _columns(frame: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys([*frame.columns, *PARTS, "limit"]))


def _panel(axes: Axes, rows: pd.DataFrame, order: Sequence[str]) -> None:
    guides(axes, len(order))
    for index, entry in enumerate(order):
        if entry in rows.index:
            _bar(axes, rows.loc[entry], index)
    known = rows[[*PARTS]].sum(axis=1).max(), rows["predicted_bytes"].max(), 1.0
    longest = max(float(size) for size in known if pd.notna(size))
    limit = float(rows["limit"].max())
    near = limit <= FAR * longest
    axes.set_xlim(0, 1.06 * (max(limit, longest) if near else longest))
    if near:
        axes.axvline(limit, color=INK, linewidth=1.0, zorder=1)
        axes.text(limit, 1.0, " device ", transform=axes.get_xaxis_transform(), ha="right", va="bottom", fontsize=7,
                  color=QUIET)  # fmt: skip
    linear_ticks(axes, "B")


def _bar(axes: Axes, row: pd.Series, index: int) -> None:
    if row["status"] == "oom":
        axes.plot(0.02, index, "x", color=INK, markersize=5, transform=axes.get_yaxis_transform())
        axes.text(
            0.05, index, "out of memory", transform=axes.get_yaxis_transform(), va="center", fontsize=7, color=QUIET
        )
        return
    left = 0.0
    for part, (_, colour) in PARTS.items():
        size = float(row[part]) if pd.notna(row[part]) else 0.0
        if size > 0:
            axes.barh(index, size, left=left, height=0.62, color=colour, edgecolor="white", linewidth=0.4, zorder=2)
            left += size
    if pd.notna(row["predicted_bytes"]):
        axes.plot((row["predicted_bytes"],) * 2, (index - 0.44, index + 0.44), color="white", linewidth=2.0, zorder=3)
        axes.plot((row["predicted_bytes"],) * 2, (index - 0.44, index + 0.44), color=INK, linewidth=1.1, zorder=4)


def _title(frame: pd.DataFrame, *, several: bool) -> str:
    first = frame.iloc[0]
    where = [place(first["batch"], first["prompt"], first["new"]), str(first["device"]) if several else ""]
    return "\n".join(wording.short(line, 32) for line in (str(first["probe"]), ", ".join(filter(None, where))) if line)


def _key(canvas: Figure, data: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    used = [part for part in PARTS if (data[part].fillna(0) > 0).any()]
    handles: list[Any] = [Patch(facecolor=PARTS[part][1]) for part in used]
    words = [PARTS[part][0] for part in used]
    if data["predicted_bytes"].notna().any():
        handles.append(Line2D([], [], color=INK, marker="|", linestyle="", markersize=8, markeredgewidth=1.3))
        words.append("predicted")
    canvas.legend(handles, words, loc="outside upper left", ncols=8, frameon=False, fontsize=8, handlelength=1.0,
                  handletextpad=0.4, columnspacing=1.2)  # fmt: skip


def _caption(data: pd.DataFrame) -> str:
    good = data[data["status"] == "ok"]
    compared = sorted({str(name) for name in good["measured_as"].dropna() if name})
    words = ["Parts of what a process took, one point per probe."]
    if good["predicted_bytes"].notna().any():
        words.append(f"Tick: what the family's formulas predict, to be set against {_said(compared)}.")
    for device, rows in data.groupby("device", sort=True):
        if pd.notna(limit := rows["limit"].max()):
            words.append(
                f"Line, where it is near: the memory of {wording.short(str(device), 40)}, {wording.scaled(limit, 'B')}."
            )
    if lost := int((data["status"] == "oom").sum()):
        words.append(f"Crossed: out of memory ({lost} {'points' if lost > 1 else 'point'}).")
    return " ".join(words)


def _said(names: Sequence[str]) -> str:
    known = {"peak_device_bytes": "the stack without its overhead (the allocator's peak)",
             "added_host_bytes": "the whole stack (growth of the process since before loading)"}  # fmt: skip
    return " or ".join(known.get(name, wording.metric(name)) for name in names) or "what was measured"
