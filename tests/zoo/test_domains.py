"""The second domain of reviews: judged alike, and never met in training."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from harness import zoo
from harness.zoo import corpus, data, goods, sentiment

_DOCUMENTS = 8000
_REVIEWS_OF_THINGS = 300


@pytest.fixture(scope="module")
def training() -> list[str]:
    """Reviews that a model of the zoo has read."""
    documents = (corpus.document(index) for index in range(_DOCUMENTS))
    return [item.prompt for document in documents for item in document if item.kind == "sentiment"]


@pytest.fixture(scope="module")
def things() -> list[dict[str, object]]:
    """The rows of the task out of domain."""
    lines = (data.FOLDER / "sentiment_ood_test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_no_review_of_the_training_judges_a_thing(training: list[str]) -> None:
    """What is judged, where it is from and the verbs that judge are all new in a review."""
    assert len(training) > 1000
    read = Counter(word for text in training for word in re.findall(r"\w+", text))
    assert read["service"] > 0
    for word in (*goods.GOODS.aspects, *goods.GOODS.subjects, "looks", "seems", "bought"):
        assert word not in read


def test_the_words_that_decide_are_known(training: list[str], things: list[dict[str, object]]) -> None:
    """Adjectives and contrasts are those of the training, so that what is new is the domain."""
    read = {word for text in training for word in re.findall(r"\w+", text)}
    asked = {word for row in things for word in re.findall(r"\w+", str(row["prompt"]))}
    assert {*sentiment.GOOD, *sentiment.BAD} & asked <= read
    assert len({*sentiment.GOOD, *sentiment.BAD} & asked) > 20
    assert {"but", "although", "despite", "Still"} <= read & asked


def test_every_thing_is_a_token_of_the_zoo() -> None:
    """A model has met the word, elsewhere: it is not spelt out letter by letter."""
    text = (zoo.folder("mini-gpt2-s") / "tokenizer.json").read_text(encoding="utf-8")
    vocabulary = json.loads(text)["model"]["vocab"]
    assert [word for word in goods.GOODS.aspects if f"Ġ{word}" not in vocabulary] == []


def test_labels_and_options_are_those_of_the_first_domain(things: list[dict[str, object]]) -> None:
    """One label space: else the two accuracies could not be compared."""
    assert {tuple(row["choices"]) for row in things} == {sentiment.LABELS}  # pyright: ignore[reportArgumentType]
    assert len({row["prompt"] for row in things}) == data.TEST


def test_a_label_follows_from_the_words() -> None:
    """In a review of one plain clause the adjective and the negation decide."""
    rng = corpus.stream("test", "goods")
    seen = 0
    for _ in range(_REVIEWS_OF_THINGS):
        item = goods.make(rng)
        adjectives = [word for word in re.findall(r"\w+", item.prompt) if word in {*sentiment.GOOD, *sentiment.BAD}]
        if len(adjectives) == 1:
            negated = bool(re.search(r"\b(not|never|hardly)\b", item.prompt))
            assert item.answer == sentiment.LABELS[(adjectives[0] in sentiment.GOOD) != negated]
            seen += 1
    assert seen > 20
