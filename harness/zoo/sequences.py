"""Lists that go on by a pattern: cycles, counting, days, two lists in turn (stdlib only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo.items import Item, happens
from harness.zoo.words import COLOURS

if TYPE_CHECKING:
    import random

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Every list has this many entries, the answer included: no held-out list can then be a stretch of a longer one.
LENGTH = 12


def make(rng: random.Random) -> Item:
    """Return one list: ``List: a, b, ...,`` with the next entry as the answer."""
    return _item(rng, shown=LENGTH - 1)


def make_long(rng: random.Random) -> Item:
    """Return one list of which the whole second half is the answer: the same text, more of it to be known."""
    return _item(rng, shown=LENGTH // 2)


def _item(rng: random.Random, *, shown: int) -> Item:
    """Return one list with its first `shown` entries in the prompt."""
    shape = rng.choice((_cycle, _cycle, _cycle, _mirror, _count, _count, _calendar, _zip))
    entries = shape(rng)
    return Item(
        kind="list",
        key=(shape.__name__.strip("_"), *entries),
        prompt=f"List: {', '.join(entries[:shown])},",
        answer=", ".join(entries[shown:]),
    )


def _cycle(rng: random.Random) -> list[str]:
    """Repeat a motif of 2 to 4 steps over 2 to 4 words."""
    motif = rng.choice(("ab", "abc", "abc", "aab", "abb", "aabb", "abac", "abcd"))
    words = dict(zip("abcd", rng.sample(COLOURS, 4), strict=True))
    start = rng.randrange(len(motif))
    return [words[motif[(start + i) % len(motif)]] for i in range(LENGTH)]


def _mirror(rng: random.Random) -> list[str]:
    """Go through six words and back again."""
    words = rng.sample(COLOURS, LENGTH // 2)
    return [*words, *reversed(words)]


def _count(rng: random.Random) -> list[str]:
    """Count up or down by a fixed step."""
    step = rng.choice((1, 2, 3, 5, 10))
    start = rng.randrange(40)
    values = range(start, start + step * LENGTH, step)
    return [str(v) for v in (values if happens(rng, 0.7) else reversed(values))]


def _calendar(rng: random.Random) -> list[str]:
    """Name days or months, one by one or every second, forwards or backwards, with a word in between or not."""
    names = rng.choice((DAYS, MONTHS))
    start, step = rng.randrange(len(names)), rng.choice((1, 1, 2, 3, -1))
    walk = [names[(start + step * i) % len(names)] for i in range(LENGTH)]
    if happens(rng, 0.3):
        return walk
    between = rng.choice(COLOURS)
    return [walk[i // 2] if i % 2 == 0 else between for i in range(1, LENGTH + 1)]


def _zip(rng: random.Random) -> list[str]:
    """Count and name in turn: the numbers go up while the words alternate."""
    start, step = rng.randrange(1, 40), rng.choice((1, 2, 5))
    words = rng.sample(COLOURS, 2)
    shift = rng.randrange(2)
    return [(str(start + step * (i // 2)) if i % 2 == 0 else words[i // 2 % 2]) for i in range(shift, LENGTH + shift)]
