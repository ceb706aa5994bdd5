"""Which tokens are computed in which forward pass, so that what rows share is computed once where that pays.

Layer: numpy. `planner_tree` lays the tokens of one pass out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, final

import numpy as np

from harness.scoring.planner_branches import branches
from harness.scoring.planner_packs import Prices, members_of
from harness.scoring.planner_radix import radix
from harness.scoring.planner_tree import common

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.scoring.planner_radix import Fork, Radix


@final
@dataclass(frozen=True, kw_only=True)
class Cost:
    """What passes cost, in tokens' worth of a forward pass.

    Attributes:
        tokens: most tokens in one pass that holds more than one row; a longer row is a pass of its own.
        overhead: what a pass costs beside its tokens (launches, reading the weights).
        pair: cost of one query-key pair relative to one token (attention).
        tree: whether branches may lie in one row under a mask (layout `tree`); False: padded rows (layout `repeated`).
    """

    tokens: int
    overhead: float
    pair: float
    tree: bool

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"tokens={self.tokens} is not a valid value: a whole number of at least 1")
        for field in ("overhead", "pair"):
            value = getattr(self, field)
            if not 0 <= value < inf:
                raise ValueError(f"{field}={value} is not a valid value: a number of at least 0")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One forward pass.

    Attributes:
        members: places in `Plan.order` of the rows it is about, ascending.
        past: tokens at the beginning of all members that are in the cache already.
        end: computes tokens [past, end), common to all members, and leaves them in the cache for the steps that
            follow; None: computes all tokens of its members from `past` on.
        tokens: tokens that go through the model, padding included.
    """

    members: range | tuple[int, ...]
    past: int
    end: int | None
    tokens: int


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """All passes over a set of rows.

    The sorted rows and `shared` are the radix tree over the rows. A row that ends where a segment ends, being the
    beginning of all other members, is computed by that segment and is a member of no later step.

    Attributes:
        order: `[rows]` indices into the given rows, lexicographic by tokens.
        shared: `[rows]` tokens that row `order[i]` has in common with `order[i - 1]`; 0 for the first.
        lengths: `[rows]` tokens of row `order[i]`.
        steps: depth first: when a step runs, the cache below `past` holds the right path. A step overwrites everything
            from `past` on.
        unique: nodes of the radix tree over all rows, the fewest tokens that can be computed.
        computed: tokens that go through the model in all steps.
    """

    order: np.ndarray
    shared: np.ndarray
    lengths: np.ndarray
    steps: tuple[Step, ...]
    unique: int
    computed: int


def plan(rows: Sequence[np.ndarray], *, cost: Cost) -> Plan:
    """Passes that compute every token of `rows` at about the least cost.

    The same for the same set of rows in any order, but for `Plan.order`.

    Args:
        rows: tokens of each row, int32; distinct, not empty.
        cost: what passes cost.

    Raises:
        ValueError: a row is empty, or equal to another.
    """
    found = radix(rows)
    steps = tuple(_steps(found, Prices(cost))) if len(rows) else ()
    return Plan(
        order=found.order,
        shared=found.shared,
        lengths=found.lengths,
        steps=steps,
        unique=int((found.lengths - found.shared).sum()),
        computed=sum(step.tokens for step in steps),
    )


def _steps(tree: Radix, prices: Prices) -> Iterator[Step]:
    kept = branches(tree, prices)
    above: list[Fork] = []
    for fork, places in zip(kept, _rest(tree, kept), strict=True):
        while above and above[-1].high <= fork.low:
            above.pop()
        if above:
            past = above[-1].depth
            yield Step(members=range(fork.low, fork.high), past=past, end=fork.depth, tokens=fork.depth - past)
        yield from _packed(tree, prices, places, past=fork.depth)
        above.append(fork)


def _packed(tree: Radix, prices: Prices, places: np.ndarray, *, past: int) -> Iterator[Step]:
    """Passes over rows below a cached beginning.

    Neighbours that are each too long to share a pass get a beginning of their own: what is known of a fork when its
    branches are chosen says nothing of single rows.
    """
    todo: list[tuple[np.ndarray, int, int]] = [(places, past, past)]
    while todo:
        places, past, depth = todo.pop()
        if depth > past:
            yield Step(members=members_of(places), past=past, end=depth, tokens=depth - past)
            places = places[tree.lengths[places] > depth]
        packs = prices.packs(tree, places, past=depth)
        alone: list[int] = []
        for members, tokens in zip(packs.members, packs.tokens, strict=True):
            if prices.cost.tree and len(members) == 1 and tokens > prices.cost.tokens:
                alone.append(members[0])
            else:
                yield Step(members=members, past=depth, end=None, tokens=tokens)
        runs = list(_runs(tree, alone, past=depth, least=prices.cost.overhead))
        todo.extend((np.array(run), depth, end) for run, end in reversed(runs) if end > depth)
        yield from (
            Step(members=range(run[0], run[0] + 1), past=depth, end=None, tokens=int(tree.lengths[run[0]]) - depth)
            for run, end in runs
            if end == depth
        )


def _runs(tree: Radix, places: Sequence[int], *, past: int, least: float) -> Iterator[tuple[Sequence[int], int]]:
    """Cuts rows, in order, into runs, each with the depth of a beginning that saves its rows more than `least` tokens.

    What has none is a run of one row and the depth `past`.
    """
    todo = [places] if places else []
    while todo:
        run = todo.pop()
        if len(run) == 1:
            yield run, past
            continue
        shared = common(tree.shared, np.array(run))[1:]
        depth = int(shared.min())
        if (len(run) - 1) * (depth - past) > least:
            yield run, depth
        else:
            bounds = [0, *(np.flatnonzero(shared == depth) + 1).tolist(), len(run)]
            todo.extend(run[low:high] for low, high in reversed(list(pairwise(bounds))))


def _rest(tree: Radix, kept: Sequence[Fork]) -> Iterator[np.ndarray]:
    """Per fork, the places of the rows that are in none below it and go on beyond it."""
    owner = np.empty(len(tree.order), dtype=np.int64)
    for index, fork in enumerate(kept):
        owner[fork.low : fork.high] = index
    depths = np.array([fork.depth for fork in kept])
    places = np.argsort(owner, kind="stable")
    places = places[(tree.lengths > depths[owner])[places]]
    bounds = np.searchsorted(owner[places], np.arange(len(kept) + 1)).tolist()
    for low, high in pairwise(bounds):
        yield places[low:high]
