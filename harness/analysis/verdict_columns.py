"""Columns of tables that say what a comparison with the best entry, or the first, comes to.

Layer: below `tables`, above `comparisons`.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.analysis import wording
from harness.analysis.equivalence import LEGEND, SIGNS, seen_from
from harness.analysis.sheet import Column, Value, text

if TYPE_CHECKING:
    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison
    from harness.analysis.equivalence import Verdict

BEHIND = (
    Column(key="behind", label="Behind the best", sub="paired"), Column(key="p_holm", label="p", sub="Holm"),
    Column(key="verdict", label="Verdict", numeric=False), Column(key="mde80", label="Would show", sub="80 % power"),
)  # fmt: skip
"""Of one task: the difference from the best entry, its p, the verdict, and the smallest difference that would show."""

FIRST = Column(key="verdict", label="vs 1st", group="Quality", numeric=False)
"""Of the leaderboard."""


def beside(judged: Judged, task: str, best: str) -> dict[str, Verdict]:
    """By entry its verdict beside the best one of a task: worse where it is behind."""
    own = [verdict for verdict in judged.verdicts if verdict.claim.about == task]
    found = [seen_from(best, verdict) for verdict in own if best in (verdict.claim.a, verdict.claim.b)]
    return {verdict.claim.a: verdict for verdict in found}


def behind(verdict: Verdict | None, *, percent: bool) -> list[Value]:
    """The values of `BEHIND`; gaps where an entry could not be compared."""
    if verdict is None:
        return [text("")] * len(BEHIND)
    found, write = verdict.claim.difference, wording.percent if percent else wording.significant
    gap, half, shown = -found.value, found.interval.half, found.detectable
    spread = f"±{wording.percent(half)}" if percent else wording.spread(gap, half, "1")
    known = not math.isnan(half)
    return [
        Value(text=write(gap), number=gap, lo=-found.interval.hi if known else None,
              hi=-found.interval.lo if known else None, spread=spread if known else ""),
        Value(text=wording.p_value(verdict.p_holm), number=verdict.p_holm),
        Value(text=f"{SIGNS[verdict.word]} {verdict.word}", detail=verdict.evidence),
        text("") if math.isnan(shown) else Value(text=write(shown), number=shown),
    ]  # fmt: skip


def beside_first(comparison: Comparison, judged: Judged) -> list[Value]:
    """The sign of every entry's verdict beside the first of the leaderboard, on the mean."""
    first = str(comparison.entries["entry"].iloc[0])
    means = [v for v in judged.mean_verdicts if first in (v.claim.a, v.claim.b)]
    found = {verdict.claim.a: verdict for verdict in (seen_from(first, one) for one in means)}
    return [
        Value(text=SIGNS[found[entry].word], detail=f"{found[entry].word}: {found[entry].evidence}")
        if entry in found
        else text("", detail="the first" if entry == first else "no paired test was possible")
        for entry in comparison.entries["entry"]
    ]


def notes(judged: Judged | None) -> tuple[str, ...]:
    """What the signs of the leaderboard mean; nothing where there are none."""
    if judged is None or not len(judged.means):
        return ()
    points = f"{100 * judged.margin:g} point{'' if judged.margin == 0.01 else 's'}"  # noqa: PLR2004 - one point
    said = f"vs 1st: beside the first on the mean, on identical documents: {LEGEND}"
    return (f"{said} (Holm-adjusted over all pairs; equivalent: within {points}).",)
