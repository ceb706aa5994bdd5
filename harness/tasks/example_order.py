"""Few-shot examples in another order, and other draws of them.

Layer: tasks; talks to lm-eval task objects.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, final

from harness.records import Unsupported
from harness.tasks.change import Change
from harness.tasks.documents import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.tasks.load import Loaded
    from harness.tasks.prompts import Document


def order(size: int, *, seed: int, number: int) -> tuple[int, ...]:
    """Order `number` of `size` things under a seed; different numbers give different orders, none gives 0, 1, 2, ...

    Raises:
        ValueError: there are not so many.
    """
    rng = Random(int(digest("example_order", seed, size), 16))  # noqa: S311 - a draw, not a secret
    places = list(range(size))
    seen = {tuple(places)}
    for _ in range(1000 * (number + 2)):
        rng.shuffle(places)
        if tuple(places) not in seen:
            seen.add(tuple(places))
            if len(seen) == number + 2:
                return tuple(places)
    raise ValueError(f"{size} examples have fewer than {number + 1} other orders")


@final
class Reordered(Change):
    """Permutes the examples of every document alike, so that a fixed list of examples has one order in a cell.

    Args:
        places: for each place in the prompt the example that was drawn as so many-th.
    """

    def __init__(self, places: Sequence[int]) -> None:
        self._places = tuple(places)

    def examples(self, document: Document, chosen: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The same examples in the other order."""
        del document
        return [chosen[place] for place in self._places]


@final
class Redrawn(Change):
    """Draws the examples from another seed.

    Args:
        seed: of the variation.
        number: of the draw.
    """

    def __init__(self, *, seed: int, number: int) -> None:
        self._seed, self._number = seed, number

    def task(self, loaded: Loaded) -> Loaded:
        """The task as it is.

        Raises:
            Unsupported: its examples are fixed.
        """
        configured: Any = loaded.task.fewshot_cfg
        listed = configured.samples is not None and configured.split is None
        if listed or configured.sampler != "default":
            raise Unsupported(f"task {loaded.name}: its recipe fixes the few-shot examples: no other draws")
        return loaded

    def seed_of_examples(self, seed: int) -> int:
        """A seed that no other draw has."""
        return int(digest("example_draw", self._seed, self._number, seed)[:12], 16)
