"""Token arithmetic: what has to be computed at least, and how many operations that is.

Layer: stdlib only. Every count is of the requests themselves, so that it is the same for every contestant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@final
@dataclass(frozen=True, kw_only=True)
class Work:
    """Tokens of a set of requests.

    Attributes:
        naive: input tokens of all requests, nothing shared.
        unique: distinct (beginning, token): nodes of the radix tree over all rows.
        keys: sum over the unique tokens of the tokens that each attends to.
        scored: scored positions of all requests.
        heads: distinct beginnings that a scored token follows: rows of the output layer.
    """

    naive: int
    unique: int
    keys: int
    scored: int
    heads: int


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one model spends per token.

    Attributes:
        body: weights of the matrices that every token meets (embeddings and output layer excluded).
        layers: number of attention layers.
        width: width of the queries of a layer, all heads.
        hidden: width of the hidden states that the output layer reads.
        vocabulary: rows of the output layer.
    """

    body: int
    layers: int
    width: int
    hidden: int
    vocabulary: int

    def flops(self, work: Work) -> float:
        """Floating-point operations that `work` needs at least.

        A multiplication with a following addition counts as two: `2 body` per unique token; `4 width layers` per key
        that it attends to (scores, and weighted values); `2 hidden vocabulary` per distinct scored position.
        """
        return (
            2.0 * self.body * work.unique
            + 4.0 * self.width * self.layers * work.keys
            + 2.0 * self.hidden * self.vocabulary * work.heads
        )


def count(rows: Iterable[tuple[Sequence[int], int]]) -> Work:
    """Counts of (input tokens, number of targets at the end) of each request.

    >>> count([((1, 2, 3), 1), ((1, 2, 4), 2)])
    Work(naive=6, unique=4, keys=9, scored=3, heads=3)
    """
    given = [(tuple(row), targets) for row, targets in rows]
    unique = keys = 0
    previous: tuple[int, ...] = ()
    for row in sorted({row for row, _ in given}):
        shared = common(previous, row)
        unique += len(row) - shared
        keys += (len(row) * (len(row) + 1) - shared * (shared + 1)) // 2
        previous = row
    heads = {row[: len(row) - back] for row, targets in given for back in range(targets)}
    return Work(
        naive=sum(len(row) for row, _ in given),
        unique=unique,
        keys=keys,
        scored=sum(targets for _, targets in given),
        heads=len(heads),
    )


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the common beginning.

    >>> common((1, 2, 3), (1, 2, 4))
    2
    """
    length = min(len(first), len(second))
    return next((i for i in range(length) if first[i] != second[i]), length)
