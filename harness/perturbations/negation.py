"""Words that an edit must neither destroy nor make: negators, and the labels of a task.

Sites in such words are left out by `source`. Here are the words that could turn *into* one (`hot` -> `not`): an edit
is refused if some set of edits of its kind would, so that what is refused depends on the word alone.

Layer: bottom of `perturbations`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = 2**16
"""So many answers are remembered: more than the words of a task."""


@cache
def _by_length(targets: frozenset[str]) -> Mapping[int, tuple[str, ...]]:
    lengths = {len(t) for t in targets}
    return {n: tuple(sorted(t for t in targets if len(t) == n)) for n in lengths}


@cache
def _by_ends(targets: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    ends = {t[0] + t[-1] for t in targets if t}
    return {e: tuple(sorted(t for t in targets if t and t[0] + t[-1] == e)) for e in ends}


def replacing(word: str, targets: frozenset[str], table: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether exchanging letters by `table` could turn `word` into a target.

    >>> replacing("hot", frozenset({"not"}), {"h": ("n", "g")})
    True
    """
    word = word.lower()
    return any(
        t != word and all(a == b or b in table.get(a, ()) for a, b in zip(word, t, strict=True))
        for t in _by_length(targets).get(len(word), ())
    )


@lru_cache(WORDS)
def deleting(word: str, targets: frozenset[str]) -> bool:
    """Whether leaving out inner letters could turn `word` into a target."""
    word = word.lower()
    return any(len(t) < len(word) and _within(t, word) for t in _by_ends(targets).get(word[0] + word[-1], ()))


@lru_cache(WORDS)
def inserting(word: str, targets: frozenset[str]) -> bool:
    """Whether adding inner letters could turn `word` into a target."""
    word = word.lower()
    return any(len(t) > len(word) and _within(word, t) for t in _by_ends(targets).get(word[0] + word[-1], ()))


@lru_cache(WORDS)
def reordering(word: str, targets: frozenset[str]) -> bool:
    """Whether moving inner letters could turn `word` into a target."""
    word = word.lower()
    return any(
        len(t) == len(word) and t != word and sorted(t) == sorted(word)
        for t in _by_ends(targets).get(word[0] + word[-1], ())
    )


@lru_cache(WORDS)
def containing(word: str, targets: frozenset[str]) -> bool:
    """Whether a target is part of `word`, so that cutting it could leave the target standing: `not` in `knot`."""
    return _part(targets).search(word.lower()) is not None


@cache
def _part(targets: frozenset[str]) -> re.Pattern[str]:
    parts = sorted((t for t in targets if len(t) > 1), key=len, reverse=True)  # a label "a" is part of most words
    return re.compile("|".join(map(re.escape, parts)) or r"(?!)")


def _within(short: str, long: str) -> bool:
    letters = iter(long)
    return all(letter in letters for letter in short)
