"""Where to cut a line of rows into passes.

Layer: numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from harness.scoring.planner import Cost

_FINE = 64
"""Places to cut at that a pass of full size is offered where rows are short."""


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """Rows in a line. A pass over the rows [a, b) has n tokens, `base[a] + slope[a] * reach[b]`.

    Attributes:
        base: `[rows]`.
        slope: `[rows]`.
        reach: `[rows + 1]`, ascending.
        weight: `[rows]` a pass that begins with row a costs `n * (weight[a] + square * n)` beside its overhead.
        square: see `weight`.
        alone: `[rows]` what a pass of this row only costs beside its overhead.
        stops: places to cut at, ascending, 0 and `rows` included.
        gain: no way to cut the line saves more than this against one pass, overheads aside.
    """

    base: np.ndarray
    slope: np.ndarray
    reach: np.ndarray
    weight: np.ndarray
    square: float
    alone: np.ndarray
    stops: np.ndarray
    gain: float

    def tokens(self, low: int, high: int) -> int:
        """Tokens of a pass over the rows [low, high)."""
        return int(self.base[low] + self.slope[low] * self.reach[high])

    def cut(self, cost: Cost) -> tuple[float, list[int]]:
        """The least price of passes over all rows, and the bounds of these passes, both ends included."""
        rows = len(self.base)
        whole = self.tokens(0, rows)
        if rows > 1 and whole <= cost.tokens and self.gain <= cost.overhead:
            return cost.overhead + whole * (float(self.weight[0]) + self.square * whole), [0, rows]
        prices, before = self._least(cost)
        found = [len(self.stops) - 1]
        while found[-1]:
            found.append(before[found[-1]])
        return float(prices[-1]), self.stops[found[::-1]].tolist()

    def _least(self, cost: Cost) -> tuple[np.ndarray, list[int]]:
        """Least price of the rows before each stop, and the stop where the last of their passes begins."""
        places, start = self.stops, self.stops[:-1]
        base, slope, weight, ends = self.base[start], self.slope[start], self.weight[start], self.reach[places[1:]]
        alone = np.where(np.diff(places) == 1, self.alone[start], np.inf).tolist()
        bases, slopes = base.tolist(), slope.tolist()
        prices = np.zeros(len(places))
        before = [0] * len(places)
        first = 0
        for last, end in enumerate(ends.tolist(), start=1):
            while first < last - 1 and bases[first] + slopes[first] * end > cost.tokens:
                first += 1
            tokens = base[first:last] + slope[first:last] * end
            options = prices[first:last] + tokens * (weight[first:last] + self.square * tokens)
            options[-1] = min(options[-1], prices[last - 1] + alone[last - 1])
            pick = int(options.argmin())
            prices[last] = options[pick] + cost.overhead
            before[last] = first + pick
        return prices, before


def tree_line(*, lengths: np.ndarray, shared: np.ndarray, past: int, square: float, cost: Cost) -> Line:
    """Rows whose branches lie in one row of a pass.

    Args:
        lengths: `[rows]` tokens, more than `past`, rows in lexicographic order.
        shared: `[rows]` tokens in common with the row before, at least `past`.
        past: tokens in the cache.
        square: price of a pair of tokens of the same pass.
        cost: what passes cost.
    """
    reach = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths - shared, out=reach[1:])
    base = shared - reach[:-1] - past
    new = lengths - past
    total = int(base[0] + reach[-1])
    return Line(
        base=base,
        slope=np.ones_like(base),
        reach=reach,
        weight=np.full(len(base), 1 + cost.pair * past),
        square=square,
        alone=new * (1 + cost.pair * (past + new / 2)),
        stops=_stops(base, reach, shared, limit=cost.tokens),
        gain=square * total * total / 2,
    )


def _stops(base: np.ndarray, reach: np.ndarray, shared: np.ndarray, *, limit: int) -> np.ndarray:
    """`Line.stops`: where rows are short, only where little is shared, but enough of them for the limit of a pass."""
    rows = len(base)
    block = reach[:-1] // max(1, limit // _FINE)
    best = np.lexsort((shared, block))
    wanted = np.zeros(rows + 1, dtype=bool)
    wanted[best[np.flatnonzero(np.diff(block[best], prepend=-1))]] = True
    wanted[[0, rows]] = True
    places = np.flatnonzero(wanted)
    over = base[places[:-1]] + reach[places[1:]] > limit
    for low, high in zip(places[:-1][over].tolist(), places[1:][over].tolist(), strict=True):
        wanted[low:high] = True
    return np.flatnonzero(wanted)


def padded_line(*, lengths: np.ndarray, past: int, pair: float) -> Line:
    """Rows that are padded at the right to the longest of their pass.

    Args:
        lengths: `[rows]` tokens, more than `past`, descending.
        past: tokens in the cache.
        pair: price of a pair.
    """
    new = lengths - past
    place = np.arange(len(new) + 1)
    weight = 1 + pair * (past + new if past else new / 2)
    price = new * weight
    return Line(
        base=-place[:-1] * new,
        slope=new,
        reach=place,
        weight=weight,
        square=0.0,
        alone=price,
        stops=place,
        gain=float(len(new) * price[0] - price.sum()),
    )
