"""Sentences in which a verb agrees with its subject across attractors of the other number (stdlib only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo.items import Item, happens, several, skewed
from harness.zoo.words import COLOURS, NOUNS, PLACES

if TYPE_CHECKING:
    import random

LINKS = ("to", "near", "behind", "beside", "with", "above", "of")
VERBS = (("is", "are"), ("was", "were"), ("has", "have"), ("seems", "seem"), ("looks", "look"), ("needs", "need"))
# What may follow each verb, in the order of VERBS.
ENDS = (
    ("old", "new", "in the {place}", "{colour}", "not far away"),
    ("lost", "found", "in the {place}", "{colour}", "there again"),
    ("a long past", "no name", "a place in the {place}", "some luck"),
    ("old", "tired", "ready", "lost"),
    ("{colour}", "strange", "new", "good"),
    ("help", "time", "some rest", "a place in the {place}"),
)
RELATIVES = (("likes", "like"), ("sees", "see"), ("knows", "know"), ("follows", "follow"))


def make(rng: random.Random) -> Item:
    """Return one minimal pair: the subject as the prompt, the right and the wrong rest of the sentence as choices."""
    words = several(rng, NOUNS, rng.choice((1, 1, 2, 2, 2, 3)))
    plural = rng.randrange(2)
    # An attractor of the other number is what makes an item hard.
    numbers = [plural, *(plural if happens(rng, 0.5) else 1 - plural for _ in words[1:])]
    phrase, linked = _phrase(rng, words, numbers)
    verb = rng.randrange(len(VERBS))
    end = rng.choice(ENDS[verb]).format(place=skewed(rng, PLACES), colour=skewed(rng, COLOURS))
    right, wrong = (f"{VERBS[verb][number]} {end}." for number in (plural, 1 - plural))
    choices = [right, wrong]
    rng.shuffle(choices)
    # Neither number nor verb is in the key: a held-out pair of nouns with its link is new in every form.
    key = (*(forms[0] for forms in words), linked)
    return Item(kind="agreement", key=key, prompt=phrase, answer=right, choices=tuple(choices))


def _phrase(rng: random.Random, words: list[tuple[str, str]], numbers: list[int]) -> tuple[str, str]:
    """Return the subject with its attractors, and the word that links the first attractor."""
    head, *tail = (forms[number] for forms, number in zip(words, numbers, strict=True))
    if not tail:
        return f"The {head}", ""
    if happens(rng, 0.3):
        relative = rng.choice(RELATIVES)
        link = relative[0]
        text = f"The {head} that {relative[numbers[0]]} the {tail[0]}"
    else:
        link = rng.choice(LINKS)
        text = f"The {head} {link} the {tail[0]}"
    for noun in tail[1:]:
        text += f" {rng.choice(LINKS)} the {noun}"
    return text, link
