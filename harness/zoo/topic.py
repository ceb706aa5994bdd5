"""Short texts about one of four topics, with stray sentences and words that the topics share (stdlib only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo.items import Item, happens, skewed, weighted
from harness.zoo.words import MOMENTS, NAMES

if TYPE_CHECKING:
    import random

LABELS = ("food", "weather", "sport", "travel")

# Many words stand under two or more topics ("cold", "cup", "front", "round", "season"): few of them decide alone.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "food": (
        "{name} put the {noun} on a {adj} plate.",
        "The {noun} needs salt and an hour of heat.",
        "We ate {adj} {noun} with a cup of tea.",
        "{name} shared a {adj} {noun} with {other}.",
        "There was {adj} {noun} on the table.",
        "The season for {noun} is short.",
    ),
    "weather": (
        "The {noun} came over the hills and it was {adj}.",
        "{name} looked at the sky and saw the {noun}.",
        "A {adj} {noun} is on the way.",
        "After an hour of {noun} the air was {adj}.",
        "There was {adj} {noun} all day.",
        "The season of {noun} is here.",
    ),
    "sport": (
        "{name} beat {other} in the {noun}.",
        "The {noun} was {adj} and the crowd was loud.",
        "{name} ran for an hour before the {noun}.",
        "The team won the {noun} and a cup.",
        "There was a {adj} {noun} on the field.",
        "The season ends with a {noun}.",
    ),
    "travel": (
        "{name} took the {noun} to the hills.",
        "The {noun} left an hour late.",
        "{name} and {other} waited for the {adj} {noun}.",
        "We saw the {noun} on the way to the sea.",
        "There was a {adj} {noun} at the gate.",
        "{name} paid for the {noun} before the season.",
    ),
}
NOUNS: dict[str, tuple[str, ...]] = {
    "food": (
        "soup",
        "bread",
        "cake",
        "rice",
        "cheese",
        "fish",
        "apple",
        "roll",
        "plum",
        "stew",
        "honey",
        "pepper",
        "noodle",
        "butter",
        "mint",
    ),
    "weather": (
        "rain",
        "wind",
        "storm",
        "snow",
        "fog",
        "frost",
        "cloud",
        "heat",
        "drizzle",
        "hail",
        "front",
        "thunder",
        "breeze",
        "sleet",
    ),
    "sport": (
        "game",
        "match",
        "race",
        "run",
        "goal",
        "round",
        "final",
        "heat",
        "jump",
        "ring",
        "swim",
        "cup",
        "tennis",
        "relay",
    ),
    "travel": (
        "train",
        "ship",
        "bus",
        "plane",
        "ticket",
        "boat",
        "road",
        "run",
        "coach",
        "trip",
        "hotel",
        "front",
        "ferry",
        "passport",
        "round",
    ),
}
ADJECTIVES = (
    "cold",
    "long",
    "warm",
    "fast",
    "light",
    "hard",
    "heavy",
    "short",
    "fresh",
    "strong",
    "quick",
    "soft",
    "wild",
    "bitter",
)
NEUTRAL = (
    "{name} talked about it with {other}.",
    "It was better than {name} had hoped.",
    "{name} was there for an hour.",
    "Nobody knew why it was so {adj}.",
    "{other} asked {name} about it.",
)


def make(rng: random.Random) -> Item:
    """Return one text: ``Text: ... Topic:`` with one of `LABELS` as the answer."""
    label = rng.choice(LABELS)
    strays = [topic for topic in LABELS if topic != label]
    rng.shuffle(strays)
    mixes = (
        ([label, label, strays[0]], 0.35),
        ([label, label, strays[0], strays[1]], 0.25),
        ([label, "neutral"], 0.2),
        ([label, label, "neutral", strays[0]], 0.2),
    )
    topics = weighted(rng, mixes)
    rng.shuffle(topics)
    key: list[str] = []
    text = " ".join(sentence(rng, topic, key) for topic in topics)
    return Item(kind="topic", key=tuple(key), prompt=f"Text: {text}\nTopic:", answer=label, choices=LABELS)


def sentence(rng: random.Random, topic: str, key: list[str]) -> str:
    """Return one sentence on a topic or on none (``neutral``); its content words are appended to `key`."""
    templates = NEUTRAL if topic == "neutral" else TEMPLATES[topic]
    name, other = rng.sample(NAMES, 2)
    noun = skewed(rng, NOUNS.get(topic, ("",)))
    adjective = skewed(rng, ADJECTIVES)
    template = rng.choice(templates)
    text = template.format(name=name, other=other, noun=noun, adj=adjective)
    if happens(rng, 0.15):
        body = text if text.startswith((name, other)) else text[0].lower() + text[1:]
        text = f"{rng.choice(MOMENTS)}, {body}"
    key += [topic, str(templates.index(template)), noun, name if "{name}" in template else ""]
    return text
