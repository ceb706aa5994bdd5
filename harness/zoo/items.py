"""The unit of the corpus: one item with its content key, and the split that the key falls into (stdlib only)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, final

Split = Literal["train", "pool", "test"]
T = TypeVar("T")
# Thresholds on one byte of the hash of a key.
_TEST_BELOW, _POOL_BELOW = 32, 48


@final
@dataclass(frozen=True, kw_only=True)
class Item:
    """One training text that is also one task item.

    Attributes:
        kind: The maker that wrote it, such as ``sentiment``.
        key: The content words that identify it, whatever template they were put into.
        prompt: What a task shows; empty where the whole text is the answer.
        answer: The right continuation.
        choices: The options of a multiple-choice item, the right one included.
    """

    kind: str
    key: tuple[str, ...]
    prompt: str
    answer: str
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text as a model reads it in training: prompt, one space, answer."""
        return f"{self.prompt} {self.answer}" if self.prompt else self.answer

    @property
    def split(self) -> Split:
        """The split this content belongs to, decided by a hash of the key alone."""
        return split_of(self.kind, self.key)


Maker = Callable[[random.Random], Item]


def split_of(kind: str, key: tuple[str, ...]) -> Split:
    """Return the split of a content key: about one in eight is ``test``, one in sixteen ``pool``.

    Two items with the same key can therefore never end up on different sides.

    >>> split_of("topic", ("rain", "soup")) == split_of("topic", ("rain", "soup"))
    True
    """
    byte = hashlib.sha256("|".join((kind, *key)).encode()).digest()[0]
    if byte < _TEST_BELOW:
        return "test"
    return "pool" if byte < _POOL_BELOW else "train"


def stream(*path: str | int) -> random.Random:
    """Return a random stream of its own for a path such as ``(seed, "train", 17)``.

    Seeding with an integer taken from SHA-256 is the same on every machine and Python version.

    >>> stream(0, "a").random() == stream(0, "a").random()
    True
    """
    digest = hashlib.sha256("/".join(map(str, path)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 (a corpus, not a secret)


def draw(make: Maker, rng: random.Random, split: Split) -> Item:
    """Return the next item of `make` whose content belongs to `split`."""
    while True:
        item = make(rng)
        if item.split == split:
            return item


def happens(rng: random.Random, probability: float) -> bool:
    """Return True with the given probability."""
    return rng.random() < probability


def weighted(rng: random.Random, shares: Sequence[tuple[T, float]]) -> T:
    """Return one of the values of `shares`, (value, probability) pairs that add up to 1."""
    ticket = rng.random()
    for value, share in shares[:-1]:
        if ticket < share:
            return value
        ticket -= share
    return shares[-1][0]


def skewed(rng: random.Random, values: Sequence[T]) -> T:
    """Return one of `values`, the early ones far more often: a corpus has rare words too.

    The density falls as the cube root of a uniform draw, by multiplications alone, so it is exact on every platform.
    """
    u = rng.random()
    return values[int(len(values) * u * u * u)]


def several(rng: random.Random, values: Sequence[T], count: int) -> list[T]:
    """Return `count` different `values`, drawn as by `skewed`."""
    chosen: list[T] = []
    while len(chosen) < count:
        value = skewed(rng, values)
        if value not in chosen:
            chosen.append(value)
    return chosen
