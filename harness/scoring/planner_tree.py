"""Where the tokens of a pass lie that computes a whole branch of the radix tree in one row, and who may look at whom.

Layer: numpy.

A pack is its members, in lexicographic order, one after another, each without what it shares with the member before it.
That is depth first, so the tokens that descend from a token are the ones right behind it: `last` says up to where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.scoring.planner import Plan, Step


@final
@dataclass(frozen=True, kw_only=True)
class Tree:
    """The layout of one pass.

    Attributes:
        rows: `[tokens]` place in `Plan.order` of a row that the token belongs to.
        positions: `[tokens]` its depth in that row, which is its position in the text.
        last: `[tokens]` token t is t itself or an ancestor of q exactly where `t <= q < last[t]`.
        starts: `[members]` first depth that the member adds to the pack; what is below belongs to members before it.
        own: `[members + 1]` member i adds the tokens `own[i]:own[i + 1]` of the pack, from depth `starts[i]` on.
        offsets: `[members + 1]` bounds in `places`.
        places: concatenated over members: where in the pack the tokens of member i at depths `past`, `past + 1`, … are
            is `places[offsets[i]:offsets[i + 1]]`.
    """

    rows: np.ndarray
    positions: np.ndarray
    last: np.ndarray
    starts: np.ndarray
    own: np.ndarray
    offsets: np.ndarray
    places: np.ndarray


def tree(plan: Plan, step: Step) -> Tree:
    """The layout of `step`, a pass of tree form (`end=None`) or a segment.

    A segment has one chain of tokens, that of its first member: the others look the same in it.
    """
    members = np.asarray(step.members if step.end is None else step.members[:1], dtype=np.int64)
    ends = plan.lengths[members] if step.end is None else np.array([step.end])
    starts = common(plan.shared, members)
    starts[0] = step.past
    own = _bounds(ends - starts)
    offsets = _bounds(ends - step.past)
    total = int(own[-1])
    rows = np.repeat(members, ends - starts)
    positions = np.arange(total) - np.repeat(own[:-1] - starts, ends - starts)
    last, places = _paths(starts - step.past, own, offsets)
    return Tree(rows=rows, positions=positions, last=last, starts=starts, own=own, offsets=offsets, places=places)


def ids(plan: Plan, layout: Tree, rows: Sequence[np.ndarray]) -> np.ndarray:
    """Tokens `[tokens]` of the pass, out of the rows that were planned."""
    first = layout.rows[layout.own[:-1]]
    sizes = np.diff(layout.own)
    pieces = [
        rows[row][start : start + size]
        for row, start, size in zip(plan.order[first].tolist(), layout.starts.tolist(), sizes.tolist(), strict=True)
    ]
    return np.concatenate(pieces)


def seen(layout: Tree) -> np.ndarray:
    """`[tokens, tokens]`, True where a token (first axis) may look at another: at itself and at its ancestors."""
    queries = np.arange(len(layout.last))[:, None]
    return (queries >= queries.T) & (queries < layout.last[None, :])


def common(shared: np.ndarray, members: np.ndarray) -> np.ndarray:
    """`[members]` tokens that each row at these ascending places shares with the one before; 0 for the first."""
    found = np.zeros(len(members), dtype=np.int64)
    if len(members) > 1:
        low, high = int(members[0]) + 1, int(members[-1]) + 1
        found[1:] = np.minimum.reduceat(shared[low:high], members[:-1] + 1 - low)
    return found


def _bounds(sizes: np.ndarray) -> np.ndarray:
    bounds = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return bounds


def _paths(starts: np.ndarray, own: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`Tree.last` and `Tree.places`; `starts` are counted from the cached depth."""
    total = int(own[-1])
    last = np.full(total, total, dtype=np.int64)
    places = np.empty(int(offsets[-1]), dtype=np.int64)
    path = np.empty(int(np.diff(offsets).max()), dtype=np.int64)
    length = 0
    for member, (start, low, high) in enumerate(zip(starts.tolist(), own[:-1].tolist(), own[1:].tolist(), strict=True)):
        last[path[start:length]] = low
        length = start + high - low
        path[start:length] = np.arange(low, high)
        places[offsets[member] : offsets[member + 1]] = path[:length]
    return last, places
