"""FormatSpread's grammar of prompt formats: how descriptors such as `Question:` are written and fields are joined.

Layer: tasks, light and pure: stdlib only.

Source: Sclar et al., Quantifying language models' sensitivity to spurious features in prompt design, ICLR 2024
(arXiv 2310.11324): its separators, spaces, casings and item wrappers, its rules that a descriptor never touches its
text and that a line break after the descriptor wants one between fields. A space is never empty here. The numbering of
items is left alone: the labels of options are answers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, final

from harness.config import one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = 1
"""Part of every seed: raised when the formats that a seed stands for change."""

CASINGS: Mapping[str, Callable[[str], str]] = {"as_is": str, "title": str.title, "upper": str.upper, "lower": str.lower}
SEPARATORS = (
    "::: ", ":: ", ": ", " \n\t", "\n    ", " : ", " - ", " ", "\n ", "\n\t", ":", "::", "- ", "\t",
)  # fmt: skip
"""What stands between a descriptor and its text."""
SPACES = (
    " ", "\n", " \n", " -- ", "  ", "; \n", " || ", " <sep> ", ", ", " \n ", " , ", "\n ", ". ", " ,  ",
)  # fmt: skip
"""What stands between two fields, and between two listed options."""
WRAPPERS = ("({})", "{}.", "{})", "{} )", "[{}]", "<{}>")
"""How the label of a listed option is written."""


@final
@dataclass(frozen=True, kw_only=True)
class Format:
    r"""One way to write the prompts of a task.

    Attributes:
        casing: of descriptors: `as_is`, `title`, `upper` or `lower`.
        separator: between a descriptor and its text.
        space: between two fields.
        wrapper: of the labels of listed options, with `{}` for the label.

    >>> one = Format(casing="upper", separator=" - ", space=" || ", wrapper="({})")
    >>> one.descriptor("Answer"), one.visible, one.blank, one.item("A")
    ('ANSWER', ' -', ' ', '(A)')
    """

    casing: str
    separator: str
    space: str
    wrapper: str

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: naming the field, its value and what would be right.
        """
        one_of(self.casing, CASINGS, field="casing")
        one_of(self.separator, SEPARATORS, field="separator")
        one_of(self.space, SPACES, field="space")
        one_of(self.wrapper, WRAPPERS, field="wrapper")

    def descriptor(self, words: str) -> str:
        """A descriptor in this casing."""
        return CASINGS[self.casing](words)

    def item(self, label: str) -> str:
        """The label of a listed option in its wrapper."""
        return self.wrapper.format(label)

    @property
    def visible(self) -> str:
        """The separator without the white space at its end: what a prompt that ends in a descriptor ends in."""
        return self.separator.rstrip()

    @property
    def blank(self) -> str:
        """The white space at the end of the separator, which goes to the answer."""
        return self.separator[len(self.visible) :]


def draw(seed: int, number: int, attempt: int = 0) -> Format:
    """Format `number` of a seed, the same for every model and task.

    The first formats of a seed have different separators, as many as there are, so that they differ on every template
    that has a descriptor.

    Args:
        seed: of all formats.
        number: which one, from 0.
        attempt: 0, or more where a task can do nothing with those before.
    """
    rng = _rng(seed, number, attempt)
    separator = rng.choice(SEPARATORS)
    if attempt == 0:
        turn, place = divmod(number, len(SEPARATORS))
        order = list(SEPARATORS)
        _rng(seed, "separators", turn).shuffle(order)
        separator = order[place]
    spaces = [space for space in SPACES if "\n" in space or "\n" not in separator]
    return Format(
        casing=rng.choice(list(CASINGS)),
        separator=separator,
        space=rng.choice(spaces),
        wrapper=rng.choice(WRAPPERS),
    )


def _rng(*parts: object) -> Random:
    key = json.dumps([VERSION, "prompt_format", *map(str, parts)]).encode()
    return Random(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))  # noqa: S311 - a draw, not a secret
