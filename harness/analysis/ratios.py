"""Who is faster, by how much, and how large a difference of nothing is: paired ratios and the A/A control.

Layer: above `points` and `timing`; `efficiency` says what the columns mean.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import timing, wording
from harness.analysis.points import AXES, KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.points import Pooled, Values

RATED = frozenset({"itl", "ttft", "generate_e2e", "score_s", "step_s", "load_s"})
"""Times that are set against each other."""

COLUMNS = (*KEYS, "metric", "subset", "chief", "baseline", "ratio", "lo", "hi", "blocks", "noisy", "floor", "verdict")
"""Columns of the frame of ratios."""

FLOOR_COLUMNS = ("probe", "model", "ratio", "lo", "hi", "points", "blocks", "floor")
"""Columns of the frame of the A/A control."""

ALL = "all points"
"""What stands for the point in the row over all points of a probe."""

_SPOT = ("device", "probe", *AXES, "metric", "subset")
_SETTINGS = ("method", "device", "subject_spec", "dtype", "attention", "quantisation", "weights", "revision")


@final
@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two rows of the pooled frame that were measured at one spot, and their common blocks."""

    row: int
    other: int
    a: list[np.ndarray]
    b: list[np.ndarray]


def ratios(pooled: Pooled, floor: pd.DataFrame, *, baseline: str | None = None) -> pd.DataFrame:
    """Times of every entry over those of a baseline of the same device, point by point and over all points.

    Args:
        pooled: all points.
        floor: of the A/A control, as `floor` makes it.
        baseline: entry or model to compare with; the fastest of a probe where it is None or was not measured there.
    """
    rated = _rated(pooled)
    chosen = _baselines(rated, baseline)
    pairs = _pairs(rated, pooled.raw, chosen)
    paired = [pair for pair in pairs if pair.a]
    numbers = rated.loc[[pair.row for pair in paired], ["entry", "probe", "device", "metric", "subset"]]
    families = numbers.groupby(list(numbers.columns), sort=False).ngroup().to_numpy()
    each, whole = timing.ratios([(pair.a, pair.b) for pair in paired], families)
    frame = _framed(rated, pairs, dict(zip([pair.row for pair in paired], each, strict=True)))
    frame = pd.concat([frame, _over_all(frame, paired, families, whole)], ignore_index=True)
    floors = floor.set_index("probe")["floor"]
    least = frame["probe"].map(floors).fillna(floors.get("", np.nan)).fillna(0.0).clip(lower=timing.CALLED)
    ends = zip(frame["ratio"], frame["lo"], frame["hi"], least, frame["blocks"], strict=True)
    verdicts = [timing.verdict(r, lo, hi, floor=f) if blocks else "unpaired" for r, lo, hi, f, blocks in ends]
    return frame.assign(floor=least, verdict=verdicts)[list(COLUMNS)]


def floor(cells: pd.DataFrame, pooled: Pooled) -> pd.DataFrame:
    """What the A/A control says: the same model twice, by probe and over all; empty where none ran.

    Args:
        cells: of probes, as `points.probes` makes them.
        pooled: their points.
    """
    twins = _twins(cells)
    rated = _rated(pooled)
    rated = rated[rated["chief"]]
    pairs = [pair for pair in _pairs(rated, pooled.raw, twins, controls=True) if pair.a]
    if not pairs:
        return pd.DataFrame(columns=list(FLOOR_COLUMNS))
    heads = rated.loc[[pair.row for pair in pairs]].assign(blocks=[len(pair.a) for pair in pairs])
    heads["twin"] = [str(rated.loc[pair.other, "model"]) for pair in pairs]
    rows = []
    for numbers in (heads["probe"].to_numpy(), np.full(len(pairs), "")):
        names, families = np.unique(numbers.astype(str), return_inverse=True)
        each, whole = timing.ratios([(pair.a, pair.b) for pair in pairs], families)
        for index, name in enumerate(names):
            own = families == index
            models = wording.listing(sorted(set(heads["twin"][own])))
            rows.append((name, models, *whole[index], int(own.sum()), int(heads["blocks"][own].sum()),
                         timing.noise_floor(each[own])))  # fmt: skip
    return pd.DataFrame(rows, columns=list(FLOOR_COLUMNS))


def statement(floor: pd.DataFrame) -> str:
    """The noise floor in a sentence; empty where no control ran."""
    if not len(floor):
        return ""
    row = floor[floor["probe"] == ""].iloc[0]
    least = max(float(row["floor"]), timing.CALLED)
    points = f"{row['points']} point{'' if row['points'] == 1 else 's'}"
    words = f"Noise floor: {100 * row['floor']:.1f} % (A/A control of {row['model']}, {points});"
    return f"{words} differences below {'it' if least == row['floor'] else f'{100 * least:.0f} %'} are not called."


