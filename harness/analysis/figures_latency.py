"""Efficiency -> figures of time and energy: against batch, against prompt, against context.

Layer: beside `figures`; a figure is None where nothing was measured that it could show.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101, RUF001 - nunique leaves gaps out; signs of arithmetic
from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.analysis import drawing, panels, wording
from harness.analysis.panels import Facet
from harness.analysis.series import Sought, facets, probes_left_out, remarks, shown, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.analysis.drawing import Drawing
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.panels import Looks

DECODE = Sought(
    kind="decode", over="batch", titles={"decode_tok_s": "Decode, tokens per second ↑", "itl": "Time between tokens ↓"},
    name="batch", title="Decode against batch",
)  # fmt: skip
PREFILL = Sought(
    kind="prefill", over="batch",
    titles={"prefill_tok_s": "Prefill, tokens per second ↑", "ttft": "Time to first token ↓"},
    name="batch-prefill", title="Prefill against batch",
)  # fmt: skip
PROMPTS = tuple(
    Sought(kind=kind, over="prompt", titles={"ttft": "Time to first token ↓"}, ends=True, name="prompt",
           title="Time to first token against prompt length")
    for kind in ("prefill", "decode")
)  # fmt: skip
"""Of the probe that measures nothing else, else of the one that decodes afterwards."""

_INTERVALS = "Medians with 95 % intervals (processes first, then repeats)."
_BOUND = "Dashed: the roofline bound, from the peaks measured on this machine."


def batch(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Decode throughput and time between tokens against batch, with their bounds."""
    return _over(measured, DECODE, entries, marks)


