"""What can be known before training: settings, examples, augmentation, names."""

from __future__ import annotations

import dataclasses
import re

import pytest

from harness.perturbations.source import Source
from harness.training.augment import augmented, operation
from harness.training.examples import Data, Example
from harness.training.naming import address
from harness.training.settings import Training
from harness.training.targets import TARGETS, targets

LABELS = (" no", " yes")


def data(count=6, **changes):
    """A few examples of a question."""
    text = "The wonderful movie does not often tell a huge funny story {} of any terrible lawyer and child"
    every = tuple(
        Example(prompt=f"Text: {text.format(i)}\nAnswer:", answer=LABELS[i % 2], text=text.format(i))
        for i in range(count)
    )
    return dataclasses.replace(Data(name="toy", train=every, labels=LABELS), **changes)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("objective", "regression", "did you mean|choices"),
        ("epochs", 0, "whole number of at least 1"),
        ("learning_rate", -1.0, "a number of at least 0"),
        ("learning_rate", 0.0, "trains nothing"),
        ("schedule", "linaer", "did you mean 'linear'"),
        ("warmup", 2, "at most 1"),
        ("batch", True, "whole number"),
        ("accumulation", 3, "accumulation=3 must divide batch=16"),
        ("n_train", 0, "whole number of at least 1"),
        ("dropout", 1.0, "at most 0.99"),
        ("bf16", 1, "true or false"),
        ("gradient_checkpointing", None, "true or false"),
        ("augmentation", ["letters.typo"], "letters.keyboard_typo"),
        ("augmentation", "eda.swapp", "did you mean 'swap'"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(field, value, says):
    """Field, value and what would be right."""
    with pytest.raises(ValueError, match=rf"{field}=.*({says})|{says}") as error:
        Training(**{field: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("found", "training", "says"),
    [
        (data(0), {}, "task toy has no training examples"),
        (data(), {"n_train": 7}, "n_train=7, but it has 6 to train on"),
        (data(), {"early_stopping": 1}, "early_stopping=1 needs a dev split, which it lacks: set n_dev"),
        (data(labels=()), {"objective": "classification"}, "needs a fixed list of labels"),
        (data(1), {}, "1 training examples are fewer than its 2 classes"),
        (data(labels=(" no", " perhaps")), {}, "training answer ' yes' is none of ' no', ' perhaps'"),
        (data(labels=(" no", " yes", " perhaps")), {}, "no training example has label ' perhaps': raise n_train"),
        (data(labels=(" no", " no")), {}, "at least two different ones"),
    ],
)
def test_data_that_cannot_be_trained_on_are_one_line(found, training, says):
    """Each fault is known before a weight is loaded."""
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        found.check(Training(**training))
    assert "\n" not in str(error.value)


def test_an_example_needs_an_answer_and_a_text_of_its_prompt():
    """Anything else is a fault of whoever made it."""
    with pytest.raises(ValueError, match="its answer is empty"):
        Example(prompt="a", answer=" ")
    with pytest.raises(ValueError, match="no part of its prompt"):
        Example(prompt="a", answer=" b", text="c")


@pytest.mark.parametrize("name", ["eda.swap", "eda.delete", "eda.insert", "eda.replace", "letters.keyboard_typo"])
def test_augmentation_edits_the_text_and_nothing_else(name):
    """The template, the answer and negations stay; the same seed gives the same copies, another one others."""
    training = Training(augmentation=[name], copies=2, strength=0.9, seed=1)
    every = augmented(data(), training)
    copies = every[6:]
    assert every[:6] == data().train
    assert len(copies) > 6
    for copy in copies:
        assert copy.prompt == f"Text: {copy.text}\nAnswer:"
        assert copy.answer in LABELS
        assert " not " in copy.text
        assert copy.text not in {one.text for one in data().train}
    assert augmented(data(), training) == every
    assert augmented(data(), dataclasses.replace(training, seed=2)) != every
    assert augmented(data(), Training()) == data().train


def test_word_operations_do_what_their_names_say():
    """Swapping keeps the words, deleting loses some, inserting adds some, and an empty text stays empty."""
    from random import Random

    text = data().train[0].text
    words = sorted(text.split())
    changed = {
        name: operation(f"eda.{name}")(Source.of(text), 1.0, Random(0)).text for name in ("swap", "delete", "insert")
    }
    assert sorted(changed["swap"].split()) == words
    assert changed["swap"] != text
    assert 0 < len(changed["delete"].split()) < len(words)
    assert "  " not in changed["delete"]
    assert len(changed["insert"].split()) > len(words)
    for name in ("swap", "delete", "insert", "replace"):
        assert operation(f"eda.{name}")(Source.of(""), 1.0, Random(0)).text == ""


def test_the_name_of_an_adapter_follows_from_what_it_learns():
    """Labels do not count; base, method, settings and data do."""
    base, method = {"_target_": "m", "name": "a", "source": "x"}, {"_target_": "l", "rank": 8, "about": "words"}
    first = address(base, method, digest=data().digest())
    assert first == address({**base, "name": "b"}, {**method, "about": ""}, digest=data().digest())
    others = [
        address({**base, "source": "y"}, method, digest=data().digest()),
        address(base, {**method, "rank": 4}, digest=data().digest()),
        address(base, method, digest=data(5).digest()),
        address(base, method, digest=data(dev=data().train[:1]).digest()),
    ]
    assert len({first, *others}) == 5
    assert re.fullmatch(r"[0-9a-f]{16}", first)


def test_every_family_has_its_layers():
    """The families of `harness.models.families` are those whose layers are known; another is refused by name."""
    from harness.models.families import FAMILIES
    from harness.records import Unsupported

    assert set(TARGETS) == set(FAMILIES)
    with pytest.raises(Unsupported, match="family 'llamma': did you mean 'llama'"):
        targets("llamma")
