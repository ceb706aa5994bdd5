"""Identity of documents, few-shot draws and nested subsets: all follow from content and a seed, never from order.

Layer: tasks, pure. Stdlib only.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence


def canonical(document: Mapping[str, Any]) -> str:
    """The document as JSON with sorted keys: equal content, equal text.

    >>> canonical({"b": 1, "a": "x"})
    '{"a":"x","b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=repr)


def digest(*parts: object) -> str:
    """SHA-256 of the parts as hex; `digest("ab", "c")` and `digest("a", "bc")` differ."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def item_ids(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """First 16 hex digits of the hash of each document; a repeat of the same content gets `#2`, then `#3`."""
    seen: Counter[str] = Counter()
    ids: list[str] = []
    for document in documents:
        key = hashlib.sha256(canonical(document).encode()).hexdigest()[:16]
        seen[key] += 1
        ids.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return ids


def subset(
    ids: Sequence[str], *, limit: int | None, seed: int | str, strata: Sequence[Hashable] | None = None
) -> list[int]:
    """Positions of a seeded random subset, in the original order.

    Subsets are nested: that of a smaller limit is within that of a larger one. With `strata` every stratum has its
    share of the subset, to within one document, at every limit.

    Args:
        ids: from `item_ids`.
        limit: size of the subset; None or a number beyond the data: all.
        seed: of the order.
        strata: label of each document.
    """
    if limit is None or limit >= len(ids):
        return list(range(len(ids)))
    groups: dict[Hashable, list[tuple[str, int]]] = {}
    for position, key in enumerate(ids):
        stratum = strata[position] if strata is not None else None
        groups.setdefault(stratum, []).append((digest(seed, key), position))
    queues = [deque(sorted(members)) for members in groups.values()]
    queues.sort(key=lambda queue: queue[0])
    turns = proportional([len(queue) for queue in queues], length=limit)
    return sorted(queues[turn].popleft()[1] for turn in turns)


def proportional(sizes: Sequence[int], *, length: int) -> list[int]:
    """A sequence of group numbers in which every prefix holds each group in proportion to its size, to within one.

    Source: Tijdeman, The chairman assignment problem, Discrete Mathematics 32 (1980).

    >>> proportional([4, 2], length=6)
    [0, 1, 0, 0, 1, 0]
    """
    if len(sizes) == 1:
        return [0] * length
    total, grain = sum(sizes), 2 * len(sizes) - 2
    taken = [0] * len(sizes)
    order: list[int] = []
    for step in range(1, length + 1):
        owed = [step * size - total * done for size, done in zip(sizes, taken, strict=True)]
        due = [g for g in range(len(sizes)) if grain * owed[g] >= total]
        choice = min(due, key=lambda g: ((total * (grain - 1) / grain - owed[g]) / sizes[g], g))
        taken[choice] += 1
        order.append(choice)
    return order


class Pool:
    """Documents that few-shot examples are drawn from: distinct ones, in an order that their content decides."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        distinct = {canonical(document): document for document in documents}
        self._documents = [(text, distinct[text]) for text in sorted(distinct)]

    def __len__(self) -> int:
        return len(self._documents)

    def draw(self, document: Mapping[str, Any], *, shots: int, seed: int) -> list[Mapping[str, Any]]:
        """`shots` examples for `document`, none of them the document itself.

        The draw depends on the document's content, the seed and the set of documents in the pool; not on which other
        documents are asked, nor in what order.

        Raises:
            ValueError: the pool has fewer other documents than `shots`.
        """
        own = canonical(document)
        rng = random.Random(int(digest(seed, own), 16))  # noqa: S311 - a draw, not a secret
        chosen = rng.sample(self._documents, min(shots + 1, len(self._documents)))
        others = [example for text, example in chosen if text != own][:shots]
        if len(others) < shots:
            raise ValueError(f"{shots} shots, but there are only {len(others)} other documents to draw from")
        return others
