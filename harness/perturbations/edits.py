"""What was done to a text: edits with offsets into it, and the text that results.

Layer: bottom of `perturbations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from harness.perturbations.source import Source

T = TypeVar("T")
_RESOLUTION = 2**53


class Edit(NamedTuple):
    """`old` at source[start:end] became `new`; `start == end` is an insertion, an empty `new` a deletion."""

    start: int
    end: int
    old: str
    new: str


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Perturbed:
    """A text after a perturbation.

    Attributes:
        text: what the model is given.
        edits: what was changed, in the order of the source; they do not overlap.
        sites: places that could have been edited at this severity. The share that is depends on chance.
    """

    text: str
    edits: tuple[Edit, ...]
    sites: int

    @property
    def applicable(self) -> bool:
        """Whether there was any place to edit."""
        return self.sites > 0


def apply(text: str, edits: Sequence[Edit]) -> str:
    """`text` with the edits made.

    >>> apply("a fine film", [Edit(3, 4, "i", "o"), Edit(11, 11, "", "!")])
    'a fone film!'
    """
    pieces: list[str] = []
    position = 0
    for start, end, _, new in edits:
        pieces += (text[position:start], new)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


def done(source: Source, edits: Sequence[Edit], sites: int) -> Perturbed:
    """The result of a perturbation that made these edits, of so many sites."""
    text = apply(source.text, edits) if edits else source.text
    return Perturbed(text=text, edits=tuple(edits), sites=sites)


def hits(sites: Sequence[T], chance: float, rng: Random) -> list[tuple[T, int]]:
    """The sites that are edited, each with 53 random bits that choose how.

    One uniform is drawn for every site. It decides by its size, and its lower bits choose; so neither depends on the
    severity, nor on which other sites are edited.

    Args:
        sites: all of them, in the order of the text.
        chance: severity x rate, in 0..1.
        rng: seeded without the severity.
    """
    draw = rng.random
    return [(site, int(u * _RESOLUTION)) for site in sites if (u := draw()) < chance]


def like(example: str, word: str) -> str:
    """`word` in the case of `example`: lower, Capital or UPPER.

    >>> like("Their", "there"), like("NOT", "won't"), like("I", "we")
    ('There', "WON'T", 'We')
    """
    if not example[:1].isupper():
        return word
    return word.upper() if len(example) > 1 and example.isupper() else word[:1].upper() + word[1:]
