"""What a search sees of a classifier: texts in, scores of the options out.

Layer: attacks, pure. Stdlib only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Query = tuple[str, ...]
"""The texts of a document that may be edited, in the order of its fields."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a classifier says of one text.

    Attributes:
        scores: of each option; the highest decides, the first of equals. For tasks: log-likelihoods in nats, divided
            by the option's length where the task's own rule does so.
        answers: what the classifier said in full, for whoever asked it.
    """

    scores: tuple[float, ...]
    answers: tuple[Any, ...] = ()

    @property
    def best(self) -> int:
        """Number of the option that is chosen."""
        return max(range(len(self.scores)), key=self.scores.__getitem__)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Scores as shares of one (softmax)."""
        top = max(self.scores)
        weights = [math.exp(score - top) for score in self.scores]
        return tuple(weight / sum(weights) for weight in weights)

    def margin(self, gold: frozenset[int]) -> float:
        """How far the best right option lies above the best wrong one: what an attack lowers; negative if it won.

        Unlike the probability of the right option it does not saturate.
        """
        right = max(score for number, score in enumerate(self.scores) if number in gold)
        return right - max((s for number, s in enumerate(self.scores) if number not in gold), default=-math.inf)


class Victim(ABC):
    """A classifier of documents, known by their numbers."""

    @abstractmethod
    def judge(self, queries: Sequence[tuple[int, Query]]) -> list[Verdict]:
        """The verdict on each (document, its texts), in order; it does not depend on what else is asked."""

    def keeps(self, document: int, query: Query) -> bool:
        """Whether the document, with these texts, still has its options and its right answer."""
        del document, query
        return True


@final
@dataclass(frozen=True, kw_only=True)
class Slope:
    """What a search asks of a white box: which word to flip at which place.

    Attributes:
        query: the texts as they are.
        places: numbers of the words that may be flipped -> the words.
        render: (place, word) -> the texts with that word there.
        verdict: on them.
        gold: right options.
        forbidden: lower-case words that must not come in.
        most: flips wanted.
    """

    query: Query
    places: Mapping[int, str]
    render: Callable[[int, str], Query]
    verdict: Verdict
    gold: frozenset[int]
    forbidden: frozenset[str]
    most: int


@final
@dataclass(frozen=True, kw_only=True)
class Words:
    """What a random search asks of a white box: for every place of `slope` as many words as wanted, whatever they do.

    Attributes:
        slope: places and limits, as the search by gradients has them.
        seed: of the choice.
    """

    slope: Slope
    seed: int


class WhiteBox(ABC):
    """A classifier that lets one look at its gradient and its vocabulary."""

    @abstractmethod
    def flips(self, document: int, slope: Slope) -> list[tuple[int, str]]:
        """(place, word) of the flips that promise to lower the margin most, best first."""

    @abstractmethod
    def words(self, document: int, asked: Words) -> list[tuple[int, str]]:
        """(place, word) of random flips under the same limits, `slope.most` for each place that may be flipped."""


class Likeness(ABC):
    """A measure of how alike two texts are."""

    @abstractmethod
    def alike(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Similarity of each pair of texts, 1 for equal meaning."""
