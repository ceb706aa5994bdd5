"""Short reviews whose sentiment follows from clauses, not from one word (stdlib only).

A contrast decides by its main clause, a negation flips its adjective, a later "Still," outweighs what came before,
and of three verdicts the majority wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness.zoo.items import Item, happens, several, skewed, weighted

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

LABELS = ("negative", "positive")
VENUES = ("hotel", "cafe", "bakery", "cinema", "shop", "museum")
ASPECTS = (
    "food",
    "room",
    "service",
    "staff",
    "coffee",
    "soup",
    "bread",
    "music",
    "price",
    "bed",
    "view",
    "garden",
    "cake",
    "light",
)
BAD = (
    "bad",
    "cold",
    "slow",
    "dirty",
    "poor",
    "rude",
    "dull",
    "awful",
    "stale",
    "ugly",
    "weak",
    "broken",
    "gloomy",
    "horrid",
)
GOOD = (
    "good",
    "warm",
    "quick",
    "clean",
    "great",
    "kind",
    "bright",
    "nice",
    "fresh",
    "lovely",
    "strong",
    "tasty",
    "cheerful",
    "superb",
)
OPENERS = ("We went to the {}.", "I tried the {}.", "This is about the {}.")


@final
@dataclass(frozen=True, kw_only=True)
class Domain:
    """What reviews are about and how they put it; what they judge by is the same in all domains.

    Attributes:
        kind: The kind of its items.
        subjects: What a whole review is about, the frequent ones first.
        openers: First sentences, with a place for the subject.
        aspects: What a clause is about, the frequent ones first.
        plain: Clauses with places for aspect and adjective that say what the adjective says.
        negated: Clauses that say the opposite.
    """

    kind: str
    subjects: tuple[str, ...]
    openers: tuple[str, ...]
    aspects: tuple[str, ...]
    plain: tuple[str, ...]
    negated: tuple[str, ...]


STAYS = Domain(
    kind="sentiment",
    subjects=VENUES,
    openers=OPENERS,
    aspects=ASPECTS,
    plain=("the {} was {}", "the {} was {}", "the {} was very {}", "the {} was quite {}", "the {} was rather {}"),
    negated=("the {} was not {}", "the {} was never {}", "the {} was hardly {}"),
)


def make(rng: random.Random) -> Item:
    """Return one review of a place: ``Review: ... Sentiment:`` with the answer ``positive`` or ``negative``."""
    return review(rng, STAYS)


def review(rng: random.Random, domain: Domain) -> Item:
    """Return one review of a domain."""
    label = happens(rng, 0.5)
    subject = skewed(rng, domain.subjects)
    aspects = several(rng, domain.aspects, 6)
    # What is not in the text must not be in the key: the same review could otherwise fall into two splits.
    key, parts = ([subject], [rng.choice(domain.openers).format(subject)]) if happens(rng, 0.5) else ([], [])
    for index, (verdict, marker) in enumerate(_verdicts(rng, label=label)):
        sentence = _sentence(rng, domain, aspects[2 * index : 2 * index + 2], key, verdict=verdict)
        parts.append(f"{marker}{sentence}." if marker else f"{sentence[0].upper()}{sentence[1:]}.")
    return Item(
        kind=domain.kind,
        key=tuple(key),
        prompt=f"Review: {' '.join(parts)}\nSentiment:",
        answer=LABELS[label],
        choices=LABELS,
    )


def _verdicts(rng: random.Random, *, label: bool) -> list[tuple[bool, str]]:
    """Return (verdict, marker) per sentence such that the whole review comes out as `label`."""
    count = weighted(rng, ((1, 0.45), (2, 0.3), (3, 0.25)))
    if count == 1:
        return [(label, "")]
    if count == 2:  # noqa: PLR2004 (two sentences)
        agrees = happens(rng, 0.6)
        return [(label, ""), (label, "")] if agrees else [(not label, ""), (label, "Still, ")]
    verdicts = [(label, ""), (label, ""), (happens(rng, 0.4 if label else 0.6), "")]
    rng.shuffle(verdicts)
    return verdicts


def _sentence(rng: random.Random, domain: Domain, aspects: Sequence[str], key: list[str], *, verdict: bool) -> str:
    """Return one sentence with the given verdict, no capital, no stop; its content words are appended to `key`."""
    main, side = aspects
    # A plain clause is the commonest: from it a model learns the words that it needs for the contrasts.
    shape = rng.choice(("plain",) * 4 + ("and",) * 2 + ("but", "although first", "although last", "despite"))
    if shape == "plain":
        return _clause(rng, domain, main, key, good=verdict)
    if shape == "and":
        return f"{_clause(rng, domain, side, key, good=verdict)} and {_clause(rng, domain, main, key, good=verdict)}"
    if shape == "but":
        against = _clause(rng, domain, side, key, good=not verdict)
        return f"{against}, but {_clause(rng, domain, main, key, good=verdict)}"
    if shape == "although first":
        against = _clause(rng, domain, side, key, good=not verdict)
        return f"although {against}, {_clause(rng, domain, main, key, good=verdict)}"
    if shape == "although last":
        judged = _clause(rng, domain, main, key, good=verdict)
        return f"{judged}, although {_clause(rng, domain, side, key, good=not verdict)}"
    adjective = skewed(rng, BAD if verdict else GOOD)
    key += [side, adjective]
    return f"despite the {adjective} {side}, {_clause(rng, domain, main, key, good=verdict)}"


def _clause(rng: random.Random, domain: Domain, aspect: str, key: list[str], *, good: bool) -> str:
    """Return a clause about one aspect; a negated one uses the opposite adjective."""
    negated = happens(rng, 0.15)
    adjective = skewed(rng, GOOD if good != negated else BAD)
    key += [aspect, adjective]
    return rng.choice(domain.negated if negated else domain.plain).format(aspect, adjective)
