"""Cells of probes -> one row per point of a grid: replicates pooled, noise flagged, failures in words.

Layer: above `frame`, `labels` and `timing`; `efficiency` says what the columns mean.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

AXES = ("batch", "prompt", "new")
"""Axes of a grid, outermost first."""

KEYS = ("entry", "model", "control", "device", "probe", "kind", *AXES, "point")
"""Columns that say of what point a row is."""

COLUMNS = (
    *KEYS, "metric", "subset", "unit", "median", "lo", "hi", "least", "replicates", "repeats", "noisy", "why", "chief",
    "status", "error", "lost",
)  # fmt: skip
"""Columns of the frame of points."""

CHIEF: Mapping[str, str] = MappingProxyType({
    "decode": "itl", "prefill": "ttft", "generate": "generate_e2e", "score": "score_s", "train_step": "step_s",
    "load": "load_s",
})  # fmt: skip
"""The time that probes of each kind are ranked by."""

TIMED = frozenset({"s", "tok/s", "item/s", "B/s"})
"""Units of what a noisy machine distorts."""

FAILURES = ("oom", "failed", "unsupported", "clipped", "not_run")
"""Ways to have no result; where the processes of a point differ, the first of these stands for it."""

Values = dict[int, "NDArray[np.float64]"]
"""Raw repeats of each replicate."""


@final
@dataclass(frozen=True, kw_only=True)
class Pooled:
    """Points of probes.

    Attributes:
        frame: `COLUMNS`; a row per point, metric and subset.
        raw: for every row of the frame the raw values of each replicate; empty where there is no result.
    """

    frame: pd.DataFrame
    raw: tuple[Values, ...]


def probes(labelled: pd.DataFrame) -> pd.DataFrame:
    """The cells of probes with `KEYS`, `place` (number of the point), `state` (status in words), `twin` (of a control).

    Of the records of one process of one point the newest stands.

    Args:
        labelled: current cells with `entry` and `task`.
    """
    found = labelled[(labelled["kind"] == "probe") & (labelled["perturbation"] == "none")]
    found = found.assign(
        control=found["control"].isin(set(found["model"])), twin=found["control"],
        device=found["device_name"], probe=found["task"], kind=found["probe_kind"],
        point=[place(*sizes) for sizes in found[list(AXES)].itertuples(index=False, name=None)],
        state=states(found),
    )  # fmt: skip
    found = found.sort_values(["started", "cell"])
    found = found.drop_duplicates(["entry", "probe", "device", *AXES, "replicate"], keep="last")
    found = found.sort_values(["probe", "device", *AXES, "entry", "replicate"]).reset_index(drop=True)
    found = found.assign(place=found.groupby(["entry", "probe", "device", *AXES], dropna=False, sort=False).ngroup())
    return _typed(found, dict.fromkeys(AXES, "Int64") | {"control": "bool"})


def states(cells: pd.DataFrame) -> pd.Series:
    """Status of every cell; `clipped` where the point does not fit the model's context."""
    clipped = (cells["status"] == "unsupported") & cells["error"].str.startswith("clipped:")
    return cells["status"].mask(clipped, "clipped")


def place(batch: Any, prompt: Any, new: Any) -> str:
    """A point in words; axes that a probe lacks are left out.

    >>> place(8, 128, None)
    'batch 8, prompt 128'
    """
    sizes = zip(AXES, (batch, prompt, new), strict=True)
    return ", ".join(f"{name} {size}" for name, size in sizes if size is not None and not pd.isna(size))


