"""Tokens that are whole words, as flips may use them.

Layer: attacks; no torch.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.attacks.candidates import stop_words
from harness.perturbations import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIECE = re.compile("(Ġ|▁|)([A-Za-z]+)")
"""A word in a vocabulary. Byte-level BPE marks the space before it by the first sign, SentencePiece by the second."""
_SHORTEST = 3

Shape = tuple[str, str]
"""The sign before a word, and its case: what a flip keeps."""


@final
@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The words of a tokenizer that are one token.

    Attributes:
        shapes: token -> shape, of every token that is a word.
        words: token -> word.
        pools: shape -> tokens that may come in: words that are no stop words, negators or numbers.
    """

    shapes: Mapping[int, Shape]
    words: Mapping[int, str]
    pools: Mapping[Shape, list[int]]

    @classmethod
    def of(cls, tokenizer: Any, rows: int, *, language: str = "en") -> Vocabulary:
        """The vocabulary of `tokenizer`, as far as there are `rows` of embeddings."""
        shapes: dict[int, Shape] = {}
        words: dict[int, str] = {}
        pools: dict[Shape, list[int]] = defaultdict(list)
        special = set(tokenizer.all_special_ids)
        refused = stop_words(language).union(*(tables.words(language, name) for name in ("numbers", "negators")))
        pieces = tokenizer.convert_ids_to_tokens(list(range(min(rows, len(tokenizer)))))
        for token, piece in enumerate(pieces):
            match = _PIECE.fullmatch(piece or "")
            if match is None or token in special or not (case := _case(match[2])):
                continue
            shapes[token], words[token] = (match[1], case), match[2]
            if len(match[2]) >= _SHORTEST and match[2].lower() not in refused:
                pools[match[1], case].append(token)
        return cls(shapes=shapes, words=words, pools=dict(pools))

    def probes(self, word: str) -> list[str]:
        """A few words of the same case, of which one is a single token wherever a single token can stand."""
        pools = [pool for (_, case), pool in self.pools.items() if case == _case(word)]
        return [self.words[token] for pool in pools for token in pool[:3] if self.words[token] != word]


def _case(word: str) -> str:
    if word.islower():
        return "lower"
    return "Title" if word.istitle() else "UPPER" if word.isupper() else ""
