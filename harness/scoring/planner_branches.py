"""Which forks of the radix tree get their beginning computed first and kept in the cache.

Layer: stdlib and numpy.

A fork that might pay by itself is a candidate. Which candidates to keep is then decided together: the price of a part
of the tree depends on what is above it only through the depth that is cached, so the best choice below a fork is found
once for every candidate above it, from the leaves to the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, final

import numpy as np

from harness.scoring.planner_packs import Load
from harness.scoring.planner_radix import Fork, forks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.scoring.planner_packs import Prices
    from harness.scoring.planner_radix import Radix

_REACH = 64
"""Candidates in a row, one below the other, of which one at least is kept: bounds the work on deeply nested rows."""


@final
@dataclass(frozen=True, slots=True)
class _Candidate:
    """A fork that might pay.

    Attributes:
        fork: the fork; the whole tree as a fork of depth 0 comes first.
        parent: index of the next candidate above it.
        load: what is below it.
    """

    fork: Fork
    parent: int
    load: Load


@final
@dataclass(frozen=True, slots=True)
class _Choice:
    """The best choice below a candidate, if the beginning of a given candidate above it is the longest in the cache.

    Attributes:
        price: of everything below.
        left: tokens below that go into the packs of the candidate above.
        kept: whether the beginning of the candidate itself is kept.
    """

    price: float
    left: int
    kept: bool


def branches(radix: Radix, prices: Prices) -> list[Fork]:
    """The forks to keep, the whole tree as a fork of depth 0 first, each before those below it, from left to right."""
    candidates = _candidates(radix, prices)
    choices = _choices(candidates, prices)
    found = [candidates[0].fork]
    since = [0]
    for candidate, choice in zip(candidates[1:], choices[1:], strict=True):
        dropped = since[candidate.parent]
        kept = choice[dropped].kept
        since.append(0 if kept else dropped + 1)
        if kept:
            found.append(candidate.fork)
    return sorted(found, key=lambda fork: (fork.low, fork.depth))


def _candidates(radix: Radix, prices: Prices) -> list[_Candidate]:
    """The whole tree and the forks that might pay, each after what is above it."""
    loads = _Loads(radix, tree=prices.cost.tree)
    root = Fork(0, len(radix.order), 0)
    found = [_Candidate(root, 0, loads.of(root))]
    above = [0]
    for fork in reversed(forks(radix.shared)):
        while found[above[-1]].fork.low > fork.low:
            above.pop()
        past, load = found[above[-1]].fork.depth, loads.of(fork)
        cached = prices.segment(past, fork.depth) + prices.apart(fork.depth, load)
        if cached < prices.among(past, fork.depth, load):
            found.append(_Candidate(fork, above[-1], load))
            above.append(len(found) - 1)
    return found


@final
class _Loads:
    """What lies below any fork, from sums over the sorted rows.

    Args:
        radix: the rows.
        tree: whether branches may lie in one row.
    """

    def __init__(self, radix: Radix, *, tree: bool) -> None:
        self._tree = tree
        self._shared: list[int] = radix.shared.tolist()
        self._sums = [0, *np.cumsum(radix.lengths - radix.shared if tree else radix.lengths).tolist()]

    def of(self, fork: Fork) -> Load:
        """The rows below the fork."""
        beyond = self._sums[fork.high] - self._sums[fork.low]
        rows = fork.high - fork.low
        return Load(beyond + self._shared[fork.low] - fork.depth if self._tree else beyond - rows * fork.depth, rows)


def _choices(candidates: Sequence[_Candidate], prices: Prices) -> list[list[_Choice]]:
    """Per candidate, its best choice for each candidate above it, the nearest first."""
    above = _above(candidates)
    own = [_Own(candidate, len(depths)) for candidate, depths in zip(candidates, above, strict=True)]
    found: list[list[_Choice]] = [[] for _ in candidates]
    for index in range(len(candidates) - 1, 0, -1):
        found[index] = own[index].choices(prices, above[index])
        own[candidates[index].parent].take(candidates[index], found[index], tree=prices.cost.tree)
    return found


def _above(candidates: Sequence[_Candidate]) -> list[list[int]]:
    """Per candidate, the depths of those above it, the nearest first."""
    found: list[list[int]] = [[]]
    for candidate in candidates[1:]:
        found.append([candidates[candidate.parent].fork.depth, *found[candidate.parent]][:_REACH])
    return found


@final
class _Own:
    """A candidate while the choices of those below it are summed up.

    Args:
        candidate: the candidate.
        above: number of candidates above it.
    """

    def __init__(self, candidate: _Candidate, above: int) -> None:
        self._depth = candidate.fork.depth
        self._load = candidate.load
        # By what is the longest beginning in the cache: the candidate's own, then those above it, the nearest first.
        self._prices = [0.0] * (1 + above)
        self._left = [0] * (1 + above)

    def take(self, below: _Candidate, choices: Sequence[_Choice], *, tree: bool) -> None:
        """Takes the part of a candidate right below it out of its own rows, and its choices instead."""
        own, part = self._load, below.load
        beyond = part.beyond + (1 if tree else part.rows) * (below.fork.depth - self._depth)
        self._load = Load(own.beyond - beyond, own.rows - part.rows)
        for index, choice in enumerate(choices):
            self._prices[index] += choice.price
            self._left[index] += choice.left
        for index in range(len(choices), len(self._prices)):
            self._prices[index] = inf

    def choices(self, prices: Prices, above: Sequence[int]) -> list[_Choice]:
        """The best choice for each depth of the candidates above."""
        here = prices.among(self._depth, self._depth, self._load)
        kept = self._prices[0] + here + prices.unfilled(self._left[0] + self._load.beyond)
        return [self._choice(prices, kept, past, index) for index, past in enumerate(above, start=1)]

    def _choice(self, prices: Prices, kept: float, past: int, index: int) -> _Choice:
        kept += prices.segment(past, self._depth)
        dropped = self._prices[index] + prices.among(past, self._depth, self._load)
        if kept < dropped:
            return _Choice(kept, 0, kept=True)
        again = (self._depth - past) * (min(1, self._load.beyond) if prices.cost.tree else self._load.rows)
        return _Choice(dropped, self._left[index] + self._load.beyond + again, kept=False)
