"""Small worlds of people who move and carry things, each with one question (stdlib only).

Source: the forms follow Weston et al. 2015, "Towards AI-Complete Question Answering", tasks 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from harness.zoo.items import Item, happens, several, weighted
from harness.zoo.words import COLOURS, NAMES, OBJECTS, PLACES

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


@final
@dataclass(kw_only=True)
class World:
    """What is true after the lines so far."""

    where: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    colour: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)

    def say(self, text: str, *content: str) -> None:
        """Add a line and its content words."""
        self.lines.append(text)
        self.key += content


def make(rng: random.Random) -> Item:
    """Return one world: ``... Question: ... Answer:`` with a short answer."""
    return _item(rng, more=0)


def make_long(rng: random.Random) -> Item:
    """Return one world with up to three more questions, answered as well: dense training text."""
    return _item(rng, more=rng.choice((1, 2, 3)))


def _item(rng: random.Random, *, more: int) -> Item:
    """Return one world whose answer goes on with up to `more` other questions and their answers."""
    people = several(rng, NAMES, rng.choice((1, 2, 2, 3)))
    places = several(rng, PLACES, 4)
    things = several(rng, OBJECTS, rng.choice((1, 2)))
    world = World()
    for person in people:
        _move(rng, world, person, places)
    for thing in things:
        _take(rng, world, rng.choice(people), thing)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        _happen(rng, world, people, places)
    questions = dict(_ask(rng, world) for _ in range(more + 1))
    (first, answer), *others = questions.items()
    answer += "".join(f"\nQuestion: {asked}\nAnswer: {known}" for asked, known in others)
    # The question is not in the key: a held-out world is new whatever is asked about it.
    return Item(
        kind="question",
        key=tuple(world.key),
        prompt=f"{' '.join(world.lines)}\nQuestion: {first}\nAnswer:",
        answer=answer,
    )


def _move(rng: random.Random, world: World, person: str, places: Sequence[str]) -> None:
    """Let `person` go to a place where they are not."""
    place = rng.choice([p for p in places if p != world.where.get(person)])
    world.where[person] = place
    world.say(f"{person} {rng.choice(('went to', 'ran to', 'is in'))} the {place}.", person, place)


def _take(rng: random.Random, world: World, person: str, thing: str) -> None:
    """Let `person` have a thing, perhaps of a known colour."""
    world.holder[thing] = person
    world.say(f"{person} {rng.choice(('has', 'took'))} the {thing}.", person, thing)
    if happens(rng, 0.6):
        world.colour[thing] = rng.choice(COLOURS)
        world.say(f"The {thing} is {world.colour[thing]}.", world.colour[thing])


def _happen(rng: random.Random, world: World, people: Sequence[str], places: Sequence[str]) -> None:
    """Let someone move, or let a thing change hands."""
    if happens(rng, 0.5) or len(people) == 1:
        _move(rng, world, rng.choice(people), places)
        return
    thing = rng.choice(list(world.holder))
    giver = world.holder[thing]
    taker = rng.choice([p for p in people if p != giver])
    world.holder[thing] = taker
    world.say(f"{giver} gave the {thing} to {taker}.", giver, thing, taker)


def _ask(rng: random.Random, world: World) -> tuple[str, str]:
    """Return a question about the end of the world, and its answer."""
    thing = rng.choice(list(world.holder))
    shape = weighted(rng, (("colour", 0.25), ("person", 0.25), ("holder", 0.25), ("thing", 0.25)))
    if shape == "colour" and thing in world.colour:
        return f"What colour is the {thing}?", world.colour[thing]
    if shape in {"colour", "person"}:
        person = rng.choice(list(world.where))
        return f"Where is {person}?", f"the {world.where[person]}"
    if shape == "holder":
        return f"Who has the {thing}?", world.holder[thing]
    return f"Where is the {thing}?", f"the {world.where[world.holder[thing]]}"