def _rated(pooled: Pooled) -> pd.DataFrame:
    frame = pooled.frame
    return frame[frame["metric"].isin(RATED) & (frame["least"] > 0)]


def _baselines(rated: pd.DataFrame, baseline: str | None) -> dict[tuple[str, str, str], str]:
    """By entry, device and probe the entry that it is compared with."""
    found: dict[tuple[str, str, str], str] = {}
    for (device, probe), group in rated.groupby(["device", "probe"], sort=False):
        own = group[~group["control"]]
        named = own.loc[(own["entry"] == baseline) | (own["model"] == baseline), "entry"]
        chosen = str(named.iloc[0]) if len(named) else _fastest(own[own["chief"]])
        others = set(group["entry"]) - {chosen}
        found |= {(str(entry), str(device), str(probe)): chosen for entry in others if chosen}
    return found


def _fastest(rows: pd.DataFrame) -> str:
    """Of the entries that were measured at most points the one with the least time, geometric mean over common ones."""
    if not len(rows):
        return ""
    spots = [*AXES, "subset"]
    logs = rows.assign(log=np.log(rows["median"]), spot=rows.groupby(spots, dropna=False).ngroup())
    wide = logs.pivot_table(index="spot", columns="entry", values="log")
    number = wide.notna().sum()
    common = wide.loc[:, number == number.max()].dropna()
    means = common.mean() if len(common) else wide.mean()
    return str(means.sort_index().idxmin())


def _twins(cells: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """By entry, device and probe of a control the entry that it repeats: same settings, under the model's own label."""
    settings = cells[list(_SETTINGS)].astype(object).where(cells[list(_SETTINGS)].notna(), "")
    keys = list(settings.itertuples(index=False, name=None))
    own = {(model, *key): entry for model, key, entry in zip(cells["model"], keys, cells["entry"], strict=True)}
    return {
        (row.entry, row.device, row.probe): own[row.twin, *key]
        for row, key in zip(cells.itertuples(index=False), keys, strict=True)
        if row.control and (row.twin, *key) in own
    }


def _pairs(
    rated: pd.DataFrame, raw: Sequence[Values], against: dict[tuple[str, str, str], str], *, controls: bool = False
) -> list[_Pair]:
    """Every rated row with the row of its baseline at the same spot, where there is one."""
    spots = rated.groupby(list(_SPOT), dropna=False, sort=False).ngroup()
    where = {(entry, spot): row for row, entry, spot in zip(rated.index, rated["entry"], spots, strict=True)}
    found = []
    for row, spot, entry, device, probe, control in zip(
        rated.index, spots, rated["entry"], rated["device"], rated["probe"], rated["control"], strict=True
    ):
        other = where.get((against.get((entry, device, probe), ""), spot))
        if other is not None and (control or not controls):
            blocks = sorted(raw[row].keys() & raw[other].keys())
            found.append(_Pair(row=row, other=other, a=[raw[row][i] for i in blocks],
                               b=[raw[other][i] for i in blocks]))  # fmt: skip
    return found


def _framed(rated: pd.DataFrame, pairs: Sequence[_Pair], each: dict[int, np.ndarray]) -> pd.DataFrame:
    """A row per pair; without a common block the ratio of the medians, without an interval."""
    frame = rated.loc[[pair.row for pair in pairs]].reset_index(drop=True)
    others = rated.loc[[pair.other for pair in pairs]].reset_index(drop=True)
    missing = np.full(3, np.nan)
    found = np.array([each.get(pair.row, missing) for pair in pairs]).reshape(len(pairs), 3)
    plain = frame["median"] / others["median"]
    return frame.assign(
        baseline=others["entry"], ratio=pd.Series(found[:, 0]).fillna(plain), lo=found[:, 1], hi=found[:, 2],
        blocks=[len(pair.a) for pair in pairs], noisy=frame["noisy"] | others["noisy"],
    )  # fmt: skip


def _over_all(frame: pd.DataFrame, paired: Sequence[_Pair], families: np.ndarray, whole: np.ndarray) -> pd.DataFrame:
    """A row for every family of several points."""
    own = frame[frame["blocks"] > 0].assign(family=families) if len(paired) else frame.assign(family=0)[:0]
    groups = own.groupby("family", sort=True)
    heads = own.drop_duplicates("family").sort_values("family").reset_index(drop=True)
    heads = heads.assign(ratio=whole[:, 0], lo=whole[:, 1], hi=whole[:, 2], point=ALL, batch=pd.NA, prompt=pd.NA,
                         new=pd.NA, blocks=groups["blocks"].sum().to_numpy(),
                         noisy=groups["noisy"].any().to_numpy())  # fmt: skip
    several = groups.size().to_numpy() > 1
    return heads[several].drop(columns="family").astype(dict.fromkeys(AXES, "Int64"))
