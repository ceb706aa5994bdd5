"""What passes cost, and the passes over rows below one cached beginning.

Layer: numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, final

import numpy as np

from harness.scoring.planner_cuts import Line, padded_line, tree_line
from harness.scoring.planner_tree import common

if TYPE_CHECKING:
    from harness.scoring.planner import Cost
    from harness.scoring.planner_radix import Radix


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Packs:
    """Passes over some rows below a cached beginning.

    Attributes:
        members: places of the rows of each pass, ascending.
        tokens: tokens of each pass, padding included.
        price: of all of them.
    """

    members: list[range | tuple[int, ...]]
    tokens: list[int]
    price: float


@final
@dataclass(frozen=True, slots=True)
class Load:
    """Rows beyond the tokens that they have in common.

    Attributes:
        beyond: tokens: distinct ones in layout `tree`, else all.
        rows: number of rows.
    """

    beyond: int
    rows: int


@final
class Prices:
    """What passes cost, in tokens' worth.

    Args:
        cost: the figures of the machine and the model.
    """

    def __init__(self, cost: Cost) -> None:
        self.cost = cost
        # Where attention costs nothing, passes of equal size are still the better ones: less memory at a time.
        self._square = max(cost.pair, 1e-3 / cost.tokens)
        self._usual = min(float(cost.tokens), max(1.0, sqrt(cost.overhead / self._square)))

    def segment(self, past: int, end: int) -> float:
        """Price of computing one chain of tokens [past, end)."""
        new = end - past
        return self.cost.overhead + new + self.cost.pair * new * (past + new / 2)

    def among(self, past: int, depth: int, load: Load) -> float:
        """About what rows cost among many others below a beginning of `past` tokens.

        Args:
            past: tokens in the cache.
            depth: tokens that the rows have in common; all but the first `past` of them are computed in every pass.
            load: the rows beyond these tokens.
        """
        if not self.cost.tree:
            total = load.beyond + load.rows * (depth - past)
            return total * (self._padded(past, total / max(1, load.rows)) + self.cost.overhead / self.cost.tokens)
        if not load.beyond:
            return 0.0
        total = load.beyond + depth - past
        if total <= self._usual:
            return total / self._usual * self._pass(past, self._usual)
        several = self._several(past, depth - past, load)
        return several if total > self.cost.tokens else min(several, self._pass(past, total))

    def apart(self, past: int, load: Load) -> float:
        """About what rows cost by themselves below a beginning of `past` tokens."""
        return self.among(past, past, load) + self.unfilled(load.beyond)

    def unfilled(self, tokens: int) -> float:
        """What the overhead of a pass of so few tokens is above their share in a full one."""
        full = self._usual if self.cost.tree else self.cost.tokens
        return self.cost.overhead * max(0.0, 1 - tokens / full) if tokens else 0.0

    def packs(self, radix: Radix, places: np.ndarray, *, past: int) -> Packs:
        """The cheapest passes over the rows at `places` (ascending, each longer than `past`)."""
        if not len(places):
            return Packs(members=[], tokens=[], price=0.0)
        places, line = self._line(radix, places, past)
        price, bounds = line.cut(self.cost)
        passes = list(pairwise(bounds))
        return Packs(
            members=[members_of(places[low:high]) for low, high in passes],
            tokens=[line.tokens(low, high) for low, high in passes],
            price=price,
        )

    def _line(self, radix: Radix, places: np.ndarray, past: int) -> tuple[np.ndarray, Line]:
        lengths = radix.lengths[places]
        if self.cost.tree:
            shared = common(radix.shared, places)
            shared[0] = past
            return places, tree_line(lengths=lengths, shared=shared, past=past, square=self._square, cost=self.cost)
        longest = np.argsort(-lengths, kind="stable")
        return places[longest], padded_line(lengths=lengths[longest], past=past, pair=self.cost.pair)

    def _pass(self, past: int, new: float) -> float:
        return self.cost.overhead + new * (1 + self.cost.pair * past + self._square * new)

    def _padded(self, past: int, length: float) -> float:
        """Price of a token of a padded row of `length` tokens."""
        return 1 + self.cost.pair * (past + length if past else length / 2)

    def _several(self, past: int, again: int, load: Load) -> float:
        """Price where each of several passes computes `again` tokens again, at the best size of a pass."""
        token = 1 + self.cost.pair * past
        size = again + sqrt(again**2 + (self.cost.overhead + again * token) / self._square)
        gain = max(min(size, self.cost.tokens) - again, load.beyond / load.rows)
        return max(1.0, load.beyond / gain) * self._pass(past, again + gain)


def members_of(places: np.ndarray) -> range | tuple[int, ...]:
    """`Step.members` of rows at these places."""
    ordered = np.sort(places).tolist()
    low, high = ordered[0], ordered[-1] + 1
    return range(low, high) if high - low == len(ordered) else tuple(ordered)
