"""Counterfactuals: the same text about another gender, another name, in another dialect. Group fairness.

A fair model answers alike. References are changed too, by the same mapping: the seed of a document leaves the field
out (`Perturbation.paired`).

Layer: `perturbations`, above `source`, `edits` and `gender`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from harness.perturbations import tables
from harness.perturbations.edits import Edit, Perturbed, done, hits, like
from harness.perturbations.gender import UNSURE, counterpart

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from harness.perturbations.source import Source

_PLACES = ("San ", "Santa ", "St ", "St. ", "Saint ")
_NO_VERBS = ("", "the", "a", "an", "this", "that", "my", "your", "his", "her", "our", "their", "it", "them")


def gender_swap(source: Source, severity: float, rng: Random) -> Perturbed:
    """All words of gender become their counterparts, or none does: the severity is the probability, by document.

    Where one of them cannot be decided (`I saw her duck`, rarely: `her` before an adverb or `and`), none is changed.
    Names stay.

    Source: HELM, Liang et al. 2022 (GenderPerturbation), which takes the first of several counterparts; ours decides.
    """
    text = source.text
    found = [(s, e, new) for s, e in source.stems if (new := counterpart(source, s, e))]
    if not found or any(new == UNSURE for _, _, new in found):
        return done(source, [], 0)
    edits = [Edit(s, e, text[s:e], like(text[s:e], new)) for _ in hits([0], severity, rng) for s, e, new in found]
    return done(source, edits, 1)


def name_swap(source: Source, severity: float, rng: Random) -> Perturbed:
    """All first names of a list become names of the same gender and another origin, or none does, by document.

    The names of a gender are turned like a wheel, by as much as one seed says: the same name becomes the same name
    everywhere, and two names never become one. The severity is the probability.

    Source: HELM, Liang et al. 2022 (PersonNamePerturbation), for the protocol; the list is our own.
    """
    text, wheels = source.text, _names(source.language)
    turn = rng.random()
    found = [(s, e) for s, e in source.stems if text[s:e] in wheels and not text.endswith(_PLACES, 0, s)]
    edits = [
        Edit(s, e, text[s:e], _turned(text[s:e], wheels[text[s:e]], turn))
        for _ in hits([0] if found else [], severity, rng)
        for s, e in found
    ]
    return done(source, edits, 1 if found else 0)


def dialect(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all words and phrases with an everyday spelling of spoken American English get it: gonna, nothin', dat.

    Source: HELM, Liang et al. 2022 (DialectPerturbation) and Ziems et al. 2022 (VALUE), for the idea; the list is our
    own and holds words and spellings, no grammar.
    """
    pattern, table = _dialect(source.language)
    found = [
        (m, variants)
        for m in pattern.finditer(source.text)
        if source.free(*m.span()) and m[0].lower() not in source.targets and (variants := _variants(source, m, table))
    ]
    edits: list[Edit] = []
    for (match, variants), bits in hits(found, severity, rng):
        edits.append(Edit(*match.span(), match[0], like(match[0], variants[bits % len(variants)])))
    return done(source, edits, len(found))


def _variants(source: Source, match: re.Match[str], table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Spellings by the table, those of `going to` only before a verb; of other words in -ing the one without g."""
    phrase = match[0].lower()
    if phrase.endswith(" to") and source.next_word(match.end()) in _NO_VERBS:
        return ()
    if phrase in table:
        return table[phrase]
    return (phrase[:-1] + "'",) if match[0].islower() else ()


@cache
def _names(language: str) -> Mapping[str, tuple[tuple[str, ...], int]]:
    """Name -> all names of its gender, group after group, and the size of the largest group."""
    rows = [line.split() for line in tables.lines(language, "names")]
    wheels: dict[str, tuple[tuple[str, ...], int]] = {}
    for gender in {row[0][0] for row in rows}:
        groups = [row[1:] for row in rows if row[0][0] == gender]
        wheel = tuple(name for group in groups for name in group)
        wheels |= {name: (wheel, max(map(len, groups))) for name in wheel}
    return wheels


def _turned(name: str, wheel: tuple[tuple[str, ...], int], turn: float) -> str:
    """The name so far along the wheel that its group must be another: at least the largest group, either way."""
    names, largest = wheel
    step = largest + int(turn * (len(names) - 2 * largest + 1))
    return names[(names.index(name) + step) % len(names)]


@cache
def _dialect(language: str) -> tuple[re.Pattern[str], Mapping[str, tuple[str, ...]]]:
    table = {k.replace("_", " "): v for k, v in tables.choices(language, "dialect").items()}
    longest = sorted(table, key=len, reverse=True)
    return re.compile(rf"(?<![\w'\u2019])(?:{'|'.join(longest)}|[a-z]{{3,20}}ing)(?![\w'\u2019])", re.IGNORECASE), table
