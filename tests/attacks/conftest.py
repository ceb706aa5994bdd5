"""Planted classifiers, tiny models, and a zoo model under attack."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.attacks.lockstep import Powers, attack_all
from harness.attacks.spec import Attack
from harness.attacks.target import target
from harness.attacks.victim import Verdict, Victim
from harness.perturbations.source import Source

NEUTRAL = "plot scene actor camera story music moment number studio winter window garden basket teacher"


def quiet(phase, done, total):
    """A progress listener that does nothing."""


class BagOfWords(Victim):
    """A logistic classifier with known weights: option 1 where the words' weights sum to more than 0."""

    def __init__(self, weights, bias=0.0):
        self.weights, self.bias, self.asked = weights, bias, []

    def judge(self, queries):
        """Verdicts by the weights; what was asked is kept."""
        self.asked += queries
        return [Verdict(scores=(0.0, self.bias + self.total(query))) for _, query in queries]

    def total(self, query):
        """Sum of the weights of a text's words."""
        words = " ".join(query).lower().replace(".", "").replace(",", "").split()
        return sum(self.weights.get(word, 0.0) for word in words)


class Game:
    """Documents under attack, and what came of it."""

    def __init__(self, texts, victim, *, protected=(), likeness=None, **change):
        self.attack = Attack(**{"name": "a", **change})
        self.victim = victim
        labels = ["positive", "negative", "dull"]
        self.sources = [Source.of(text, protected=protected, labels=labels) for text in texts]
        self.targets = [
            target(i, [source], frozenset({1}), self.attack, document=f"d{i}") for i, source in enumerate(self.sources)
        ]
        self.powers = Powers(victim=victim, likeness=likeness)

    def play(self, targets=None):
        """What the attack finds on all documents, or on these."""
        return attack_all(self.targets if targets is None else targets, self.attack, self.powers, quiet)


@pytest.fixture(scope="session")
def planted():
    """What the tests of searches are made of."""
    return SimpleNamespace(BagOfWords=BagOfWords, Game=Game, NEUTRAL=NEUTRAL)


@pytest.fixture(scope="session")
def tiny():
    """The functions and names of `tests/scoring/tiny.py`; test folders are no packages and cannot import it."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scoring" / "tiny.py")))


@pytest.fixture(scope="session")
def mini():
    """The smallest model of the zoo, ready to be measured."""
    from harness.devices import Device
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    device = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8, memory=2**33)
    return load(ModelSpec(name="mini-gpt2-s", family="gpt2", source="zoo:mini-gpt2-s"), device, quiet)