def pooled(cells: pd.DataFrame, measurements: pd.DataFrame) -> Pooled:
    """Every metric at every point: the median of its processes' medians with its interval, or why there is none.

    Args:
        cells: of probes, as `probes` makes them.
        measurements: of the study.
    """
    heads, raw = _gathered(cells, measurements)
    values = [list(group.values()) for group in raw]
    ends = timing.pooled(values)
    frame = heads.assign(
        median=ends[:, 0], lo=ends[:, 1], hi=ends[:, 2], least=[min(map(np.min, group)) for group in values],
        replicates=[len(group) for group in values], repeats=[sum(map(len, group)) for group in values],
    )  # fmt: skip
    frame = _flagged(frame, _disturbed(cells), timing.noise(values))
    states = _states(cells)
    frame = frame.join(states, on="place")
    bare = states[~states.index.isin(frame["place"])].reset_index()
    bare = bare.assign(metric="", subset="", unit="", replicates=0, repeats=0, noisy=False, why="")
    frame = pd.concat([frame, bare], ignore_index=True) if len(bare) else frame
    places = cells.drop_duplicates("place").set_index("place")[list(KEYS)]
    frame = frame.join(places, on="place")
    frame = frame.assign(chief=(frame["metric"] != "") & (frame["metric"] == frame["kind"].map(CHIEF)))
    kinds = dict.fromkeys(("median", "lo", "hi", "least"), "float64")
    kinds |= dict.fromkeys(("replicates", "repeats", "lost"), "int64") | dict.fromkeys(AXES, "Int64")
    kinds |= dict.fromkeys(("noisy", "control", "chief"), "bool")
    return Pooled(frame=_typed(frame[list(COLUMNS)], kinds), raw=(*raw, *({} for _ in range(len(bare)))))


def _gathered(cells: pd.DataFrame, measurements: pd.DataFrame) -> tuple[pd.DataFrame, list[Values]]:
    """A row per point, metric and subset, and the raw values behind it."""
    known = cells[cells["status"] == "ok"].set_index("cell")[["place", "replicate"]]
    rows = measurements.loc[measurements["cell"].isin(known.index), ["cell", "metric", "subset", "unit", "value"]]
    rows = rows.join(known, on="cell").astype({"replicate": "int64"})
    rows = rows.sort_values(["place", "metric", "subset", "replicate"], kind="stable")
    heads = rows[["place", "metric", "subset", "unit"]]
    group = rows.groupby(["place", "metric", "subset"], sort=False).ngroup().to_numpy()
    process = np.stack([group, rows["replicate"].to_numpy()])
    cuts = np.flatnonzero((np.diff(process, axis=1) != 0).any(axis=0)) + 1
    firsts = np.concatenate([[0], cuts]).astype(int) if len(rows) else np.array([], dtype=int)
    raw: list[Values] = [{} for _ in range(int(group.max()) + 1 if len(rows) else 0)]
    for first, part in zip(firsts, np.split(rows["value"].to_numpy(), cuts), strict=False):
        raw[group[first]][int(process[1, first])] = part
    return heads[np.diff(group, prepend=-1) != 0].reset_index(drop=True), raw


def _flagged(frame: pd.DataFrame, disturbed: pd.Series, flags: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    """With `noisy` and `why`: what the records say of their surroundings, then what the raw values say."""
    timed = frame["unit"].isin(TIMED)
    why = [
        "; ".join(filter(None, (disturbed.get(number, ""), *found))) if judged else ""
        for number, found, judged in zip(frame["place"], flags, timed, strict=True)
    ]
    return frame.assign(why=why, noisy=[bool(text) for text in why])


def _disturbed(cells: pd.DataFrame) -> pd.Series:
    """By point, in words, what its records say of disturbances."""
    reasons = [tuple(map(str, facts.get("noisy") or ())) for facts in cells["probe_facts"]]
    frame = pd.DataFrame({"place": cells["place"], "reasons": reasons})
    total = frame.groupby("place").size()
    noisy = frame[np.array([bool(found) for found in reasons], dtype=bool)]
    words = {
        number: f"{len(found)} of {total[number]} processes: {'; '.join(found.iloc[0])}"
        if total[number] > 1
        else "; ".join(found.iloc[0])
        for number, found in noisy.groupby("place")["reasons"]
    }
    return pd.Series(words, dtype=object)


def _states(cells: pd.DataFrame) -> pd.DataFrame:
    """By point: ok where any process has a result, else the first of `FAILURES` with its error; how many have none."""
    ranks = cells["state"].map({name: rank for rank, name in enumerate(("ok", *FAILURES))})
    first = cells.assign(rank=ranks).sort_values(["place", "rank"], kind="stable").drop_duplicates("place")
    lost = (cells["status"] != "ok").groupby(cells["place"]).sum()
    found = first.set_index("place")[["state", "error"]].rename(columns={"state": "status"})
    return found.assign(lost=lost)


def _typed(frame: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """The frame with these kinds; columns without any value would have none, and frames of two kinds do not merge."""
    return frame.astype({**({} if len(frame) else dict.fromkeys(frame.columns, "object")), **kinds})
