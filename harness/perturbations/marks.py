"""Spaces and punctuation. What the marks of a number, an abbreviation, a word or a question mean is left alone.

Group strict. Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.perturbations import protect
from harness.perturbations.edits import Edit, Perturbed, done, hits

if TYPE_CHECKING:
    from random import Random

    from harness.perturbations.source import Source

GLUE_FROM = 0.7
GLUED = 0.25
"""Share of the spaces that are deleted rather than widened, above severity 0.7."""
_MARK = re.compile(
    r"(?<=[^\W_]{2})[.,;:!\")]+(?=['\]]?(?:\s|$))"  # after a word
    r"|(?<=\s)[.,;:!\"(](?=\s|$)"  # alone, as in tokenised texts
    r"|(?:(?<=\s)|^)[\"(](?=\w)|(?<=\w)[\");](?=\s|$)"  # around words
)
_ENDS = (".", "!", "...", " .")


def whitespace(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all single spaces get one to three more, or a tab; above severity 0.7 a quarter of them is deleted instead.

    A space is deleted only between two plain words, never on both sides of a word, and never where a negator arises.

    Source: HELM, Liang et al. 2022 (SpacePerturbation), for the widening.
    """
    gaps = source.gaps
    glued = _glued(source, rng)
    dormant = glued if severity <= GLUE_FROM else set[int]()
    edits: list[Edit] = []
    for i, bits in hits(gaps, severity, rng):
        if i not in glued:
            edits.append(Edit(i, i, "", (" ", "  ", "   ", "\t")[bits % 4]))
        elif i not in dormant:
            edits.append(Edit(i, i + 1, " ", ""))
    return done(source, edits, len(gaps) - len(dormant))


def punctuation_strip(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all marks are left out; not `?`, hyphens, apostrophes, nor the points of numbers and abbreviations.

    Source: Wang et al. 2021 (TextFlint), punctuation.
    """
    marks = _marks(source)
    edits = [Edit(i, j, source.text[i:j], "") for (i, j), _ in hits(marks, severity, rng)]
    return done(source, edits, len(marks))


def punctuation_repeat(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all marks are written twice or three times.

    Source: Wang et al. 2021 (TextFlint), punctuation.
    """
    marks = _marks(source)
    edits = [Edit(j, j, "", source.text[j - 1] * (1 + bits % 2)) for (_, j), bits in hits(marks, severity, rng)]
    return done(source, edits, len(marks))


def end_mark(source: Source, severity: float, rng: Random) -> Perturbed:
    """The mark at the very end is added, left out or exchanged, with the severity as probability; not a question's.

    Source: Wang et al. 2021 (TextFlint), punctuation.
    """
    end, text = source.tail(), source.text
    start = end - 1 if text[end - 1 : end] in (".", "!") else end
    before = text[start - 1 : start]
    if not (before.isascii() and before.isalpha()) or not source.free(start, end):
        return done(source, [], 0)
    old = text[start:end]
    others = [new for new in (*_ENDS, "") if new != old] if old else list(_ENDS)
    edits = [Edit(start, end, old, others[bits % len(others)]) for _, bits in hits([0], severity, rng)]
    return done(source, edits, 1)


def _marks(source: Source) -> list[tuple[int, int]]:
    return [m.span() for m in _MARK.finditer(source.text) if source.free(*m.span())]


def _glued(source: Source, rng: Random) -> set[int]:
    """The spaces that are deleted rather than widened; one uniform is drawn for each space."""
    text, glued, taken = source.text, set[int](), -1
    chosen = [gap for gap in source.gaps if rng.random() < GLUED]
    for gap in chosen if source.words else ():
        before, after = source.word_at(gap), source.word_at(gap + 1)
        if before[0] != taken and before[1] == gap and after[0] == gap + 1:
            joined = (text[before[0] : gap] + text[gap + 1 : after[1]]).lower()
            if not protect.is_negation(joined, source.targets):
                glued.add(gap)
                taken = gap + 1
    return glued
