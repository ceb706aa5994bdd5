"""Reviews of things: a second domain of `sentiment`, which no model of the zoo was trained on (stdlib only).

Adjectives, contrasts and labels are those of the reviews of places. The things that are judged never occur in a review
of the training text, nor do the verbs that judge them; all words are words of the training text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo import sentiment
from harness.zoo.sentiment import Domain

if TYPE_CHECKING:
    import random

    from harness.zoo.items import Item

GOODS = Domain(
    kind="goods",
    subjects=("market", "school", "library", "station", "harbor", "office"),
    openers=("I bought it at the {}.", "I found it near the {}.", "This was left at the {}."),
    aspects=(
        "lamp",
        "coat",
        "clock",
        "book",
        "box",
        "kite",
        "cup",
        "table",
        "drum",
        "hat",
        "cabinet",
        "doll",
        "ball",
        "key",
    ),
    plain=(
        "the {} looks {}",
        "the {} seems {}",
        "the {} looks very {}",
        "the {} seems quite {}",
        "the {} is rather {}",
    ),
    negated=("the {} is not {}", "the {} never looks {}", "the {} hardly seems {}"),
)


def make(rng: random.Random) -> Item:
    """Return one review of things: ``Review: ... Sentiment:`` with the answer ``positive`` or ``negative``."""
    return sentiment.review(rng, GOODS)
