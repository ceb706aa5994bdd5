"""The figure: how many times as fast as lm-eval, per workload, and how far the bound is.

Layer: matplotlib, no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.workloads import SEVEN, TITLES

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.report import Report
    from benchmarks.results import Decoding, Speed

_BAR, _OTHER, _BOUND = "#0072B2", "#56B4E9", "#D55E00"
_TICKS = (0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100)


def draw(report: Report, path: Path) -> None:
    """Writes the bars to `path`, in the format that its ending names."""
    from matplotlib.figure import Figure

    entries: list[Speed | Decoding] = [*report.speeds, *report.decodings]
    figure = Figure(figsize=(8, 1.6 + 0.38 * len(entries)), layout="constrained")
    axes = figure.subplots()
    for place, entry in enumerate(entries):
        _bar(axes, place, entry)
    axes.set_xscale("log")
    _ticks(axes, entries)
    axes.set_yticks(range(len(entries)), [_label(entry) for entry in entries])
    axes.set_ylim(len(entries) - 0.4, -0.6)
    axes.set_xlabel("times as fast as lm-eval (model.generate for equal lengths), logarithmic")
    axes.axvline(1, color="#1b1b1b", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(_title(report), loc="left", fontsize=10)
    axes.plot([], [], "|", color=_BOUND, markersize=14, markeredgewidth=2.5, label="bound: unique tokens at GEMM rate")
    axes.plot([], [], "-", color="#1b1b1b", linewidth=1.2, label="lowest to highest round")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _bar(axes: Any, place: int, entry: Speed | Decoding) -> None:
    ratio, ratios = entry.ratio, entry.ratios
    axes.barh(place, ratio - 1, left=1, height=0.62, color=_BAR if entry.name in SEVEN else _OTHER)
    axes.hlines(place, min(ratios), max(ratios), color="#1b1b1b", linewidth=1.2)
    bound = getattr(entry, "bound", None)
    if bound is not None:
        axes.plot(bound, place, "|", color=_BOUND, markersize=14, markeredgewidth=2.5)
    right = max(ratio, *ratios, 1)
    axes.annotate(
        f"{ratio:.2f}", (right, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip


def _ticks(axes: Any, entries: list[Speed | Decoding]) -> None:
    most = max(max(*entry.ratios, entry.ratio, getattr(entry, "bound", 1.0)) for entry in entries)
    least = min(min(*entry.ratios, entry.ratio, 1.0) for entry in entries)
    axes.set_xlim(least * 0.9, most * 1.25)
    shown = [tick for tick in _TICKS if least * 0.9 <= tick <= most * 1.25]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def _label(entry: Speed | Decoding) -> str:
    return TITLES.get(entry.name, entry.name)


def _title(report: Report) -> str:
    machine, settings = report.machine, report.settings
    return (
        f"{settings['model']} shapes, {settings['dtype']}, random weights, {settings['prompts']} prompts\n"
        f"{machine['device']}, {machine['threads']} threads"
    )
