"""Quality against what it costs: every entry's standing on each cost, told only where noise does not blur it.

Layer: above `draws` and `tradeoff`; `figures_tradeoffs` draws what it finds.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

import numpy as np
import pandas as pd

from harness.analysis import stats, tradeoff, wording
from harness.analysis.derive import speed_of
from harness.analysis.points import place
from harness.analysis.series import shown
from harness.analysis.sheet import Column, Table, Value, text
from harness.analysis.wording import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.analysis.derive import Comparison
    from harness.analysis.efficiency import Efficiency
    from harness.analysis.frame import Study

COSTS = (
    ("decode_tok_s", "Decode, tokens per second → faster", 1),
    ("peak_memory", "Peak memory (less is better)", -1),
    ("itl", "Time between tokens (less is better)", -1),
    ("energy_tok", "Energy per token, net (less is better)", -1),
    ("usd", "Price of these tasks, USD (less is better)", -1),
)
"""Metric, its label, and whether more (1) or less (-1) of it is better."""

NAMES: Mapping[str, str] = MappingProxyType({
    "decode_tok_s": "Decode", "peak_memory": "Memory", "itl": "Between tokens", "energy_tok": "Energy", "usd": "Price",
})  # fmt: skip
"""Headings of the table."""


WORDS: Mapping[str, str] = MappingProxyType({
    "decode_tok_s": "decoding speed", "peak_memory": "memory", "itl": "time between tokens", "energy_tok": "energy",
    "usd": "price",
})  # fmt: skip
"""Words for a sentence."""


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """A cost that two entries or more have.

    Attributes:
        metric: its name in `COSTS`.
        label: in words.
        better: 1 where more of it is better, else -1.
        frame: a row per entry, its name as index: `mean, mean_stderr, value, lo, hi, unit, noisy`, and as `tradeoff`
            says `front, dominated, rival` (its name, or ""), `rival_share, needed`.
    """

    metric: str
    label: str
    better: int
    frame: pd.DataFrame


@final
@dataclass(frozen=True, kw_only=True)
class Costs:
    """Where costs were measured, in words, how many joint draws stand behind the standings, and each cost."""

    where: str
    draws: int
    found: tuple[Cost, ...]


def costs(
    study: Study, comparison: Comparison, measured: Efficiency | None, *, means: NDArray[np.float64] | None
) -> Costs:
    """Every cost that two entries with a mean score have, and where each entry stands on it.

    Args:
        study: for prices.
        comparison: the entries with their means.
        measured: what the probes of the same study say; None for what the comparison holds of them.
        means: joint draws of the means, `(draws, entries)`, from `draws.means`; None for no draws, and no cost.
    """
    if means is None:
        return Costs(where="", draws=0, found=())
    quality = comparison.entries.set_index("entry")[["mean", "mean_stderr"]]
    drawn = pd.DataFrame(means, columns=list(quality.index))
    where, known = _measured(measured)
    known |= _prices(study, comparison)
    found = []
    for metric, label, better in COSTS:
        cost = known.get(metric)
        if cost is None:
            cost = speed_of(comparison, metric).assign(noisy=False)
        frame = quality.join(cost[["value", "lo", "hi", "unit", "noisy"]], how="inner").dropna(subset=["mean", "value"])
        frame = frame[frame["value"] > 0].astype({"value": "float64", "lo": "float64", "hi": "float64"})
        if len(frame) > 1:
            found.append(Cost(metric=metric, label=label, better=better, frame=_placed(frame, drawn, better=better)))
    return Costs(where=where, draws=len(means), found=tuple(found))


def _placed(frame: pd.DataFrame, drawn: pd.DataFrame, *, better: int) -> pd.DataFrame:
    """With the standing of every entry; costs vary on a logarithmic scale, and only where they have an interval."""
    dear = -better * np.log(frame["value"].to_numpy())
    widths = np.nan_to_num(np.log(frame["hi"] / frame["lo"]).to_numpy()) / (2 * stats.z_value())
    qualities = drawn[list(frame.index)].to_numpy()
    places = tradeoff.standings(frame["mean"].to_numpy(), dear, qualities=qualities,
                                costs=tradeoff.normal(dear, widths, draws=len(qualities)))  # fmt: skip
    return frame.assign(
        front=[one.front for one in places], dominated=[one.dominated for one in places],
        rival=["" if one.rival is None else str(frame.index[one.rival]) for one in places],
        rival_share=[one.rival_share for one in places], needed=[one.needed for one in places],
    )  # fmt: skip


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


def _prices(study: Study, comparison: Comparison) -> dict[str, pd.DataFrame]:
    """What the tasks that count cost together, of the entries that have a price for every one of them."""
    counted = set(comparison.tasks.loc[comparison.tasks["counted"], "task"])
    cells = comparison.scores.loc[comparison.scores["task"].isin(counted), ["entry", "cell"]]
    numbers = study.measurements
    priced = numbers.loc[(numbers["unit"] == "USD") & (numbers["metric"] == "cost"), ["cell", "value"]]
    both = cells.merge(priced, on="cell").groupby("entry")["value"].agg(["sum", "size"])
    whole = both.loc[both["size"] == len(counted), "sum"]
    if not len(whole):
        return {}
    frame = pd.DataFrame({"value": whole, "lo": np.nan, "hi": np.nan, "unit": "USD", "noisy": False})
    return {"usd": frame}


def table(found: Costs, order: Sequence[str]) -> Table | None:
    """Where every entry stands on each cost, in words; None where there is no cost.

    Args:
        found: every cost.
        order: entries as the leaderboard ranks them.
    """
    names = [entry for entry in order if any(entry in cost.frame.index for cost in found.found)]
    if not names:
        return None
    columns = [Column(key="model", label="Model", numeric=False), Column(key="mean", label="Mean", sub="corrected %")]
    columns += [Column(key=cost.metric, label=NAMES[cost.metric], numeric=False) for cost in found.found]
    rows = tuple(_row(entry, found) for entry in names)
    note = (
        f"Front: no other entry is as good on both and better on one. Dominated: one and the same entry is so in at "
        f"least 95 % of {found.draws:,} joint draws of score and cost, in more where several could be (Bonferroni). "
        "Unsettled: behind on both by point estimates, but noise could explain it."
    )
    return Table(name="standings", title="Who is worth what it costs", columns=tuple(columns), rows=rows, notes=(note,))


def _row(entry: str, found: Costs) -> tuple[Value, ...]:
    first = next(cost.frame.loc[entry] for cost in found.found if entry in cost.frame.index)
    spread = f"±{percent(1.96 * first['mean_stderr'])}" if pd.notna(first["mean_stderr"]) else ""
    mean = Value(text=percent(first["mean"]), number=float(first["mean"]), spread=spread)
    return (text(entry), mean, *(_standing(entry, cost) for cost in found.found))


def _standing(entry: str, cost: Cost) -> Value:
    if entry not in cost.frame.index:
        return text("", detail="no value of this cost")
    row = cost.frame.loc[entry]
    share = f"{100 * row['rival_share']:.0f} %"
    if row["dominated"]:
        return text(f"dominated by {wording.short(row['rival'], 30)}", detail=f"in {share} of the draws")
    if row["front"]:
        return text("front", detail=f"{row['rival']} dominates it in {share} of the draws" if row["rival"] else "")
    return text("unsettled", detail=f"{row['rival']} dominates it in {share} of the draws")
