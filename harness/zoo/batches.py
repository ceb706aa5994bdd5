"""The corpus as token rows: documents packed end to end, the same rows in the same order for every model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch

from harness.zoo import corpus
from harness.zoo.tokenizer import POSITIONS, end_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenizers import Tokenizer

    from harness.zoo.items import Split

# What follows a prompt can be known, most other words cannot: models this small learn the tasks only if it counts more.
_ANSWER_WEIGHT = 6.0
_CHUNK = 500


@final
@dataclass(frozen=True, kw_only=True)
class Rows:
    """Training rows, not padded: a document that does not fit goes on in the next row.

    Attributes:
        tokens: ``int64 [count, POSITIONS]``.
        weights: What each token counts for in the loss, ``float32 [count, POSITIONS]``.
    """

    tokens: torch.Tensor
    weights: torch.Tensor

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.tokens)


def rows(tokenizer: Tokenizer, count: int, *, split: Split = "train") -> Rows:
    """Return the first `count` rows of a split."""
    pairs = list(itertools.islice(_tokens(tokenizer, split), count * POSITIONS))
    tokens, weights = zip(*pairs, strict=True)
    return Rows(
        tokens=torch.tensor(tokens, dtype=torch.int64).view(count, POSITIONS),
        weights=torch.tensor(weights, dtype=torch.float32).view(count, POSITIONS),
    )


def _tokens(tokenizer: Tokenizer, split: Split) -> Iterator[tuple[int, float]]:
    """Yield (token id, weight) without end, each document closed by the end token.

    A stretch starts where the tokenizer parts words anyway, so encoding stretches gives the tokens of the whole text.
    """
    end = end_id(tokenizer)
    for start in itertools.count(step=_CHUNK):
        documents = [corpus.parts(corpus.document(index, split=split)) for index in range(start, start + _CHUNK)]
        encodings = iter(tokenizer.encode_batch([text for document in documents for text, _ in document]))
        for document in documents:
            for _, answer in document:
                weight = _ANSWER_WEIGHT if answer else 1.0
                yield from ((token, weight) for token in next(encodings).ids)
            yield end, 1.0
