"""Who is faster, by how much, and how large a difference of nothing is: paired ratios and the A/A control.

Layer: above `points` and `timing`; `efficiency` says what the columns mean.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import timing, wording
from harness.analysis.points import AXES, KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.points import Pooled, Values

RATED = frozenset({"itl", "ttft", "generate_e2e", "score_s", "step_s", "load_s"})
"""Times that are set against each other."""

COLUMNS = (
    *KEYS, "metric", "subset", "chief", "baseline", "ratio", "lo", "hi", "blocks", "noisy", "floor", "verdict",
    "reason", "dropped",
)  # fmt: skip
"""Columns of the frame of ratios; `dropped`: pairs of processes that are none, since two runs measured them."""

FLOOR_COLUMNS = ("device", "probe", "model", "ratio", "lo", "hi", "points", "blocks", "floor")
"""Columns of the frame of the A/A control."""

ALL = "all points"
"""What stands for the point in the row over all points of a probe."""

ONE_BLOCK, NO_CONTROL, OTHER_RUN = "one process each", "no control", "measured in different runs"
"""Why nothing can be called: no process was repeated, or the A/A control has no result of this probe and device, or no
process of the one was measured in the same run as one of the other."""

_SPOT = ("device", "probe", *AXES, "metric", "subset")
_PROCESS = ("entry", "device", "probe", "point")
_SETTINGS = ("method", "device", "subject_spec", "dtype", "attention", "quantisation", "weights", "revision")


@final
@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two rows of the pooled frame that were measured at one spot, and their processes by block.

    A block is what was measured at one time: processes of equal number that two runs measured are no block (`dropped`).
    """

    row: int
    other: int
    a: Values
    b: Values
    dropped: int = 0

    @property
    def blocks(self) -> int:
        """How many both have."""
        return len(self.a.keys() & self.b.keys())


