"""Identity, few-shot draws and subsets depend on content and seed alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.documents import Pool, item_ids, proportional, subset

if TYPE_CHECKING:
    import random

TEXTS = st.lists(st.text(max_size=6), min_size=1, max_size=40)


@given(TEXTS)
def test_ids_are_distinct_and_repeats_are_numbered(texts: list[str]) -> None:
    """Every document of a split has an id of its own; equal content shares what comes before the `#`."""
    ids = item_ids({"text": text} for text in texts)
    assert len(set(ids)) == len(texts)
    assert len({key.split("#")[0] for key in ids}) == len(set(texts))


@given(TEXTS, st.integers(0, 40), st.integers(0, 40), st.integers(0, 3))
def test_subsets_are_nested(texts: list[str], a: int, b: int, seed: int) -> None:
    """The smaller subset lies within the larger one, with and without strata."""
    ids = item_ids({"text": text} for text in texts)
    for strata in (None, [len(text) % 3 for text in texts]):
        small, large = (subset(ids, limit=n, seed=seed, strata=strata) for n in sorted((a, b)))
        assert set(small) <= set(large)
        assert len(small) == min(a, b, len(texts))
        assert small == sorted(small)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=8))
def test_every_prefix_is_proportional(sizes: list[int]) -> None:
    """At every length each group has its share to within one, and in the end all of it."""
    total = sum(sizes)
    taken = [0] * len(sizes)
    for length, group in enumerate(proportional(sizes, length=total), start=1):
        taken[group] += 1
        assert all(abs(have - length * size / total) < 1 for have, size in zip(taken, sizes, strict=True))
    assert taken == sizes


@given(TEXTS, st.integers(1, 40), st.randoms())
def test_subset_does_not_depend_on_order(texts: list[str], limit: int, rng: random.Random) -> None:
    """The same distinct documents are chosen whatever order they come in."""
    distinct = sorted(set(texts))
    shuffled = rng.sample(distinct, len(distinct))
    chosen = [
        {order[i] for i in subset(item_ids({"t": text} for text in order), limit=limit, seed=1)}
        for order in (distinct, shuffled)
    ]
    assert chosen[0] == chosen[1]


@settings(deadline=None)
@given(st.sets(st.text(max_size=5), min_size=6, max_size=30), st.integers(0, 5), st.integers(0, 9), st.randoms())
def test_examples_depend_on_the_document_alone(texts: set[str], shots: int, seed: int, rng: random.Random) -> None:
    """Any subset of documents, in any order, over a pool in any order: a document gets the same examples."""
    documents = [{"text": text} for text in sorted(texts)]
    pool = Pool(documents)
    whole = {d["text"]: pool.draw(d, shots=shots, seed=seed) for d in documents}
    shuffled = Pool(rng.sample(documents, len(documents)))
    for document in rng.sample(documents, rng.randint(1, len(documents))):
        again = shuffled.draw(document, shots=shots, seed=seed)
        assert again == whole[document["text"]]
        assert document not in again
        assert len({d["text"] for d in again}) == shots


def test_repeats_of_a_document_are_never_its_examples() -> None:
    """A pool full of copies of the document holds no example for it."""
    pool = Pool([{"text": "a"}] * 9 + [{"text": "b"}])
    assert pool.draw({"text": "a"}, shots=1, seed=0) == [{"text": "b"}]
    with pytest.raises(ValueError, match="2 shots, but there are only 1 other documents"):
        pool.draw({"text": "a"}, shots=2, seed=0)


def test_seeds_draw_differently() -> None:
    """Another seed is another draw, and all documents of the pool come up."""
    pool = Pool([{"text": str(i)} for i in range(10)])
    drawn = Counter(pool.draw({"text": "x"}, shots=1, seed=seed)[0]["text"] for seed in range(200))
    assert len(drawn) == 10
