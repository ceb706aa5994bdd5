"""A document as a search sees it: the words that may change, what they may become, and the limits.

Layer: attacks, pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, final

from harness.attacks import candidates
from harness.attacks.candidates import Candidate
from harness.perturbations.edits import Edit, apply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attacks.spec import Attack
    from harness.attacks.victim import Query
    from harness.perturbations.source import Source

VERSION = 1
"""Part of every seed: raised when the choices that a seed stands for change."""

Chosen = Mapping[int, Candidate]
"""What words become: number of the site -> candidate. Each word changes once at most."""

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A word that may change.

    Attributes:
        field: number of the text it stands in.
        start: offset of its first letter.
        end: offset after its last one.
        candidates: what it may become; empty where only the model's gradient knows.
    """

    field: int
    start: int
    end: int
    candidates: tuple[Candidate, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """One document under attack.

    Attributes:
        number: of the document.
        texts: its texts before.
        sites: the words that may change, in the order of the texts.
        gold: right options.
        forbidden: lower-case words that no edit may make: negators and labels.
        words: words of the texts, editable or not.
        most: words that may change.
        budget: evaluations of the model.
        seed: of this document's random choices.
    """

    number: int
    texts: Query
    sites: tuple[Site, ...]
    gold: frozenset[int]
    forbidden: frozenset[str]
    words: int
    most: int
    budget: int
    seed: int

    def rng(self) -> Random:
        """The source of chance of a search, fresh."""
        return Random(self.seed)  # noqa: S311 - a search, not cryptography

    def word(self, number: int) -> str:
        """The word of a site, as it was."""
        site = self.sites[number]
        return self.texts[site.field][site.start : site.end]

    def edits(self, chosen: Chosen) -> tuple[tuple[Edit, ...], ...]:
        """The edits of each text, with offsets into the text before."""
        found: list[list[Edit]] = [[] for _ in self.texts]
        for number in sorted(chosen):
            site = self.sites[number]
            found[site.field].append(Edit(site.start, site.end, self.word(number), chosen[number].word))
        return tuple(tuple(edits) for edits in found)

    def text(self, chosen: Chosen) -> Query:
        """The texts with the chosen words in place."""
        return tuple(apply(text, edits) for text, edits in zip(self.texts, self.edits(chosen), strict=True))

    def without(self, number: int) -> Query:
        """The texts without one word and the space before it, or the one behind it where none is before."""
        site = self.sites[number]
        text, start, end = self.texts[site.field], site.start, site.end
        if text[start - 1 : start] == " ":
            start -= 1
        elif text[end : end + 1] == " ":
            end += 1
        changed = text[:start] + text[end:]
        return (*self.texts[: site.field], changed, *self.texts[site.field + 1 :])

    @property
    def rankable(self) -> int:
        """Words whose importance may be asked for: what a whole attack leaves of the budget, at least half of it."""
        return max(self.budget // 2, self.budget - 1 - _tries(self.sites, self.most))

    def distance(self, chosen: Chosen) -> int:
        """Levenshtein edits of the chosen words together."""
        return sum(candidate.distance for candidate in chosen.values())


def target(number: int, sources: Sequence[Source], gold: frozenset[int], attack: Attack, *, document: str) -> Target:
    """The document as `attack` sees it.

    Args:
        number: of the document.
        sources: its texts, with what its task protects.
        gold: right options.
        attack: what may be done.
        document: what tells the document from all others: seeds depend on it, and on nothing else of the data.
    """
    seed = _seed(attack, document)
    rng = Random(seed)  # noqa: S311
    sites = [
        Site(field=field, start=start, end=end, candidates=found)
        for field, source in enumerate(sources)
        for (start, end), found in candidates.of(source, attack.candidates, attack.tries, rng)
    ]
    words = sum(len(_WORD.findall(source.text)) for source in sources)
    most = min(len(sites), max(1, int(attack.severity * words))) if attack.severity else 0
    return Target(
        number=number,
        texts=tuple(source.text for source in sources),
        sites=tuple(sites),
        gold=gold,
        forbidden=frozenset().union(*(source.targets for source in sources)),
        words=words,
        most=most,
        budget=min(attack.query_budget, _needed(sites, most, attack)),
        seed=seed,
    )


def _needed(sites: Sequence[Site], most: int, attack: Attack) -> int:
    """Evaluations of a whole search: the clean text, each word's importance, the candidates of as many as may change.

    With candidates=tokens one for each gradient stands in place of the importance. The budget is the same under every
    search with the same candidates, so that a random one is the fair control of the other.
    """
    if attack.candidates == "tokens":
        return 1 + most * (1 + attack.tries)
    return 1 + len(sites) + _tries(sites, most)


def _tries(sites: Sequence[Site], most: int) -> int:
    """The candidates of as many words as may change, of those that have most."""
    return sum(sorted((len(site.candidates) for site in sites), reverse=True)[:most])


def _seed(attack: Attack, document: str) -> int:
    key = f"{VERSION}|{attack.candidates}|{attack.seed}|{document}|{attack.replicate}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")
