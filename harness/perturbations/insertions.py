"""Words and sentences that add nothing, and words that are not missed. Group soft.

Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

import string
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from harness.perturbations import tables
from harness.perturbations.edits import Edit, Perturbed, done, hits

if TYPE_CHECKING:
    from harness.perturbations.source import Source

SENTENCES = 3
_HAVE = ("has", "have", "had")


def filler(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to one word in eight is preceded by something said to win time: uh, you know, well.

    Source: HELM, Liang et al. 2022 (FillerWordsPerturbation), for the protocol; hedges are left out, as they change
    what a premise claims.
    """
    text = source.text
    fillers = [f for f in tables.lines(source.language, "fillers") if f.lower() not in source.targets]
    gaps = [i for i in source.gaps if text[i + 1].isalpha()]
    edits: list[Edit] = []
    for i, bits in hits(gaps, severity / 8, rng):
        comma = "," if text[i - 1].isalnum() else ""
        edits.append(Edit(i, i, "", f"{comma} {fillers[bits % len(fillers)]},"))
    return done(source, edits, len(gaps))


def distractor(source: Source, severity: float, rng: Random) -> Perturbed:
    """One to three sentences beside the point are added at the end, before a last `Answer:`.

    Each of three is added with the severity as probability. None holds a label, a negator or a protected string.

    Source: Naik et al. 2018 (stress tests, "and true is true"); Ribeiro et al. 2020 (CheckList, random handles and
    links).
    """
    text, place = source.text, source.tail()
    edits: list[Edit] = []
    known = _neutral(source) if place else []
    apart = not text[max(0, place - 1) : place].isalnum()
    slots = [j for j in range(SENTENCES) if known[j::SENTENCES]]
    for j, bits in hits(slots, severity, rng):
        mine = known[j::SENTENCES]
        sentence = _filled(mine[bits % len(mine)], bits)
        edits.append(Edit(place, place, "", f" {sentence}" if apart else f". {sentence.removesuffix('.')}"))
    return done(source, edits, len(slots))


def _neutral(source: Source) -> list[str]:
    kept = {source.text[s:e].strip().lower() for s, e in source.spans} - {""}
    return [
        sentence
        for sentence, words in _distractors(source.language)
        if not words & source.targets and not any(string in sentence.lower() for string in kept)
    ]


@cache
def _distractors(language: str) -> list[tuple[str, frozenset[str]]]:
    found = tables.lines(language, "distractors")
    return [(s, frozenset(word.strip(".").lower() for word in s.split())) for s in found]


def function_word_drop(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to 60 % of the articles, the forms of be and auxiliary have are left out; never a negator, nor before n't.

    Source: Dhole et al. 2021 (NL-Augmenter), stop-word removal, kept to words a reader can supply.
    """
    text, droppable = source.text, tables.words(source.language, "function_words")
    words = [
        (s, e)
        for s, e in source.words
        if text[s:e].lower() in droppable and _spaced(text, s, e) and _missable(source, s, e)
    ]
    edits = [Edit(s, e + 1, text[s : e + 1], "") for (s, e), _ in hits(words, severity * 0.6, rng)]
    return done(source, edits, len(words))


def _spaced(text: str, start: int, end: int) -> bool:
    """Whether a word stands between white space and one space before another word."""
    apart = start == 0 or text[start - 1].isspace()
    return apart and text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha()


def _missable(source: Source, start: int, end: int) -> bool:
    """Whether what follows may follow without the word: no n't, and after have a participle."""
    following = source.next_word(end)
    if source.text[start:end].lower() in _HAVE and not tables.participle(following, source.language):
        return False
    return source.free(end, end + 1) and not following.endswith(("n't", "n\u2019t"))


def _filled(sentence: str, bits: int) -> str:
    rng = Random(bits)  # noqa: S311 - noise, not cryptography
    letters = string.ascii_letters + string.digits
    handle, link = ("".join(rng.choices(letters, k=k)) for k in (7, 10))
    return sentence.format(handle="@" + handle, link="https://t.co/" + link)
