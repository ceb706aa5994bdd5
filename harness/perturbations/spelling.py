"""Common misspellings, and contractions in both directions. Group strict.

Layer: `perturbations`, above `source` and `edits`.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from harness.perturbations import tables
from harness.perturbations.edits import Edit, Perturbed, done, hits, like

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from harness.perturbations.source import Source

_APOSTROPHE = "['\u2019]"


def common_misspelling(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all words of a list of about 880 are misspelt as people do; no misspelling is itself a word.

    Source: HELM, Liang et al. 2022 (MisspellingPerturbation), for the protocol; the list is our own.
    """
    text, table = source.text, _misspellings(source.language)
    words = [(s, e) for s, e in source.words if text[s:e].lower() in table]
    edits: list[Edit] = []
    for (s, e), bits in hits(words, severity, rng):
        wrong = table[text[s:e].lower()]
        edits.append(Edit(s, e, text[s:e], like(text[s:e], wrong[bits % len(wrong)])))
    return done(source, edits, len(words))


def contraction(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all pairs such as `it is` and `do not` are drawn together, unless the clause ends there (`as it is.`).

    Before `not` it is the verb that is drawn to it: `it isn't`, not `it's not`.
    It touches negators, as one `not` becomes one `n't`: their number stays.

    Source: Ribeiro et al. 2020 (CheckList), contractions.
    """
    pattern, table = _full(source.language)
    found = [m for m in pattern.finditer(source.text) if source.free(*m.span()) and _contractible(source, m)]
    edits = [Edit(*m.span(), m[0], like(m[0], table[m[0].lower()])) for m, _ in hits(found, severity, rng)]
    return done(source, edits, len(found))


def expansion(source: Source, severity: float, rng: Random) -> Perturbed:
    """Up to all contractions with one reading are spelt out; `it's` only where no participle follows.

    The spelling of tokenised texts (`it 's`, `do n't`) is known too.

    Source: Ribeiro et al. 2020 (CheckList), contractions.
    """
    pattern, table = _short(source.language)
    found = [m for m in pattern.finditer(source.text) if source.free(*m.span()) and _expandable(source, m)]
    edits: list[Edit] = []
    for match, _ in hits(found, severity, rng):
        full, shouted = table[_joined(match[0])], match[0].isupper() and len(match[0]) > len("I'M")
        edits.append(Edit(*match.span(), match[0], full.upper() if shouted else like(match[0][0] + "x", full)))
    return done(source, edits, len(found))


def _contractible(source: Source, match: re.Match[str]) -> bool:
    following = source.next_word(match.end())
    if match[0].lower().endswith("not"):
        return True
    if match[0].lower().endswith(" have"):
        return tables.participle(following, source.language)
    return bool(following)


def _expandable(source: Source, match: re.Match[str]) -> bool:
    if not _joined(match[0]).endswith("'s") or _joined(match[0]) == "let's":
        return True
    return not tables.participle(source.next_word(match.end()), source.language)


def _joined(short: str) -> str:
    return short.lower().replace("\u2019", "'").replace(" ", "")


@cache
def _misspellings(language: str) -> Mapping[str, tuple[str, ...]]:
    table = tables.choices(language, "misspellings")
    return {word.lower(): tuple(w.lower() for w in wrong) for word, wrong in table.items()}


@cache
def _pairs(language: str) -> list[tuple[str, str, str]]:
    """(spelt out, sign, contracted) of the table: `=` both ways, `>` only to contract, `<` only to spell out."""
    rows = (re.split(r" ([=<>]) ", line) for line in tables.lines(language, "contractions"))
    return [(full, sign, short) for full, sign, short in rows]


@cache
def _full(language: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    table = {full: short for full, sign, short in _pairs(language) if sign in "=>"}
    forms = (full + ("(?! not)" if f"{full.split()[-1]} not" in table else "") for full in table)
    return re.compile(rf"(?<![\w'\u2019])(?:{'|'.join(forms)})(?![\w'\u2019])", re.IGNORECASE), table


@cache
def _short(language: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    table = {short: full for full, sign, short in _pairs(language) if sign in "=<"}
    forms = (re.sub("(n?)'", rf" ?\1{_APOSTROPHE}", short) for short in table)
    return re.compile(rf"(?<![\w'\u2019])(?:{'|'.join(forms)})(?![\w'\u2019])", re.IGNORECASE), table
