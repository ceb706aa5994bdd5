"""Which one point of each probe the leaderboard shows, and what it says there.

Layer: above `points`, below `derive`. Of the points that most entries completed it is the first: the smallest batch,
then the shortest prompt, then the fewest new tokens.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.analysis.points import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "entry", "task", "kind", "metric", "value", "lo", "hi", "repeats", "unit", "replicates", "point", "points", "noisy",
    "why", "status", "error",
)  # fmt: skip
"""Columns of a frame of speeds."""

PEAKS = ("peak_device_bytes", "peak_host_bytes")
"""Metrics of peak memory; of a cell that has both, the device's counts."""


def speeds(points: pd.DataFrame) -> pd.DataFrame:
    """One row per entry, probe and metric, at the probe's shown point; a row with metric "" where there is no result.

    Args:
        points: of all probes, as `efficiency` says.
    """
    whole = points[~points["control"] & (points["subset"] == "")]
    parts = [_of_probe(own) for _, own in whole.groupby("probe", sort=True)]
    found = pd.concat(parts) if parts else whole.assign(points=0)
    found = with_peaks(found, ["entry", "probe"])
    found = found.drop(columns="kind").rename(columns={"probe": "task", "median": "value"}).assign(kind="probe")
    return found[list(COLUMNS)].sort_values(["entry", "task", "metric"]).reset_index(drop=True)


def with_peaks(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Rows with one `peak_memory` in place of the peaks of device and host."""
    device = frame.loc[(frame["metric"] == PEAKS[0]) & (frame["median"] > 0), list(keys)]
    both = pd.MultiIndex.from_frame(frame[list(keys)].astype(str)).isin(
        list(device.astype(str).itertuples(index=False, name=None))
    )
    host = frame["metric"] == PEAKS[1]
    idle = (frame["metric"] == PEAKS[0]) & ~(frame["median"] > 0)
    kept = frame[~(host & both) & ~idle]
    return kept.assign(metric=kept["metric"].replace(dict.fromkeys(PEAKS, "peak_memory")))


def _of_probe(own: pd.DataFrame) -> pd.DataFrame:
    done = own[own["metric"] != ""]
    sizes = (done if len(done) else own).fillna(dict.fromkeys(AXES, -1)).groupby(list(AXES))["entry"].nunique()
    first = min(sizes.index[sizes == sizes.max()])
    same = (own[list(AXES)].fillna(-1) == list(first)).all(axis=1)
    return own[same].assign(points=own["point"].nunique())
