"""Plain documents without a task form: a page of everyday sentences about two people (stdlib only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo.items import Item, happens, several, skewed
from harness.zoo.topic import LABELS, sentence
from harness.zoo.words import COLOURS, FILLERS, MOMENTS, NAMES, OBJECTS, PLACES

if TYPE_CHECKING:
    import random


def make(rng: random.Random) -> Item:
    """Return one document of seven to ten sentences that keeps to its people, place and thing."""
    name, other = several(rng, NAMES, 2)
    place, thing, colour = skewed(rng, PLACES), skewed(rng, OBJECTS), skewed(rng, COLOURS)
    key = [name, other, place, thing, colour]
    lines = [f"{rng.choice(MOMENTS)}, {name} and {other} met at the {place}.", f"{name} had a {colour} {thing}."]
    lines += [_middle(rng, key) for _ in range(rng.choice((3, 4, 5)))]
    lines.append(f"{other} asked {name} about the {colour} {thing}.")
    lines.append(f"Then {name} and {other} left the {place}.")
    return Item(kind="prose", key=tuple(key), prompt="", answer=" ".join(lines))


def _middle(rng: random.Random, key: list[str]) -> str:
    """Return a sentence of any topic, or one that says nothing in particular."""
    if happens(rng, 0.25):
        return rng.choice(FILLERS)
    return sentence(rng, rng.choice((*LABELS, "neutral")), key)