def batch_prefill(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Prefill throughput and time to first token against batch, with their bounds."""
    return _over(measured, PREFILL, entries, marks)


def prompt(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Time to first token against the length of the prompt; None where there is one length."""
    for sought in PROMPTS:
        found = facets(measured, sought)
        if found and len(set(pd.concat([facet.frame for facet in found]).dropna(subset="value")["x"])) > 1:
            return _over(measured, sought, entries, marks)
    return None


def _over(measured: Efficiency, sought: Sought, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    found = facets(measured, sought)
    if not found:
        return None
    frame = pd.concat([facet.frame for facet in found], ignore_index=True)
    flat = frame["x"].nunique() == 1
    canvas = panels.over(found, entries, marks, label=_LABELS[sought.over])
    fixed = told(found, over="" if flat else sought.over)
    words = [
        f"{fixed[0].upper()}{fixed[1:]}." if fixed else "",
        _INTERVALS,
        _BOUND if frame["bound"].notna().any() else "",
    ]
    crossed = "Crossed" if flat else "Crossed at the first, at the height of the last point that fitted"
    words += [remarks(frame, crossed=crossed), _left_out(probes_left_out(measured, sought))]
    return drawing.finished(
        canvas, name=sought.name, title=sought.title, caption=" ".join(filter(None, words)), data=frame
    )


_LABELS = {"batch": "Batch", "prompt": "Tokens of the prompt"}


def _left_out(number: int) -> str:
    return f"Further probes of this kind, in the tables only: {number}." if number else ""


def energy(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Energy per token or item against batch, net of what the idle machine draws; None where nothing was metered."""
    frame = shown(measured.energy)
    frame = frame[frame["per_unit"].notna()]
    if frame.empty:
        return None
    frame = frame.assign(value=frame["per_unit"], x=frame["batch"].astype("float64").fillna(1.0), metric="per_unit",
                         bound=np.nan, status="ok", noisy=False, why="", error="")  # fmt: skip
    found = []
    for (device, probe, unit), rows in frame.groupby(["device", "probe", "unit"], dropna=False, sort=True):
        fullest = _fullest(rows)
        words = [str(probe), *([str(device)] if frame["device"].nunique() > 1 else [])]
        title = f"Energy, {wording.short(', '.join(words), 30)}, {unit} ↓"
        found.append(Facet(title=title, unit=str(unit), frame=fullest))
    whole = pd.concat([facet.frame for facet in found], ignore_index=True)
    canvas = panels.over(found, entries, marks, label="Batch")
    methods = wording.listing(sorted(set(whole["method"].astype(str))))
    caption = (
        f"Energy per token or item, net of the idle power of the same machine, over at least ten seconds of work; "
        f"measured by {methods}. {_places(found)} Medians with 95 % intervals where there are several processes."
    )
    return drawing.finished(canvas, name="energy", title="Energy per token", caption=caption, data=whole)


def _fullest(rows: pd.DataFrame) -> pd.DataFrame:
    """Points of the prompt and number of new tokens that most points share, the largest of several."""
    sizes = rows.groupby(["prompt", "new"], dropna=False, sort=True)["entry"].size()
    keep = sizes[sizes == sizes.max()].index[-1]
    same = [
        rows[axis].isna() if pd.isna(value) else (rows[axis] == value).fillna(value=False)
        for axis, value in zip(("prompt", "new"), keep, strict=True)
    ]
    return rows[(same[0] & same[1]).to_numpy(dtype=bool)].sort_values(["entry", "x"]).reset_index(drop=True)


def _places(found: Sequence[Facet]) -> str:
    words = [f"{facet.frame['probe'].iloc[0]} at {text}" for facet in found if (text := told([facet], over="batch"))]
    return f"{'; '.join(words)[:1].upper()}{'; '.join(words)[1:]}." if words else ""


def context(measured: Efficiency, entries: pd.DataFrame, marks: Looks) -> Drawing | None:
    """Time of a decode step against tokens of context, with the fitted line; None where no step was kept."""
    steps, fits = shown(measured.steps), shown(measured.fits)
    chosen = _batches(steps)
    if chosen.empty:
        return None
    plan = [
        (place, names)
        for place in chosen.itertuples(index=False)
        for names in panels.groups(entries, set(_of(steps, place)["entry"]))
    ]
    columns = min(2, len(plan))
    rows = math.ceil(len(plan) / columns)
    canvas = drawing.figure(2.3 * rows + 0.1)
    grid = canvas.subplots(rows, columns, squeeze=False)
    ends = []
    for axes, (place, names) in zip(grid.flat, plan, strict=False):
        ends.append((axes, _context_panel(axes, _of(steps, place), _of(fits, place), names, marks)))
        differing = [axis for axis in ("device", "probe", "batch") if chosen[axis].nunique(dropna=False) > 1]
        words = [f"batch {place.batch}" if axis == "batch" else str(getattr(place, axis)) for axis in differing]
        axes.set_title(wording.short(", ".join(["Time between tokens ↓", *words]), 48))
    for axes in grid.flat[len(plan) :]:
        axes.set_visible(False)
    drawing.label_ends(canvas, ends)
    data = _context_data(steps, fits, chosen)
    caption = (
        f"{'Batch ' + str(chosen['batch'].iloc[0]) + '. ' if chosen['batch'].nunique() == 1 else ''}"
        "Dots: median of the steps around a context, with their quartiles. Lines: least squares, time = a + b × tokens "
        "of context; beside each name its a (weights and launches) and b per 1,000 tokens (reading the cache)."
    )
    return drawing.finished(canvas, name="context", title="Time per token against context", caption=caption, data=data)


def _batches(steps: pd.DataFrame) -> pd.DataFrame:
    """The smallest and the largest batch of the probe on each device that has the most steps."""
    found = []
    for _, own in steps.groupby("device", dropna=False, sort=True):
        number = own.groupby("probe", dropna=False, sort=True)["entry"].size()
        probe = own[own["probe"] == number.idxmax()]
        places = probe[["device", "probe", "batch"]].drop_duplicates().sort_values("batch")
        found.append(places.iloc[sorted({0, len(places) - 1})])
    return pd.concat(found, ignore_index=True) if found else steps[["device", "probe", "batch"]]


def _of(frame: pd.DataFrame, place: object) -> pd.DataFrame:
    same = [(frame[axis] == getattr(place, axis)).fillna(value=False) for axis in ("device", "probe", "batch")]
    return frame[(same[0] & same[1] & same[2]).to_numpy(dtype=bool)]


def _context_panel(
    axes: Axes, steps: pd.DataFrame, fits: pd.DataFrame, names: Sequence[str], marks: Looks
) -> list[drawing.End]:
    axes.spines["left"].set_visible(True)
    ends = []
    for name in names:
        look, rows = marks[name], steps[steps["entry"] == name].sort_values("context")
        axes.vlines(rows["context"], rows["lo"], rows["hi"], color=look.edge, linewidth=0.7, zorder=1)
        axes.plot(rows["context"], rows["itl"], look.marker, color=look.colour, markeredgecolor=look.edge,
                  markeredgewidth=0.5, markersize=3, zorder=2)  # fmt: skip
        point, text = (float(rows["context"].iloc[-1]), float(rows["itl"].iloc[-1])), wording.short(name, 24)
        for fit in fits[fits["entry"] == name].itertuples(index=False):
            reach = np.linspace(float(fit.context_lo), float(fit.context_hi), 40)  # bent on a logarithmic scale
            axes.plot(reach, fit.a + fit.b * reach, color=look.edge, linewidth=1.2, zorder=3)
            point = (float(reach[-1]), float(fit.a + fit.b * reach[-1]))
            text += f"\n{wording.scaled(fit.a, 's')} {'+' if fit.b >= 0 else '−'} {_slope(abs(fit.b))}"
        ends.append(drawing.End(point=point, text=text, colour=look.edge))
    own = steps[steps["entry"].isin(list(names))]
    lo, hi = float(own["itl"].min()), float(own[["itl", "hi"]].max().max())
    if lo > 0 and hi > 8 * lo:
        axes.set_yscale("log")
        panels.log_ticks(axes, "s", side="y")
    else:
        axes.set_ylim(0, 1.1 * hi)
        panels.linear_ticks(axes, "s", side="y")
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set_xlabel("Tokens of context")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return ends


def _slope(value: float) -> str:
    """A slope as people read it: per thousand tokens.

    >>> _slope(4e-7)
    '400 µs per 1,000'
    """
    return f"{wording.scaled(1000 * value, 's')} per 1,000"


def _context_data(steps: pd.DataFrame, fits: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The steps and, on the same rows, the fit they belong to."""
    keys = ["entry", "device", "probe", "batch"]
    kept = steps.merge(chosen, on=["device", "probe", "batch"])
    columns = ["a", "a_lo", "a_hi", "b", "b_lo", "b_hi", "context_lo", "context_hi"]
    return kept.merge(fits[[*keys, *columns]], on=keys, how="left")
