"""Synonyms from WordNet. Group soft: the label is likely to stay, not sure to.

Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.perturbations import tables
from harness.perturbations.edits import Edit, Perturbed, done, hits, like

if TYPE_CHECKING:
    from random import Random

    from harness.perturbations.protect import Span
    from harness.perturbations.source import Source

_SENTENCE_ENDS = ".!?:\n\"'(\u201c"


def synonym(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to half of the words that have a sure synonym become it, in the same inflection.

    The table holds frequent words with one part of speech and one main sense (see `wordnet`). Names (capitals within a
    sentence) stay; after `a` and `an` only synonyms that fit are taken; none is a label of the task.

    Source: Ren et al. 2019 (PWWS), for WordNet as candidate set; HELM, Liang et al. 2022, for the rate.
    """
    text = source.text
    sites: list[tuple[Span, tuple[str, ...]]] = []
    table = tables.synonyms(source.language)
    for span in source.words:
        near = table.get(text[span[0] : span[1]].lower())
        if near and not is_name(text, span) and (found := fitting(source, span, near)):
            sites.append((span, found))
    edits: list[Edit] = []
    for ((s, e), near), bits in hits(sites, severity * 0.5, rng):
        edits.append(Edit(s, e, text[s:e], like(text[s:e], near[bits % len(near)])))
    return done(source, edits, len(sites))


def is_name(text: str, span: Span) -> bool:
    """Whether a capital stands within a sentence, in a text that is not all capitals."""
    start, end = span
    if not text[start].isupper() or text[start:end].isupper():
        return False
    before = text[max(0, start - 8) : start].rstrip(" \t")
    return bool(before) and before[-1] not in _SENTENCE_ENDS


def fitting(source: Source, span: Span, near: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `near` that may stand in the place of `span`: no label, and right after `a` or `an`."""
    start, end = span
    before = source.text[max(0, start - 4) : start].lower().split(" ")
    near = tuple(n for n in near if n not in source.targets)
    if len(before) > 1 and before[-1] == "" and before[-2] in ("a", "an"):
        vowel = source.text[start].lower() in "aeiou"
        near = tuple(n for n in near if (n[0] in "aeiou") is vowel)
    return near if source.text[start:end].lower() not in near else ()
