"""Short stories whose ending depends on who owns what by the end (stdlib only)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.zoo.items import Item, happens, several, skewed, weighted
from harness.zoo.words import FILLERS, NAMES, OBJECTS, PLACES

if TYPE_CHECKING:
    import random

# (what happens to a thing, how the thing is afterwards, does its owner like it)
EVENTS = (
    ("The rain ruined the {}.", "ruined", False),
    ("A thief stole the {}.", "stolen", False),
    ("The judge praised the {}.", "praised", True),
    ("A dog broke the {}.", "broken", False),
    ("The king admired the {}.", "admired", True),
    ("An old man repaired the {}.", "repaired", True),
    ("The {} fell into the river.", "gone", False),
    ("The {} won a prize.", "famous", True),
    ("The fire burned the {}.", "burned", False),
    ("A painter made the {} bright again.", "bright", True),
)
FEELINGS = (("sad", "angry", "upset", "gloomy"), ("happy", "proud", "glad", "cheerful"))


def make(rng: random.Random) -> Item:
    """Return one story: ``Story: ... Ending:`` with four endings that differ in owner, thing or feeling."""
    first, second = several(rng, NAMES, 2)
    thing, other = several(rng, OBJECTS, 2)
    owners = {thing: first, other: second}
    event, state, liked = skewed(rng, EVENTS)
    lines = [_owning(rng, first, thing), _owning(rng, second, other)]
    if happens(rng, 0.5):
        lines.reverse()
    lines += _exchange(rng, owners, [thing, other])
    lines.append(event.format(thing))
    for _ in range(rng.choice((0, 0, 1, 2))):
        lines.insert(rng.randrange(1, len(lines)), rng.choice(FILLERS))
    owner, loser = owners[thing], first if owners[thing] == second else second
    good, bad = rng.choice(FEELINGS[liked]), rng.choice(FEELINGS[not liked])
    answer = _ending(owner, good, thing, state)
    wrong = ((loser, good, thing), (owner, bad, thing), (owner, good, other))
    choices = [answer, *(_ending(*words, state) for words in wrong)]
    rng.shuffle(choices)
    return Item(
        kind="story",
        key=(first, thing, second, other, owner, state),
        prompt=f"Story: {' '.join(lines)}\nEnding:",
        answer=answer,
        choices=tuple(choices),
    )


def _owning(rng: random.Random, name: str, thing: str) -> str:
    """Return a sentence that gives `name` the `thing`."""
    place = skewed(rng, PLACES)
    verb = rng.choice(("had a {}.", "bought a {} near the {}.", "found a {} in the {}."))
    return f"{name} {verb.format(thing, place)}"


def _exchange(rng: random.Random, owners: dict[str, str], things: list[str]) -> list[str]:
    """Return sentences about a present or a swap, or none, and update `owners`."""
    shape = weighted(rng, (("nothing", 0.4), ("swap", 0.2), ("first", 0.25), ("second", 0.15)))
    if shape == "nothing":
        return []
    if shape == "swap":
        a, b = things
        first, second = owners[a], owners[b]
        owners[a], owners[b] = second, first
        return [f"{first} and {second} swapped what they had."]
    thing = things[0] if shape == "first" else things[1]
    giver = owners[thing]
    taker = next(name for name in owners.values() if name != giver)
    owners[thing] = taker
    return [rng.choice((f"{giver} gave the {thing} to {taker}.", f"{taker} got the {thing} from {giver}."))]


def _ending(name: str, feeling: str, thing: str, state: str) -> str:
    """Return the sentence that closes a story."""
    return f"{name} was {feeling} because the {thing} was {state}."
