"""Sentences about a comparison that claim only what its verdicts say.

Layer: above `findings`. Rules: "better" is said only where the paired test on identical documents, adjusted for every
pair and task of the report (Holm), is below 5 % and the interval excludes 0; "equivalent" only where two one-sided
tests say so; all else is "not separable", with the difference that this many documents would mostly not have shown.
Speeds are told apart only where processes were repeated, an A/A control gives the noise floor, their intervals do not
touch, and they differ by more than 2 % and than that floor.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
# ruff: noqa: PD101, PLR2004 - nunique leaves gaps out; small counts and thresholds are clearer as they are
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.analysis import ratios, wording
from harness.analysis.comparisons import MEAN
from harness.analysis.costs import WORDS as COSTS
from harness.analysis.derive import Comparison, probe_of, speed_of
from harness.analysis.forest import named
from harness.analysis.points import states
from harness.analysis.wording import listing, percent, significant

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.comparisons import Judged
    from harness.analysis.costs import Costs
    from harness.analysis.findings import Findings
    from harness.analysis.frame import Study

WORDS = ("better", "worse", "equivalent", "inconclusive")
"""Verdicts in the order in which they are told."""


def sentences(found: Findings, *, baseline: str | None = None) -> tuple[str, ...]:
    """What a reader may take home, most important first.

    Args:
        found: everything that the study says of quality; its forest stands for the baseline.
        baseline: entry or model label that the reader named.
    """
    comparison, judged = found.comparison, found.judged
    lines = [_leader(comparison, judged), *_tasks(comparison, judged), _against(found, baseline), _chance(comparison)]
    lines += [*_fastest(comparison), _dominated(found.costs), _unfinished(found.study)]
    return tuple(line for line in lines if line)


def _leader(comparison: Comparison, judged: Judged) -> str:
    entries = comparison.entries
    if len(entries) == 1:
        return f"Only {wording.short(entries['entry'].iloc[0], 40)} was measured, so nothing is ranked."
    ranked = entries.dropna(subset=["mean"])
    if len(ranked) < 2:
        return f"No overall ranking: entries are ordered by {comparison.basis}."
    top = str(ranked["entry"].iloc[0])
    span = comparison.basis.removeprefix("mean chance-corrected score ")
    share = f"{percent(ranked['mean'].iloc[0])} % of the way from chance to perfect"
    first = f"{wording.short(top, 40)} has the highest mean score: {share}, {span}."
    rows = seen_from(judged.means, top)
    if not len(rows):
        return f"{first} No pair could be tested: {_reasons(judged.refused)}."
    left = [name for name in ranked["entry"].iloc[1:] if name not in set(rows["other"])]
    refused = f" It could not be compared item by item with {listing(left)} on every task." if left else ""
    return f"{first} {_told_apart(rows)}{refused}"


def seen_from(frame: pd.DataFrame, entry: str) -> pd.DataFrame:
    """Rows of comparisons with an entry as what it is beside each other one: `other, diff, mde80, verdict, ...`."""
    turned = {"better": "worse", "worse": "better"}
    own = frame[(frame["a"] == entry) | (frame["b"] == entry)]
    second = own["b"] == entry
    words = own["verdict"].where(~second, own["verdict"].replace(turned))
    return own.assign(other=own["a"].where(second, own["b"]), diff=own["diff"].where(~second, -own["diff"]),
                      verdict=words)  # fmt: skip


def _reasons(refused: pd.DataFrame) -> str:
    """The commonest reason why entries may not be paired."""
    if not len(refused):
        return "the documents differ or were not kept"
    return wording.short(str(refused["reason"].value_counts().sort_index(kind="stable").idxmax()), 120)


def _told_apart(rows: pd.DataFrame) -> str:
    by_word = {word: rows[rows["verdict"] == word] for word in ("better", "equivalent", "inconclusive")}
    parts = []
    if len(sure := by_word["better"]):
        every = " every other entry" if len(sure) == len(rows) > 1 else f" {listing(list(sure['other']))}"
        parts.append(f"It is better than{every} (paired, Holm-adjusted p < 0.05).")
    if len(alike := by_word["equivalent"]):
        parts.append(f"It is equivalent to {listing(list(alike['other']))}: the difference is {_within(alike)}.")
    if len(unsure := by_word["inconclusive"]):
        parts.append(f"It is not separable from {listing(list(unsure['other']))}: {_unseen(unsure)}.")
    return " ".join(parts)


def _within(rows: pd.DataFrame) -> str:
    points = 100 * float(rows["margin"].iloc[0])
    return f"under {points:g} point{'' if points == 1 else 's'} (two one-sided tests, Holm-adjusted p < 0.05)"


def _unseen(rows: pd.DataFrame) -> str:
    """What differences this many documents would have missed, and how many it takes for one of the margin."""
    smallest = 100 * float(rows["mde80"].max())
    line = f"differences under about {significant(smallest, 2)} points would mostly not show at this size"
    worst = rows.loc[rows["mde80"].idxmax()]
    times = float(worst["required_n"] or 0) / float(worst["n"])
    if not times > 1:  # nor a gap
        return line
    points = 100 * float(worst["margin"])
    unit = "point" if points == 1 else "points"
    return f"{line}; one of {points:g} {unit} would take about {significant(times, 2)} times as many documents"


def _tasks(comparison: Comparison, judged: Judged) -> list[str]:
    """Which tasks have a leader that is better than every other entry, which have none, which could not be tested."""
    led, open_, alike, untested = [], [], [], []
    for task in comparison.tasks.itertuples(index=False):
        scores = comparison.scores[(comparison.scores["task"] == task.task) & comparison.scores["value"].notna()]
        rows = judged.frame[judged.frame["task"] == task.task]
        if len(scores) < 2:
            continue
        top = str(scores.sort_values(["value", "entry"], ascending=[not task.higher, True])["entry"].iloc[0])
        own = seen_from(rows, top)
        if not len(rows):
            untested.append(str(task.task))
        elif len(own) == len(scores) - 1 and (own["verdict"] == "better").all():
            led.append(f"{task.task} ({wording.short(top, 30)})")
        elif (rows["verdict"] == "equivalent").all():
            alike.append(str(task.task))
        else:
            open_.append(f"{task.task}{_missed(own, task)}")
    lines = [f"One entry is better than all others on {listing(led)}."] if led else []
    lines += [f"All entries are equivalent on {listing(alike)}."] if alike else []
    if open_:
        lines.append(f"The first places are not separable on {listing(open_)}; in parentheses the difference that "
                     "would mostly not show.")  # fmt: skip
    if untested:
        reason = _reasons(judged.refused[judged.refused["task"].isin(untested)])
        lines.append(f"No paired test was possible on {listing(untested)}: {reason}.")
    return lines


def _missed(own: pd.DataFrame, task: Any) -> str:
    """The difference from the first that would mostly not have shown, in parentheses."""
    unsure = own[own["verdict"] == "inconclusive"]
    if not len(unsure):
        return ""
    size = float(unsure["mde80"].max())
    unit = "" if task.unit == "1" else f" {task.unit}"
    return f" ({significant(100 * size, 2)} points)" if task.percent else f" ({significant(size, 2)}{unit})"


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


def _against(found: Findings, baseline: str | None) -> str:
    """The baseline sentence: who is better, who is worse, who is as good, who cannot be told apart."""
    if baseline is None:
        return ""
    name = named(found.comparison, baseline)
    if not name:
        return f"The baseline {wording.short(baseline, 40)} is not in this study."
    means = [] if found.forest is None else [v for v in found.forest.verdicts if v.claim.about == MEAN]
    groups = {word: [v.claim.a for v in means if v.word == word] for word in WORDS}
    parts = [f"{'not separable' if word == 'inconclusive' else word}: {listing(names)}"
             for word, names in groups.items() if names]  # fmt: skip
    if groups["inconclusive"]:
        size = max(v.claim.difference.detectable for v in means if v.word == "inconclusive")
        parts.append(f"differences under about {significant(100 * size, 2)} points would mostly not show")
    said = "; ".join(parts) or "no pair could be tested"
    return f"Against the baseline {wording.short(name, 40)}, on the mean: {said}."


def _dominated(costs: Costs) -> str:
    """Who is beaten by one and the same entry on score and on a cost at once, beyond noise."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for cost in costs.found:
        for entry, row in cost.frame[cost.frame["dominated"]].iterrows():
            pairs.setdefault((str(entry), str(row["rival"])), []).append(COSTS[cost.metric])
    parts = [f"{wording.short(entry, 30)} by {wording.short(rival, 30)} ({listing(names)})"
             for (entry, rival), names in pairs.items()]  # fmt: skip
    more = f" and {len(parts) - 4} more" if len(parts) > 4 else ""
    return f"Beaten on score and cost at once: {'; '.join(parts[:4])}{more}." if parts else ""


def _unfinished(study: Study) -> str:
    bad = study.cells[study.cells["status"] != "ok"]
    if not len(bad):
        return ""
    counts = ", ".join(f"{n} {wording.STATUSES.get(s, s)}" for s, n in states(bad).value_counts().sort_index().items())
    return f"{len(bad)} of {len(study.cells)} cells have no result ({counts}); they are listed below."
