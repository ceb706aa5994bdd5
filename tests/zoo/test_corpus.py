"""The corpus is the same on every run, and what is held out of it is nowhere in it."""

from __future__ import annotations

import hashlib
import itertools
import random

import pytest

from harness.zoo import corpus, data
from harness.zoo.items import Item, Maker, draw, skewed, split_of, stream

# Above the number of documents in the training of the shipped weights (about 37,000 for 2.5 million tokens).
_TRAINING_DOCUMENTS = 40_000
_FIRST = "f4032fb8a4af477e656554b02a45c07fd7d787a774216038ed5f0106bad0ccd6"
_KINDS = [make for make, _ in corpus.MIXTURE]


@pytest.fixture(scope="module")
def training() -> list[list[Item]]:
    """Every document that a training can have read."""
    return [corpus.document(index) for index in range(_TRAINING_DOCUMENTS)]


@pytest.fixture(scope="module")
def held_out() -> list[Item]:
    """Every item of the shipped data files."""
    return [
        item
        for name, make in data.makers().items()
        for split in ("test", "pool")
        for item in data.held_out(name, make, split)
    ]


def test_first_documents_are_pinned() -> None:
    """The first 500 documents are the ones that the shipped weights were trained on."""
    text = "\0".join(itertools.islice(corpus.documents(), 500))
    assert hashlib.sha256(text.encode()).hexdigest() == _FIRST


def test_a_stream_can_start_anywhere() -> None:
    """Document 7 is the same whether or not documents 0 to 6 were made before."""
    assert list(itertools.islice(corpus.documents(start=7), 3)) == list(itertools.islice(corpus.documents(), 7, 10))


def test_seeds_differ() -> None:
    """Another seed is another corpus."""
    assert next(corpus.documents(seed=1)) != next(corpus.documents(seed=2))


def test_parts_join_to_the_text() -> None:
    """The stretches that are tokenized one by one are the text of the document."""
    for index in range(200):
        document = corpus.document(index)
        assert "".join(text for text, _ in corpus.parts(document)) == corpus.text(document)


def test_held_out_keys_are_not_in_training(training: list[list[Item]], held_out: list[Item]) -> None:
    """No content combination of a held-out item occurs in the training stream."""
    trained = {(item.kind, item.key) for document in training for item in document}
    assert not trained & {(item.kind, item.key) for item in held_out}


def test_held_out_texts_are_not_in_training(training: list[list[Item]], held_out: list[Item]) -> None:
    """No held-out item occurs in the training stream, not even inside a longer document."""
    trained = "\n\n".join(corpus.text(document) for document in training)
    assert [item.text for item in held_out if item.text in trained] == []


def test_test_and_pool_are_disjoint() -> None:
    """Few-shot examples share no content with the items they are shown for."""
    for name, make in data.makers().items():
        test, pool = ({item.key for item in data.held_out(name, make, split)} for split in ("test", "pool"))
        assert not test & pool


@pytest.mark.parametrize("make", _KINDS, ids=lambda make: f"{make.__module__}.{make.__name__}")
def test_every_item_is_well_formed(make: Maker) -> None:
    """An answer is among its choices, choices differ, and the key decides the split."""
    rng = stream("test", make.__module__)
    for _ in range(300):
        item = make(rng)
        assert item.answer.strip() == item.answer != ""
        assert not item.choices or item.answer in item.choices
        assert len(set(item.choices)) == len(item.choices)
        assert item.split == split_of(item.kind, item.key)


@pytest.mark.parametrize("split", ["train", "pool", "test"])
def test_draw_yields_its_split_only(split: str) -> None:
    """Whatever the stream, a drawn item belongs to the split that was asked for."""
    rng = stream("draw")
    assert {draw(make, rng, split).split for make in _KINDS for _ in range(20)} == {split}


def test_skewed_prefers_early_values() -> None:
    """The first of ten values is drawn more often than all of the last five."""
    rng = random.Random(0)
    drawn = [skewed(rng, range(10)) for _ in range(5000)]
    assert drawn.count(0) > sum(value >= 5 for value in drawn)
    assert set(drawn) == set(range(10))