def ratios(
    pooled: Pooled, floor: pd.DataFrame, *, baseline: str | None = None, cells: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Times of every entry over those of a baseline of the same device, point by point and over all points.

    Args:
        pooled: all points.
        floor: of the A/A control, as `floor` makes it.
        baseline: entry or model to compare with; the fastest of a probe where it is None or was not measured there.
        cells: of probes, as `points.probes` makes them: they say which run measured a process. None: all one run.
    """
    rated = _rated(pooled)
    chosen = _baselines(rated, baseline)
    pairs = _apart(_pairs(rated, pooled.raw, chosen), rated, cells)
    paired = [pair for pair in pairs if pair.blocks]
    numbers = rated.loc[[pair.row for pair in paired], ["entry", "probe", "device", "metric", "subset"]]
    families = numbers.groupby(list(numbers.columns), sort=False).ngroup().to_numpy()
    each, whole = timing.ratios([(pair.a, pair.b) for pair in paired], families)
    frame = _framed(rated, pairs, dict(zip([pair.row for pair in paired], each, strict=True)))
    frame = pd.concat([frame, _over_all(frame, families, whole)], ignore_index=True)
    known = {(row.device, row.probe): max(row.floor, timing.CALLED) for row in floor.itertuples(index=False)}
    least = [known.get(spot, np.nan) for spot in zip(frame["device"], frame["probe"], strict=True)]
    ends = list(zip(frame["ratio"], frame["lo"], frame["hi"], least, frame["blocks"], strict=True))
    verdicts = [timing.verdict(r, lo, hi, floor=f) if blocks else "unpaired" for r, lo, hi, f, blocks in ends]
    reasons = [
        withheld(blocks, f) if blocks or not dropped else OTHER_RUN
        for (*_, f, blocks), dropped in zip(ends, frame["dropped"], strict=True)
    ]
    return frame.assign(floor=least, verdict=verdicts, reason=reasons)[list(COLUMNS)]


def floor(cells: pd.DataFrame, pooled: Pooled) -> pd.DataFrame:
    """What the A/A control says: the same model twice, by device and probe and over all; empty where none ran.

    Args:
        cells: of probes, as `points.probes` makes them.
        pooled: their points.
    """
    twins = _twins(cells)
    rated = _rated(pooled)
    rated = rated[rated["chief"]]
    found = _apart(_pairs(rated, pooled.raw, twins, controls=True), rated, cells)
    pairs = [pair for pair in found if pair.blocks]
    if not pairs:
        return pd.DataFrame(columns=list(FLOOR_COLUMNS))
    heads = rated.loc[[pair.row for pair in pairs], ["device", "probe"]].reset_index(drop=True)
    heads["twin"] = [str(rated.loc[pair.other, "model"]) for pair in pairs]
    rows = []
    for spots in (heads[["device", "probe"]], heads[["device", "probe"]].assign(device="", probe="")):
        families = spots.groupby(["device", "probe"]).ngroup().to_numpy()
        each, whole = timing.ratios([(pair.a, pair.b) for pair in pairs], families)
        for family, (*ends, blocks) in enumerate(whole.tolist()):
            own = families == family
            models = wording.listing(sorted(set(heads["twin"][own])))
            rows.append((*spots[own].iloc[0], models, *ends, int(own.sum()), int(blocks),
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


def floor_of(floor: pd.DataFrame, *, device: str, probe: str) -> float:
    """The noise floor of a probe on a device, `CALLED` at least; NaN where the control has no result of it."""
    own = floor.loc[(floor["device"] == device) & (floor["probe"] == probe), "floor"]
    return max(float(own.iloc[0]), timing.CALLED) if len(own) else float("nan")


def withheld(blocks: int, floor: float) -> str:
    """Why no difference could be called whatever was measured; empty where one could."""
    return " and ".join(([ONE_BLOCK] if blocks == 1 else []) + ([NO_CONTROL] if np.isnan(floor) else []))


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
            found.append(_Pair(row=row, other=other, a=raw[row], b=raw[other]))
    return found


def _apart(pairs: Sequence[_Pair], rated: pd.DataFrame, cells: pd.DataFrame | None) -> list[_Pair]:
    """The pairs without the processes of one number that were measured in two runs."""
    if cells is None:
        return list(pairs)
    runs = _runs(cells)
    names = {row: key for row, *key in rated[list(_PROCESS)].itertuples(name=None)}
    found = []
    for pair in pairs:
        common = pair.a.keys() & pair.b.keys()
        one, other = names[pair.row], names[pair.other]
        apart = {block for block in common if runs.get((*one, block)) != runs.get((*other, block))}
        kept = [{block: own[block] for block in own if block not in apart} for own in (pair.a, pair.b)]
        found.append(replace(pair, a=kept[0], b=kept[1], dropped=len(apart)) if apart else pair)
    return found


def _runs(cells: pd.DataFrame) -> dict[tuple[Any, ...], tuple[str, ...]]:
    """By process what run measured it: what the probe says, and the command. Older records say nothing: one run."""
    known = [str(facts.get("run") or "") for facts in cells["probe_facts"]]
    keys = cells[[*_PROCESS, "replicate"]].itertuples(index=False, name=None)
    commands = [str(words) if run else "" for run, words in zip(known, cells["command"], strict=True)]
    return dict(zip(keys, zip(known, commands, strict=True), strict=True))


def _framed(rated: pd.DataFrame, pairs: Sequence[_Pair], each: dict[int, np.ndarray]) -> pd.DataFrame:
    """A row per pair; without a common block the ratio of the medians, without an interval."""
    frame = rated.loc[[pair.row for pair in pairs]].reset_index(drop=True)
    others = rated.loc[[pair.other for pair in pairs]].reset_index(drop=True)
    missing = np.array([np.nan, np.nan, np.nan, 0])
    found = np.array([each.get(pair.row, missing) for pair in pairs]).reshape(len(pairs), 4)
    plain = frame["median"] / others["median"]
    return frame.assign(
        baseline=others["entry"], ratio=pd.Series(found[:, 0]).fillna(plain), lo=found[:, 1], hi=found[:, 2],
        blocks=found[:, 3].astype(int), noisy=frame["noisy"] | others["noisy"],
        dropped=[pair.dropped for pair in pairs],
    )  # fmt: skip


def _over_all(frame: pd.DataFrame, families: np.ndarray, whole: np.ndarray) -> pd.DataFrame:
    """A row for every family of several points; its blocks are those that all of its points have."""
    own = frame[frame["blocks"] > 0].assign(family=families)
    groups = own.groupby("family", sort=True)
    heads = own.drop_duplicates("family").sort_values("family").reset_index(drop=True)
    heads = heads.assign(ratio=whole[:, 0], lo=whole[:, 1], hi=whole[:, 2], point=ALL, batch=pd.NA, prompt=pd.NA,
                         new=pd.NA, blocks=whole[:, 3].astype(int), noisy=groups["noisy"].any().to_numpy(),
                         dropped=groups["dropped"].sum().to_numpy())  # fmt: skip
    several = groups.size().to_numpy() > 1
    return heads[several].drop(columns="family").astype(dict.fromkeys(AXES, "Int64"))
