"""Errors of typing and of reading machines: one letter, or two, of a word.

All leave the first letter alone (`keyboard_typo` up to severity 0.5), since readers lean on it. Group strict.

Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from random import Random
from typing import TYPE_CHECKING

from harness.perturbations import negation, tables
from harness.perturbations.edits import Edit, Perturbed, done, hits

if TYPE_CHECKING:
    from harness.perturbations.source import Source

FIRST_LETTERS_FROM = 0.5
SHORTEST = 3


def keyboard_typo(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 20 % of the letters become a neighbour on a QWERTY keyboard, in their case.

    Words of three letters or more; first letters only above severity 0.5.

    Source: Belinkov & Bisk 2018, section 3.2 ("Key").
    """
    words = [(s, e) for s, e in source.words if e - s >= SHORTEST]
    places = [i for s, e in words for i in range(s, e)]
    firsts = severity > FIRST_LETTERS_FROM
    table = tables.either_case(source.language, "keyboard")
    text = source.text
    edits: list[Edit] = []
    for i, bits in hits(places, severity * 0.2, rng):
        start, end = source.word_at(i)
        if (firsts or i > start) and not _typed(text[start:end], source.targets, source.language):
            near = table[text[i]]
            edits.append(Edit(i, i + 1, text[i], near[bits % len(near)]))
    return done(source, edits, len(places) if firsts else len(places) - len(words))


def char_delete(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 20 % of the inner letters are left out.

    Source: Gao et al. 2018 (DeepWordBug), section 3.3.
    """
    places = [i for s, e in source.words for i in range(s + 1, e - 1)]
    text = source.text
    edits = [
        Edit(i, i + 1, text[i], "")
        for i, _ in hits(places, severity * 0.2, rng)
        if not negation.deleting(source.word(i), source.targets)
    ]
    return done(source, edits, len(places))


def char_insert(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 20 % of the places between two letters get a third: the one before them again, or a key beside it.

    Source: Gao et al. 2018 (DeepWordBug), section 3.3; the letter is one that a finger would hit.
    """
    places = [i for s, e in source.words if e - s >= SHORTEST for i in range(s + 1, e)]
    table = tables.either_case(source.language, "keyboard")
    text = source.text
    edits: list[Edit] = []
    for i, bits in hits(places, severity * 0.2, rng):
        if not negation.inserting(source.word(i), source.targets):
            near = (text[i - 1], *table[text[i - 1]])
            edits.append(Edit(i, i, "", near[bits % len(near)]))
    return done(source, edits, len(places))


def char_swap(source: Source, severity: float, rng: Random) -> Perturbed:
    """In up to 60 % of the words of four letters or more, two neighbouring inner letters change places.

    Source: Belinkov & Bisk 2018, section 3.2 ("Swap"); Pruthi et al. 2019.
    """
    text = source.text
    words = [(s, e) for s, e in source.words if e - s > SHORTEST and _differ(text, s, e)]
    edits: list[Edit] = []
    for (s, e), bits in hits(words, severity * 0.6, rng):
        if not negation.reordering(text[s:e], source.targets):
            places = [i for i in range(s + 1, e - 2) if text[i] != text[i + 1]]
            i = places[bits % len(places)]
            edits.append(Edit(i, i + 2, text[i : i + 2], text[i + 1] + text[i]))
    return done(source, edits, len(words))


def inner_shuffle(source: Source, severity: float, rng: Random) -> Perturbed:
    """In up to 60 % of the words of five letters or more, the letters between the first and the last are shuffled.

    Source: Belinkov & Bisk 2018, section 3.2 ("Middle Random").
    """
    text = source.text
    words = [(s, e) for s, e in source.words if e - s > SHORTEST + 1 and _differ(text, s, e)]
    edits: list[Edit] = []
    for (s, e), bits in hits(words, severity * 0.6, rng):
        if not negation.reordering(text[s:e], source.targets):
            inner = text[s + 1 : e - 1]
            edits.append(Edit(s + 1, e - 1, inner, _shuffled(inner, bits)))
    return done(source, edits, len(words))


def ocr_noise(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 15 % of the letters that reading machines confuse are misread: o as 0, l as 1, rn as m, cl as d, s as 5.

    Words of three letters or more. Numbers are never touched. A word that a misreading would turn into another word
    (`corn`, `clear`) keeps its `rn` and `cl`.

    Source: Nguyen et al. 2019, "Deep statistical analysis of OCR errors"; the table is our own.
    """
    text, table = source.text, tables.choices(source.language, "ocr")
    # A word whose every letter can be misread as a digit (`oil`) would become a number.
    words = [(s, e) for s, e in source.words if e - s >= SHORTEST and not all(c in table for c in text[s:e])]
    if "rn" in text or "cl" in text:
        confused = _confused(source.language)
        places = [m.span() for s, e in words for m in confused.finditer(text, s, e)]
    else:
        places = [(i, i + 1) for s, e in words for i in range(s, e) if text[i] in table]
    edits: list[Edit] = []
    for (i, j), bits in hits(places, severity * 0.15, rng):
        word = source.word(i)
        real = j - i > 1 and word.lower() in tables.words(source.language, "ocr_real")
        if not real and not _misread(word, source.targets, source.language):
            new = table[text[i:j]]
            edits.append(Edit(i, j, text[i:j], new[bits % len(new)]))
    return done(source, edits, len(places))


@lru_cache(negation.WORDS)
def _typed(word: str, targets: frozenset[str], language: str) -> bool:
    """Whether keys beside the right ones could make `word` a target."""
    return negation.replacing(word, targets, tables.either_case(language, "keyboard"))


@lru_cache(negation.WORDS)
def _misread(word: str, targets: frozenset[str], language: str) -> bool:
    """Whether misread single letters could make `word` a target."""
    single = {k: v for k, v in tables.choices(language, "ocr").items() if len(k) == 1}
    return negation.replacing(word, targets, single)


@cache
def _confused(language: str) -> re.Pattern[str]:
    keys = tables.choices(language, "ocr")
    return re.compile("|".join([*(k for k in keys if len(k) > 1), f"[{''.join(k for k in keys if len(k) == 1)}]"]))


def _differ(text: str, start: int, end: int) -> bool:
    """Whether the inner letters are not all the same."""
    return len(set(text[start + 1 : end - 1])) > 1


def _shuffled(letters: str, bits: int) -> str:
    """Another order of letters that are not all the same."""
    order = list(letters)
    Random(bits).shuffle(order)  # noqa: S311 - noise, not cryptography
    mixed = "".join(order)
    return mixed if mixed != letters else letters[1:] + letters[0]
