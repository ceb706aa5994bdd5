"""Where two entries disagree: documents that only one of them gets right.

Layer: above `comparisons`; `disagreements_page` shows them; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis.derive import BINARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison


@final
@dataclass(frozen=True, kw_only=True)
class Split:
    """The documents of one task that only one of two entries gets right.

    Attributes:
        task: its label.
        one: the entry that is right.
        other: the entry that is wrong.
        keys: of the documents, those that the fewest entries get right first.
        rights: how many entries get each right.
        entries: how many entries were asked the same.
        n: documents that both were asked.
    """

    task: str
    one: str
    other: str
    keys: tuple[str, ...]
    rights: tuple[int, ...]
    entries: int
    n: int


def pairs(comparison: Comparison, judged: Judged, *, baseline: str | None = None) -> list[tuple[str, str]]:
    """The pairs worth a look: the best with the second, with the baseline and with the last, best first.

    Only pairs that disagree; where none of these do, the first of all pairs that does.

    Args:
        comparison: entries in the order of the leaderboard.
        judged: which of them may be compared on what.
        baseline: entry or model.
    """
    entries = comparison.entries
    order = [str(entry) for entry in entries["entry"]]
    named = [e for e, m in zip(order, entries["model"], strict=True) if baseline is not None and baseline in (e, m)]
    scored = _right_or_wrong(comparison)
    differing = {
        frozenset((v.claim.a, v.claim.b)) for v in judged.verdicts
        if v.claim.about in scored and v.claim.difference.only_a + v.claim.difference.only_b
    }  # fmt: skip
    wanted = [(order[0], end) for end in dict.fromkeys([*order[1:2], *named[:1], *order[-1:]])]
    every = itertools.combinations(order, 2)
    kept = [pair for pair in wanted if frozenset(pair) in differing]
    return kept or [pair for pair in every if frozenset(pair) in differing][:1]


def splits(comparison: Comparison, judged: Judged, pair: tuple[str, str]) -> list[tuple[Split, Split]]:
    """Both sides of a pair on every task where the two may be compared by right and wrong, tasks in order."""
    scored = _right_or_wrong(comparison)
    may = {v.claim.about for v in judged.verdicts if {v.claim.a, v.claim.b} == set(pair)} & scored
    one, other = pair
    return [
        (split(judged, str(task), one, other), split(judged, str(task), other, one))
        for task in comparison.tasks["task"]
        if task in may
    ]


def split(judged: Judged, task: str, one: str, other: str) -> Split:
    """The documents of a task that the one gets right and the other does not."""
    own = judged.answers[task]
    right, wrong = own[one], own[other]
    asked = [entry for entry, held in own.items() if held.alike == right.alike]
    rights = np.sum([own[entry].scores for entry in asked], axis=0)
    places = np.flatnonzero((right.scores == 1) & (wrong.scores == 0))
    places = places[np.argsort(rights[places], kind="stable")]
    return Split(
        task=task, one=one, other=other, keys=tuple(str(right.keys[place]) for place in places),
        rights=tuple(round(float(rights[place])) for place in places), entries=len(asked), n=len(right.scores),
    )  # fmt: skip


def in_turn(sides: Sequence[Split], most: int) -> list[tuple[Split, int]]:
    """Documents of several tasks, one of each after the other, until there are enough: the split, the place in it."""
    parts = [[(side, at) for at in range(len(side.keys))] for side in sides]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*parts))
    return [one for one in turns if one is not None][:most]


def _right_or_wrong(comparison: Comparison) -> set[str]:
    tasks = comparison.tasks
    return {str(task) for task in tasks.loc[tasks["metric"].isin(BINARY) & tasks["higher"], "task"]}
