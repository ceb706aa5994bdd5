"""Which measured points a panel shows: one quantity of every entry over one axis of a probe's grid.

Layer: above `panels`, below the figures; pure frame -> facets. What a panel leaves out is counted in words.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import wording
from harness.analysis.panels import Facet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.efficiency import Efficiency

PROBES = 2
"""Probes of one kind that a figure shows beside each other."""

PLACE = ("device", "probe", "batch", "prompt", "new")
"""What, beside the entry, tells one measured point from another."""

COLUMNS = ("entry", *PLACE, "metric", "unit", "x", "value", "lo", "hi", "bound", "status", "noisy", "why", "error")
"""Columns of a facet's frame."""


@final
@dataclass(frozen=True, kw_only=True)
class Sought:
    """What is to be shown of a probe.

    Attributes:
        kind: kind of probe, as in `efficiency`.
        over: axis of the grid that is x: `batch` or `prompt`.
        titles: words for each metric.
        name: of the figure.
        title: of the figure.
        ends: whether the smallest and the largest of what stays fixed are shown, not only the fullest.
    """

    kind: str
    over: str
    titles: Mapping[str, str]
    name: str
    title: str
    ends: bool = False


def shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of a frame of `Efficiency` that figures show: all but the A/A controls."""
    return frame[~frame["control"].astype(bool)]


def facets(measured: Efficiency, sought: Sought) -> tuple[Facet, ...]:
    """A facet per device, probe and metric; empty where the probe did not measure any of the metrics."""
    points = shown(measured.points)
    own = points[(points["kind"] == sought.kind) & (points["subset"].fillna("") == "")]
    good = own[own["metric"].isin(list(sought.titles)) & own["median"].notna()]
    tried = pd.concat([good, own[(own["metric"] == "") & (own["status"] == "oom")]])
    choices = _choices(good, tried, sought=sought)
    found = []
    for choice in choices:
        for metric, title in sought.titles.items():
            rows = _at(own[own["metric"].isin([metric, ""])], choice)
            if not (rows["metric"] == metric).any():
                continue
            frame = _framed(rows, measured.rooflines, metric=metric, over=sought.over)
            known = frame[frame["metric"] == metric]
            found.append(Facet(title=title + _told(choice, choices), unit=str(known["unit"].iloc[0]), frame=frame))
    return tuple(found)


def probes_left_out(measured: Efficiency, sought: Sought) -> int:
    """Number of further probes of this kind that were measured and are not shown."""
    points = shown(measured.points)
    good = points[(points["kind"] == sought.kind) & points["metric"].isin(list(sought.titles))]
    per_device = good.groupby("device", dropna=False)["probe"].nunique()
    return int((per_device - PROBES).clip(lower=0).sum())


def _choices(good: pd.DataFrame, tried: pd.DataFrame, *, sought: Sought) -> list[dict[str, object]]:
    """For each device and probe what is held fixed: what most points were tried at, then the largest."""
    fixed = [axis for axis in ("batch", "prompt", "new") if axis != sought.over]
    found: list[tuple[int, list[dict[str, object]]]] = []
    for (device, probe), group in good.groupby(["device", "probe"], dropna=False, sort=True):
        own = tried[(tried["device"] == device) & (tried["probe"] == probe)]
        pairs = own.drop_duplicates(["entry", "batch", "prompt", "new"])
        sizes = pairs.groupby(fixed, dropna=False, sort=True).size()
        fitted = {str(key) for key in group.groupby(fixed, dropna=False).size().index}
        sizes = sizes[[str(key) in fitted for key in sizes.index]]
        ranked = sorted(sizes.items(), key=lambda item: (-item[1], *(-_number(part) for part in _parts(item[0]))))
        best = sizes.max()
        full = [key for key, size in sizes.items() if size >= best / 2]
        keys = list(dict.fromkeys([full[0], full[-1]])) if sought.ends else [ranked[0][0]]
        picked = [{"device": device, "probe": probe, **dict(zip(fixed, _parts(key), strict=True))} for key in keys]
        found.append((len(pairs), picked))
    kept: list[dict[str, object]] = []
    for device in dict.fromkeys(picked[0]["device"] for _, picked in found):
        own = sorted((one for one in found if one[1][0]["device"] == device), key=lambda one: -one[0])
        kept += [choice for _, picked in own[:PROBES] for choice in picked]
    return kept


def _parts(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


def _number(value: object) -> float:
    return 0.0 if pd.isna(value) else float(value)


def _at(rows: pd.DataFrame, choice: dict[str, object]) -> pd.DataFrame:
    keep = np.ones(len(rows), dtype=bool)
    for axis, value in choice.items():
        column = rows[axis]
        same = column.isna() if pd.isna(value) else (column == value).fillna(value=False)
        keep &= same.to_numpy(dtype=bool)
    return rows[keep]


def _told(choice: dict[str, object], choices: Sequence[dict[str, object]]) -> str:
    """What of a choice differs from the other choices, for a title."""
    words = []
    for axis, value in choice.items():
        if len({str(other[axis]) for other in choices}) > 1 and not pd.isna(value):
            words.append(wording.short(str(value), 24) if axis in {"device", "probe"} else f"{axis} {value}")
    return "".join(f", {word}" for word in words)


def _framed(rows: pd.DataFrame, rooflines: pd.DataFrame, *, metric: str, over: str) -> pd.DataFrame:
    keys = ["entry", *PLACE]
    bounds = rooflines.drop_duplicates(keys)[[*keys, "bound_s"]]
    frame = rows.drop_duplicates([*keys, "metric"]).merge(bounds, on=keys, how="left")
    seconds = frame["bound_s"].astype("float64").where(frame["metric"] == metric)
    batch, prompt = (frame[axis].astype("float64") for axis in ("batch", "prompt"))
    work = {"decode_tok_s": batch, "prefill_tok_s": batch * prompt}.get(metric)
    stepwise = frame["kind"] == "decode"
    bound = seconds if work is None else work / seconds
    if metric in {"ttft", "prefill_tok_s"}:
        bound = bound.mask(stepwise)  # the bound of a decode probe is that of one step
    frame = frame.assign(bound=bound, value=frame["median"].astype("float64"), x=frame[over].astype("float64"))
    frame = frame.astype({"lo": "float64", "hi": "float64", "noisy": "bool"})
    return frame.sort_values(["entry", "x"])[list(COLUMNS)].reset_index(drop=True)


def told(choices: Sequence[Facet], *, over: str) -> str:
    """What is held fixed in the facets, in words: `prompt 128, new 32`."""
    frame = pd.concat([facet.frame for facet in choices])
    words = []
    for axis in ("batch", "prompt", "new"):
        values = frame[axis].dropna().unique()
        if axis != over and len(values) == 1:
            words.append(f"{axis} {values[0]:,}")
    return ", ".join(words)


def remarks(frame: pd.DataFrame, *, crossed: str = "Crossed") -> str:
    """Sentences about the points that are marked, and those that are not drawn, with their numbers."""
    points = frame.sort_values("value", na_position="last").drop_duplicates(["entry", *PLACE])
    state = points["status"].where(points["value"].isna(), "ok")
    words = []
    noisy = int((points["noisy"].astype(bool) & points["value"].notna()).sum())
    if noisy:
        words.append(f"Hollow: the machine was not quiet ({_counted(noisy)}).")
    if lost := int((state == "oom").sum()):
        words.append(f"{crossed}: out of memory ({_counted(lost)}).")
    others = [f"{_counted(number)} {text}" for status, text in _WHY.items() if (number := int((state == status).sum()))]
    if others:
        words.append(f"Not drawn: {wording.listing(others)}.")
    return " ".join(words)


_WHY = {"clipped": "beyond the context", "unsupported": "unsupported", "failed": "failed",
        "not_run": "left out by the time budget"}  # fmt: skip


def _counted(number: int) -> str:
    return f"{number} point{'' if number == 1 else 's'}"
