"""Sentences about a comparison that claim only what is separable.

Layer: above `pairs`. Rules: "separable" is said only where the paired test on identical documents, adjusted for every
pair and task of the report (Holm), is below 5 %; speeds are told apart only where processes were repeated, an A/A
control gives the noise floor, their intervals do not touch, and they differ by more than 2 % and than that floor. All
else is "not separable", with the difference that this many documents could have shown.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101, PLR2004 - nunique leaves gaps out; small counts and thresholds are clearer as they are
from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis import ratios, wording
from harness.analysis.derive import Comparison, probe_of, speed_of
from harness.analysis.points import states
from harness.analysis.wording import listing, percent, significant

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.frame import Study
    from harness.analysis.pairs import Pairs


def sentences(study: Study, comparison: Comparison, tested: Pairs, *, baseline: str | None = None) -> tuple[str, ...]:
    """What a reader may take home, most important first.

    Args:
        study: for the cells that have no result.
        comparison: for scores and speeds.
        tested: for what is separable.
        baseline: entry or model label to compare all others with.
    """
    lines = [_leader(comparison, tested.means), *_tasks(comparison, tested.tasks), _chance(comparison)]
    lines += [*_fastest(comparison), _against(comparison, tested.means, baseline), _unfinished(study)]
    return tuple(line for line in lines if line)


def _leader(comparison: Comparison, means: pd.DataFrame) -> str:
    entries = comparison.entries
    if len(entries) == 1:
        return f"Only {wording.short(entries['entry'].iloc[0], 40)} was measured, so nothing is ranked."
    ranked = entries.dropna(subset=["mean"])
    if len(ranked) < 2:
        return f"No overall ranking: entries are ordered by {comparison.basis}."
    top = ranked.iloc[0]
    span = comparison.basis.removeprefix("mean chance-corrected score ")
    share = f"{percent(top['mean'])} % of the way from chance to perfect"
    first = f"{wording.short(top['entry'], 40)} has the highest mean score: {share}, {span}."
    rows = means[means["a"] == top["entry"]]
    return f"{first} {_told_apart(rows, 'b')}".strip()


def _told_apart(rows: pd.DataFrame, column: str) -> str:
    if not len(rows):
        return "No pair could be tested: the documents differ or were not kept."
    sure, unsure = rows[rows["separable"]], rows[~rows["separable"]]
    parts = []
    if len(sure):
        every = " every other entry" if not len(unsure) and len(sure) > 1 else f" {listing(list(sure[column]))}"
        parts.append(f"Its lead is separable from{every} (paired, Holm-adjusted p < 0.05).")
    if len(unsure):
        smallest = 100 * float(unsure["detectable"].max())
        parts.append(
            f"It is not separable from {listing(list(unsure[column]))}: "
            f"differences under about {significant(smallest, 2)} points would not show at this size."
        )
    return " ".join(parts)


def _tasks(comparison: Comparison, tested: pd.DataFrame) -> list[str]:
    """Which tasks have a leader that is separable from every other entry, and which have none."""
    led, open_, untested = [], [], []
    for task in comparison.tasks["task"]:
        scores = comparison.scores[(comparison.scores["task"] == task) & comparison.scores["value"].notna()]
        rows = tested[tested["task"] == task]
        if len(scores) < 2:
            continue
        wins = {e: _wins(rows, str(e)) for e in scores["entry"]}
        winner = [entry for entry, won in wins.items() if won == len(scores) - 1]
        if not len(rows):
            untested.append(str(task))
        elif winner:
            led.append(f"{task} ({wording.short(winner[0], 30)})")
        else:
            open_.append(str(task))
    lines = [f"One entry is separably ahead of all others on {listing(led)}."] if led else []
    if open_:
        lines.append(f"The first places are not separable on {listing(open_)}.")
    if untested:
        lines.append(f"No paired test was possible on {listing(untested)}.")
    return lines


def _wins(rows: pd.DataFrame, entry: str) -> int:
    ahead = (rows["a"] == entry) & (rows["difference"] > 0) | (rows["b"] == entry) & (rows["difference"] < 0)
    return int((ahead & rows["separable"]).sum())


def _chance(comparison: Comparison) -> str:
    scores = comparison.scores
    low = scores[(scores["lo"] <= scores["chance"]) & (scores["chance"] <= scores["hi"]) & (scores["chance"] > 0)]
    parts = [f"{wording.short(str(e), 30)} on {listing(list(g['task']))}" for e, g in low.groupby("entry", sort=True)]
    return (
        f"Not separable from chance: {'; '.join(parts[:6])}{'; and others' if len(parts) > 6 else ''}." if parts else ""
    )


def _fastest(comparison: Comparison) -> list[str]:
    """One sentence per device: speeds on different machines are never compared."""
    rows = speed_of(comparison, "decode_tok_s").sort_values("value", ascending=False)
    devices = comparison.entries.set_index("entry")["device_name"].reindex(rows.index)
    probe, floors = probe_of(comparison, "decode_tok_s"), comparison.efficiency.floor
    lines = [
        (str(device), _fastest_of(group, ratios.floor_of(floors, device=str(device), probe=probe)))
        for device, group in rows.groupby(devices, sort=True)
        if len(group) > 1
    ]
    several = comparison.entries["device_name"].nunique() > 1
    return [f"On {wording.short(device, 40)}: {line}" if several else line for device, line in lines]


def _fastest_of(rows: pd.DataFrame, floor: float) -> str:
    """Names the fastest decoder only where its interval lies above all others, by more than the noise floor."""
    first, rest = rows.iloc[0], rows.iloc[1:]
    name = wording.short(str(rows.index[0]), 40)
    reason = ratios.withheld(int(rows["replicates"].min()), floor)
    if reason:
        speed = f"{significant(first['value'])} tokens per second (median)"
        return f"No decoder is called fastest ({reason}); {name} had the highest speed, {speed}."
    slower = rest["hi"].notna() & (rest["hi"] < first["lo"]) & (first["value"] > (1 + floor) * rest["value"])
    if not slower.all():
        rivals = [str(entry) for entry in rest.index[~slower]]
        return f"The fastest decoders, {listing([name, *rivals])}, are not separable."
    slow = rows.iloc[-1]
    ratio = significant(first["value"] / slow["value"])
    return (
        f"{name} decodes fastest: {significant(first['value'])} tokens per second (median), "
        f"{ratio} times the slowest, {wording.short(str(rows.index[-1]), 40)}."
    )


def _against(comparison: Comparison, means: pd.DataFrame, baseline: str | None) -> str:
    """The baseline sentence: who is better, who is worse, who cannot be told apart."""
    if baseline is None:
        return ""
    entries = comparison.entries
    names = entries.loc[(entries["entry"] == baseline) | (entries["model"] == baseline), "entry"]
    if not len(names):
        return f"The baseline {wording.short(baseline, 40)} is not in this study."
    name = str(names.iloc[0])
    other = means.assign(sign=1.0).query("a == @name or b == @name")
    gap = other["difference"].where(other["b"] == name, -other["difference"])
    who = other["a"].where(other["b"] == name, other["b"])
    groups = (("better", who[other["separable"] & (gap > 0)]), ("worse", who[other["separable"] & (gap < 0)]),
              ("not separable", who[~other["separable"]]))  # fmt: skip
    parts = [f"{word}: {listing([str(w) for w in found])}" for word, found in groups if len(found)]
    return f"Against the baseline {wording.short(name, 40)}: {'; '.join(parts) or 'no pair could be tested'}."


def _unfinished(study: Study) -> str:
    bad = study.cells[study.cells["status"] != "ok"]
    if not len(bad):
        return ""
    counts = ", ".join(f"{n} {wording.STATUSES.get(s, s)}" for s, n in states(bad).value_counts().sort_index().items())
    return f"{len(bad)} of {len(study.cells)} cells have no result ({counts}); they are listed below."
