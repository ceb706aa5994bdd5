"""Letters that look alike and letters that cannot be seen: the same text to a reader, other bytes to a model.

Group strict. They multiply the tokens of a text: compare token inflation before accuracy.

Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.perturbations import negation, tables
from harness.perturbations.edits import Edit, Perturbed, done, hits

if TYPE_CHECKING:
    from random import Random

    from harness.perturbations.source import Source

INVISIBLE = ("\u200b", "\u2060", "\u00ad")
"""Zero-width space, word joiner, soft hyphen."""
SHORTEST = 3


def homoglyph(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 30 % of the letters that have one become their Cyrillic or Greek look-alike.

    Source: Boucher et al. 2022 ("Bad Characters"), section IV.
    """
    table, text = tables.choices(source.language, "homoglyphs"), source.text
    places = [i for s, e in source.words for i in range(s, e) if text[i] in table]
    edits: list[Edit] = []
    for i, bits in hits(places, severity * 0.3, rng):
        twins = table[text[i]]
        edits.append(Edit(i, i + 1, text[i], twins[bits % len(twins)]))
    return done(source, edits, len(places))


def invisible_chars(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 20 % of the places between two letters of a word get a character that is not shown.

    Words that a cut would leave a negator of (`knot`) are left alone.

    Source: Boucher et al. 2022 ("Bad Characters"), section IV.
    """
    places = [i for s, e in source.words for i in range(s + 1, e)]
    edits = [
        Edit(i, i, "", INVISIBLE[bits % len(INVISIBLE)])
        for i, bits in hits(places, severity * 0.2, rng)
        if not negation.containing(source.word(i), source.targets)
    ]
    return done(source, edits, len(places))


def leet(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to half of the letters a, e, i, o, s and t become a digit or sign of their shape.

    Words of three letters or more with at least one other letter, so that no number arises.

    Source: Eger et al. 2019 (visual attacks); the classic table.
    """
    table, text = tables.either_case(source.language, "leet"), source.text
    letters = frozenset(table)
    words = [(s, e) for s, e in source.words if e - s >= SHORTEST and not letters.issuperset(text[s:e])]
    places = [i for s, e in words for i in range(s, e) if text[i] in table]
    edits: list[Edit] = []
    for i, bits in hits(places, severity * 0.5, rng):
        if not negation.containing(source.word(i), source.targets):
            shapes = table[text[i]]
            edits.append(Edit(i, i + 1, text[i], shapes[bits % len(shapes)]))
    return done(source, edits, len(places))
