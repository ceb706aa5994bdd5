"""Regular English inflection by suffix rules: enough to put a synonym in the form of the word it replaces.

Layer: bottom of `perturbations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_VOWELS = "aeiou"
_HISSING = ("s", "x", "z", "ch", "sh")


def forms(word: str, part: str, irregular: Sequence[str] = ()) -> dict[str, str]:
    """Forms of a lemma by kind: `base`; `plural` of nouns; `s`, `ing` and `ed` of verbs.

    Args:
        word: lower-case lemma.
        part: `n`, `v`, `a` or `r`.
        irregular: forms that break the rules. A noun with one has that plural; with several, none that is sure. A
            verb whose past does not end in -ed has no `ed`, since past and participle may differ.

    >>> forms("carry", "v")
    {'base': 'carry', 's': 'carries', 'ing': 'carrying', 'ed': 'carried'}
    """
    found = {"base": word}
    if part == "n" and len(set(irregular)) < 2 and (irregular or not word.endswith("s")):  # noqa: PLR2004 - two: unsure
        found["plural"] = irregular[0] if irregular else with_s(word)
    if part == "v":
        doing = [form for form in irregular if form.endswith("ing")]
        past = {form for form in irregular if not form.endswith(("ing", "s"))} or {with_ed(word)}
        found |= {"s": with_s(word), "ing": doing[0] if doing else with_ing(word)}
        if len(past) == 1 and all(form.endswith("ed") for form in past):
            found["ed"] = past.pop()
    return found


def with_s(word: str) -> str:
    """Plural of a noun, third person of a verb."""
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(_HISSING) else "s")


def with_ed(word: str) -> str:
    """Past of a verb."""
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return word[:-1] + "ied"
    return _doubled(word) + "ed"


def with_ing(word: str) -> str:
    """Present participle of a verb."""
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")):
        return word[:-1] + "ing"
    return _doubled(word) + "ing"


def _doubled(word: str) -> str:
    """`word`, its last letter doubled if it has one vowel group and ends in consonant, vowel, consonant."""
    groups = sum(a in _VOWELS and b not in _VOWELS for a, b in zip(word, word[1:] + " ", strict=True))
    ends = len(word) > 2 and word[-3] not in _VOWELS and word[-2] in _VOWELS and word[-1] not in _VOWELS + "wxy"  # noqa: PLR2004 - three letters
    return word + word[-1] if groups == 1 and ends else word
