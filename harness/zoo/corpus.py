"""The corpus as a stream of documents, each a pure function of seed, split and position (stdlib only).

Held-out text is disjoint by construction: an item's split is a hash of its content key, and a stream yields only items
of its own split. Nothing has to be remembered or removed afterwards.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.zoo import agreement, prose, question, sentiment, sequences, story, topic
from harness.zoo.items import Item, Maker, Split, draw, stream

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

SEED = 20240607
# (maker, share of documents in per cent)
MIXTURE: tuple[tuple[Maker, int], ...] = (
    (sentiment.make, 21),
    (topic.make, 12),
    (story.make, 16),
    (agreement.make, 15),
    (question.make, 3),
    (question.make_long, 13),
    (sequences.make_long, 17),
    (prose.make, 3),
)
# A document may hold several items of one kind, parted as few-shot prompts part them.
SEPARATOR = "\n\n"


def document(index: int, *, split: Split = "train", seed: int = SEED) -> list[Item]:
    """Return the items of document number `index` of a split.

    >>> document(3) == document(3)
    True
    """
    rng = stream(seed, split, index)
    make = _pick(rng)
    if make is agreement.make:
        count = rng.choice((2, 3, 4))
    else:
        count = rng.choice((1, 1, 2, 3)) if make is not prose.make else 1
    return [draw(make, rng, split) for _ in range(count)]


def parts(items: list[Item]) -> list[tuple[str, bool]]:
    """Return one document as stretches of text, each with whether it is an answer to a prompt."""
    separator = " " if items[0].kind == "agreement" else SEPARATOR
    stretches: list[tuple[str, bool]] = []
    for index, item in enumerate(items):
        stretches.append(((separator if index else "") + (item.prompt or item.answer), False))
        if item.prompt:
            stretches.append((f" {item.answer}", True))
    return stretches


def text(items: list[Item]) -> str:
    """Return the text of one document."""
    return "".join(stretch for stretch, _ in parts(items))


def documents(split: Split = "train", *, seed: int = SEED, start: int = 0) -> Iterator[str]:
    """Yield the texts of a split without end, from document `start` on."""
    for index in itertools.count(start):
        yield text(document(index, split=split, seed=seed))


def held_out(make: Maker, name: str, count: int, *, split: Split = "test", seed: int = SEED) -> list[Item]:
    """Return `count` items of one kind from a held-out split, no two with the same content."""
    rng = stream(seed, "held-out", split, name)
    found: dict[tuple[str, ...], Item] = {}
    while len(found) < count:
        item = draw(make, rng, split)
        found.setdefault(item.key, item)
    return list(found.values())


def _pick(rng: random.Random) -> Maker:
    """Return a maker according to the shares of `MIXTURE`."""
    ticket = rng.randrange(sum(share for _, share in MIXTURE))
    for make, share in MIXTURE:
        ticket -= share
        if ticket < 0:
            return make
    raise AssertionError
