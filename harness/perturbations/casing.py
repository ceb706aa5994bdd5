"""Lower, UPPER and rAnDoM case. Words whose case carries their meaning (US, it, May, polish) are left alone.

Group strict. Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.perturbations import tables
from harness.perturbations.edits import Edit, Perturbed, done, hits

if TYPE_CHECKING:
    from random import Random

    from harness.perturbations.protect import Span
    from harness.perturbations.source import Source


def lower_case(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all words with a capital lose it; acronyms keep theirs.

    Source: HELM, Liang et al. 2022 (LowerCasePerturbation), by word.
    """
    words = [(s, e) for s, e in _indifferent(source) if not (source.text[s:e].islower() or _acronym(source.text[s:e]))]
    edits = [Edit(s, e, old := source.text[s:e], old.lower()) for (s, e), _ in hits(words, severity, rng)]
    return done(source, edits, len(words))


def upper_case(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all words are written in capitals.

    Source: Wang et al. 2021 (TextFlint), case; ours keeps words that capitals would make another word.
    """
    words = [(s, e) for s, e in _indifferent(source) if not source.text[s:e].isupper()]
    edits = [Edit(s, e, old := source.text[s:e], old.upper()) for (s, e), _ in hits(words, severity, rng)]
    return done(source, edits, len(words))


def random_case(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all words get capitals at random.

    Source: Dhole et al. 2021 (NL-Augmenter), random upper case, by word.
    """
    words = _indifferent(source)
    edits = [Edit(s, e, old := source.text[s:e], _mixed(old, bits)) for (s, e), bits in hits(words, severity, rng)]
    return done(source, edits, len(words))


def _indifferent(source: Source) -> list[Span]:
    """Words that are the same word in any case."""
    telling, text = tables.words(source.language, "case_bearing"), source.text
    return [(s, e) for s, e in source.words if text[s:e].lower() not in telling]


def _acronym(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _mixed(word: str, bits: int) -> str:
    """`word` with the case of each letter by one bit; if that is the word itself, with every letter's case turned."""
    mixed = "".join(c.upper() if bits >> (i % 53) & 1 else c.lower() for i, c in enumerate(word))
    return mixed if mixed != word else word.swapcase()
