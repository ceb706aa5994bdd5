"""What is asked: documents, each a few requests that a task would compare.

Layer: no torch. Requests are in the form that lm-eval hands to a backend after tokenising, so that every contestant
scores the same token ids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = tuple[tuple[str, str], list[int], list[int]]
"""(context, continuation), tokens of the context, tokens of the continuation."""

SEVEN = ("hellaswag", "piqa", "arc0", "arc10", "mmlu", "boolq", "blimp")
"""The workloads of the geometric mean."""

TITLES = {
    "hellaswag": "HellaSwag, 0-shot",
    "piqa": "PIQA, 0-shot",
    "arc0": "ARC-easy, 0-shot",
    "arc10": "ARC-easy, 10-shot",
    "mmlu": "letters, 5-shot",
    "boolq": "BoolQ, 0-shot",
    "blimp": "BLiMP pairs",
    "paradigm": "a BLiMP paradigm",
    "rolling": "WikiText, rolling",
}


@final
@dataclass(frozen=True, kw_only=True)
class Workload:
    """Documents to score.

    Attributes:
        name: a key of `TITLES`.
        documents: requests of each document; its answer is the request with the highest log-likelihood.
        texts: whole texts, for rolling log-likelihood; then there are no documents.
        source: `real` or `synthetic`.
    """

    name: str
    documents: tuple[tuple[Item, ...], ...] = ()
    texts: tuple[str, ...] = ()
    source: str = "real"

    @property
    def items(self) -> list[Item]:
        """Requests of all documents in order."""
        return [item for document in self.documents for item in document]

    @property
    def size(self) -> int:
        """Documents or texts."""
        return len(self.documents) or len(self.texts)

    @property
    def tokens(self) -> int:
        """Input tokens of the distinct rows; characters, where there are only texts."""
        rows = {tuple(context + answer[:-1]) for _, context, answer in self.items}
        return sum(map(len, rows)) + sum(map(len, self.texts))

    def subset(self, indices: list[int]) -> Workload:
        """The documents or texts at `indices`."""
        documents = tuple(self.documents[i] for i in indices) if self.documents else ()
        texts = tuple(self.texts[i] for i in indices) if self.texts else ()
        return replace(self, documents=documents, texts=texts)

    def first(self, count: int) -> Workload:
        """The first `count` documents or texts."""
        return self.subset(list(range(count)))

    def choices(self, logprobs: list[float]) -> list[int]:
        """The answer to each document, from the log-likelihoods of `items`."""
        found, start = [], 0
        for document in self.documents:
            part = logprobs[start : start + len(document)]
            found.append(part.index(max(part)))
            start += len(document)
        return found


def of_pairs(name: str, documents: Iterable[list[tuple[str, str]]], tokenizer: Any, *, source: str) -> Workload:
    """A workload from the texts of its requests, tokenised as lm-eval tokenises them."""
    from harness.scoring.requests import Encoder

    texts = [document for document in documents if document]
    flat = [pair for document in texts for pair in document]
    encoded = iter(Encoder(tokenizer).pairs(flat))
    rows = (tuple((pair, *next(encoded)) for pair in document) for document in texts)
    return Workload(name=name, documents=tuple(rows), source=source)
