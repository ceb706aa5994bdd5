"""One workload, the contestants taking turns, so that a machine that drifts slows both.

Layer: torch. Ours scores all documents in every round, as a user would (a shared beginning is computed once a run);
lm-eval, which shares nothing between documents, gets a share of them where all would take long.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from benchmarks import baseline, machine, shapes, work
from benchmarks.contestants import Ours, Theirs
from benchmarks.results import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.machine import Products
    from benchmarks.workloads import Item, Workload

_PROBE_ROWS = 16
"""Rows of the slice on which lm-eval's batch size is chosen: the largest batch must fit in."""

_WHOLE = 10.0
"""Seconds of lm-eval on all documents up to which it gets all of them in every round."""


@final
@dataclass(frozen=True, kw_only=True)
class Stage:
    """What all workloads of a run have in common.

    Attributes:
        model: the model of ours.
        other: the model of the others; see `shapes.twin`.
        tokenizer: makes a tokenizer.
        context: tokens that the models can attend to.
        products: the rate of matrix products.
        batches: batch sizes to try for lm-eval; where there is one, it is taken.
        rounds: rounds of every comparison.
        reference: requests of the sample for the plain reference.
        enough: seconds of a workload after which no further round begins.
    """

    model: Any
    other: Any
    tokenizer: Callable[[], Any]
    context: int
    products: Products
    batches: tuple[int, ...]
    rounds: int
    reference: int
    enough: float = math.inf

    def ours(self, *, rows: int = 16) -> Ours:
        """A new engine of ours."""
        return Ours(self.model, self.tokenizer(), context=self.context, rows=rows)

    def theirs(self) -> Theirs:
        """A new backend of lm-eval."""
        return Theirs(self.other, self.tokenizer(), context=self.context)


def compare(workload: Workload, stage: Stage) -> Speed:
    """Seconds, counts and agreement of ours and lm-eval's on one workload."""
    ours, theirs = stage.ours(), stage.theirs()
    batches = _batch_times(workload, theirs, stage.batches)
    theirs.batch = min(batches, key=lambda batch: batches[batch])
    _score(ours, workload.first(max(1, workload.size // 8)))
    parts = _parts(workload, theirs, stage.rounds)
    before = ours.totals()
    taken = _turns(workload, parts, (ours, theirs), stage)
    rows = baseline.rows(workload, stage.tokenizer(), context=stage.context)
    counts = work.count(rows)
    difference, flips, left_out = agreement(workload, taken.answers, taken.others)
    return Speed(
        name=workload.name,
        source=workload.source,
        documents=workload.size,
        requests=len(workload.items) or workload.size,
        work=counts,
        flops=shapes.cost(stage.model).flops(counts),
        batch=theirs.batch,
        batches=batches,
        ours=tuple(taken.ours),
        theirs=tuple(taken.theirs),
        shares=tuple(taken.shares),
        products=tuple(taken.products),
        facts=spent(before, ours.totals()),
        reference=baseline.seconds_per_token(stage.other, rows, sample=stage.reference),
        difference=difference,
        flips=flips,
        left_out=left_out,
    )


def spent(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What was added to running totals; what is no number, as it is now."""
    return {
        name: value - before.get(name, 0) if _is_count(value) and _is_count(before.get(name, 0)) else value
        for name, value in after.items()
    }


def ambiguous(items: Sequence[Item]) -> set[int]:
    """Requests that lm-eval's one-token cache may answer with the wrong sum.

    It keeps one set of logits for all requests whose input tokens are equal; where their answers differ in length, one
    of them can be summed over the wrong tokens.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, (_, context, answer) in enumerate(items):
        groups[tuple(context + answer[:-1])].append(index)
    mixed = (members for members in groups.values() if len({len(items[i][2]) for i in members}) > 1)
    return {index for members in mixed for index in members}


def agreement(workload: Workload, ours: list[float], theirs: list[float]) -> tuple[float, int, int]:
    """Largest difference in nats, documents answered differently, and requests left out of both."""
    items = workload.items
    unclear = ambiguous(items)
    difference = max(abs(a - b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if i not in unclear)
    flips, start = 0, 0
    for document, a, b in zip(workload.documents, workload.choices(ours), workload.choices(theirs), strict=True):
        clear = unclear.isdisjoint(range(start, start + len(document)))
        flips += int(a != b and clear)
        start += len(document)
    return difference, flips, len(unclear)


@final
class _Turns:
    def __init__(self) -> None:
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.shares: list[float] = []
        self.products: list[float] = []
        self.answers: list[float] = []
        self.others: list[float] = []


def _turns(workload: Workload, parts: list[list[int]], contestants: tuple[Ours, Theirs], stage: Stage) -> _Turns:
    ours, theirs = contestants
    found = _Turns()
    others: dict[int, list[float]] = {}
    total = workload.tokens
    start = machine.synchronised()
    for number, part in enumerate(parts):
        piece = workload.subset(part)
        found.products.append(stage.products.rate())

        def mine() -> None:
            seconds, found.answers = machine.timed(lambda: _score(ours, workload))
            found.ours.append(seconds)

        def other(piece: Workload = piece, part: list[int] = part) -> None:
            seconds, answers = machine.timed(lambda: _score(theirs, piece))
            found.theirs.append(seconds)
            others.update(zip(part, _by_document(piece, answers), strict=True))

        for turn in (mine, other) if number % 2 == 0 else (other, mine):
            turn()
        found.products.append(stage.products.rate())
        found.shares.append(piece.tokens / total)
        if len(others) == workload.size and machine.synchronised() - start > stage.enough:
            break
    found.others = [value for index in range(workload.size) for value in others[index]]
    return found


def _parts(workload: Workload, theirs: Theirs, rounds: int) -> list[list[int]]:
    """Indices of the documents that lm-eval gets in each round: all, or shares of equal make-up."""
    everything = list(range(workload.size))
    little = workload.first(max(1, workload.size // 8))
    seconds, _ = machine.timed(lambda: _score(theirs, little))
    expected = seconds * workload.tokens / little.tokens
    if expected <= _WHOLE or rounds == 1:
        return [everything] * rounds
    ranked = sorted(everything, key=lambda index: workload.subset([index]).tokens)
    return [sorted(ranked[number::rounds]) for number in range(min(rounds, workload.size))]


def _batch_times(workload: Workload, theirs: Theirs, batches: tuple[int, ...]) -> dict[int, float]:
    if len(batches) == 1:
        return {batches[0]: math.nan}
    rows, size = set(), 0
    while size < workload.size and len(rows) < _PROBE_ROWS:
        piece = workload.subset([size])
        rows |= {tuple(context + answer[:-1]) for _, context, answer in piece.items} or {(size,)}
        size += 1
    times = {}
    for batch in batches:
        if batch <= len(rows) or batch == min(batches):
            theirs.batch = batch
            times[batch] = machine.timed(lambda: _score(theirs, workload.first(size)))[0]
    return times


def _score(contestant: Ours | Theirs, workload: Workload) -> list[float]:
    if workload.texts:
        return contestant.rolling(workload.texts)
    return [logprob for logprob, _ in contestant.score(workload.items)]


def _by_document(workload: Workload, answers: list[float]) -> list[list[float]]:
    if workload.texts:
        return [[answer] for answer in answers]
    rest = iter(answers)
    return [[next(rest) for _ in document] for document in workload.documents]


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
