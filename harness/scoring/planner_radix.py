"""The radix tree over token rows, as sorted rows and what neighbours have in common.

Layer: numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT = 1 << 16


@final
@dataclass(frozen=True, kw_only=True)
class Radix:
    """Rows in lexicographic order.

    Attributes:
        order: `[rows]` indices into the given rows.
        shared: `[rows]` tokens in common with the row before; 0 for the first.
        lengths: `[rows]` tokens.
    """

    order: np.ndarray
    shared: np.ndarray
    lengths: np.ndarray


@final
@dataclass(frozen=True, slots=True)
class Fork:
    """A node of the radix tree below which rows part, or end.

    Attributes:
        low: place of the first row below it.
        high: one past the place of the last.
        depth: tokens that these rows have in common.
    """

    low: int
    high: int
    depth: int


def radix(rows: Sequence[np.ndarray]) -> Radix:
    """The radix tree over `rows`, which are whole numbers from 0 on.

    Raises:
        ValueError: a row is empty, or equal to another.
    """
    lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    if not lengths.all():
        raise ValueError(f"row {int(lengths.argmin())} is empty: every row needs a token")
    order = _order(rows)
    shared = np.zeros(len(rows), dtype=np.int64)
    for place in range(1, len(rows)):
        before, row = rows[order[place - 1]], rows[order[place]]
        shared[place] = _common(before, row)
        if shared[place] == len(row):
            raise ValueError(f"rows {order[place - 1]} and {order[place]} are equal: rows must be distinct")
    return Radix(order=np.array(order, dtype=np.int64), shared=shared, lengths=lengths[order])


def forks(shared: np.ndarray) -> list[Fork]:
    """All forks but that of no depth, those below a fork before it, each before what is right of it."""
    found: list[Fork] = []
    path: list[tuple[int, int]] = []
    for place, common in enumerate([*shared[1:].tolist(), 0], start=1):
        low = place - 1
        while path and path[-1][0] > common:
            depth, low = path.pop()
            found.append(Fork(low, place, depth))
        if common and (not path or path[-1][0] < common):
            path.append((common, low))
    return found


def _order(rows: Sequence[np.ndarray]) -> list[int]:
    """Bytes, most significant first, compare as the tokens do, and much faster."""
    largest = max((int(row.max()) for row in rows), default=0)
    kind = ">u2" if largest < _SHORT else ">u4"
    keys = [row.astype(kind).tobytes() for row in rows]
    return sorted(range(len(rows)), key=keys.__getitem__)


def _common(one: np.ndarray, other: np.ndarray) -> int:
    size = min(len(one), len(other))
    differs = one[:size] != other[:size]
    first = int(differs.argmax())
    return first if differs[first] else size
