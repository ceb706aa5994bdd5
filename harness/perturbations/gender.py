"""Which word `her`, `his` and their like become in the other gender, by what follows; unsure is an answer.

Layer: `perturbations`, above `tables`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from harness.perturbations import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.perturbations.source import Source

UNSURE = "?"
_TITLES = ("mr", "ms", "mrs", "he", "she", "him", "himself", "herself", "hers")
_MARKS_AFTER = ".,;:!?)\"'\u201d"


@cache
def terms(language: str) -> Mapping[str, str]:
    """Words and their counterparts, both ways; `her` and `his` are not among them."""
    pairs = [line.split() for line in tables.lines(language, "fairness_gender")]
    sure = {"him": "her", "hers": "his", "mrs": "mr"}
    return {**dict(pairs), **{b: a for a, b in pairs}, **sure}


def counterpart(source: Source, start: int, end: int) -> str:
    """The lower-case counterpart of a word; empty if it has none, UNSURE if it cannot be told.

    `her` before a noun phrase is `his`, else `him`; `his` before a noun phrase is `her`, else `hers`.
    """
    word = source.text[start:end].lower()
    if word not in ("her", "his"):
        new = terms(source.language).get(word, "")
        return UNSURE if new and _in_name(source, start, end) else new
    owner, alone = ("his", "him") if word == "her" else ("her", "hers")
    owned = _owns(source, end)
    if owned == UNSURE or (word == "her" and owned == "adverb"):
        return UNSURE
    return owner if owned else alone


def _in_name(source: Source, start: int, end: int) -> bool:
    """Whether a capital noun may be part of a name: `King Arthur`, `Martin Luther King`, `Lady Bird`."""
    text = source.text
    if not text[start].isupper() or text[start:end].lower() in _TITLES:
        return False
    before = text[max(0, start - 40) : start].split()
    beside = (before[-1:] or [""])[0][:1] + text[end + 1 : end + 2]
    return any(letter.isupper() for letter in beside)


def _owns(source: Source, end: int) -> str:
    """`noun`, `adverb` or empty by what stands after the pronoun; UNSURE after a conjunction or an unclear mark."""
    text = source.text
    rest = text[end : end + 2]
    if not rest.strip() or rest.strip()[0] in _MARKS_AFTER:
        return ""
    following = source.next_word(end)
    if not following or following in ("and", "or") or following in tables.words(source.language, "unsure_followers"):
        return UNSURE
    if following in tables.words(source.language, "function_followers"):
        return ""
    return "adverb" if following.endswith("ly") else "noun"
