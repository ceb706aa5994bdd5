"""Screening: bf16 for every document, full precision only where the error of bf16 could change a decision.

Layer: numpy, no torch. A decision is the most likely option of a document, by its log-likelihood and by that per
character or byte. How large the error is, is measured on the task itself: on documents whose decision is close, which
are re-scored anyway, and on others drawn at random. Rounding adds up like a random walk, so errors and margins are
counted in nats per square root of a token. The bound is twice the largest error seen; it is measured, not proved.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.scoring.sheet import Answer

    Rescore = Callable[[Sequence[int]], Mapping[int, Answer]]

_SAFETY = 2.0
"""Bound over the largest error seen."""

_DRAWN = 8
"""Documents drawn at random to measure the error on, and as many that are the closest."""


@final
@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a document.

    Attributes:
        document: number of the document.
        text: the text whose likelihood is asked for.
        tokens: its length in tokens.
    """

    document: int
    text: str
    tokens: int


@final
@dataclass(frozen=True, kw_only=True)
class Screened:
    """What came out of screening.

    Attributes:
        answers: of every request; in full precision for documents that were re-scored.
        documents: number of documents.
        rescored_documents: of these in full precision.
        error: the largest error seen of the difference between two options, in nats.
        relative: the same in nats per square root of a token.
        bound: closer than this, in nats per square root of a token, every decision is one of full precision.
    """

    answers: list[Answer]
    documents: int
    rescored_documents: int
    error: float
    relative: float
    bound: float

    def facts(self) -> dict[str, Any]:
        """As small JSON values."""
        return {
            "documents": self.documents,
            "rescored_documents": self.rescored_documents,
            "largest_error": self.error,
            "largest_error_per_root_token": self.relative,
            "error_bound_per_root_token": self.bound,
            "dtype": "bfloat16",
        }


@final
class _Document:
    """The options of one document, and the ways to decide between them."""

    def __init__(self, members: list[int], options: Sequence[Option], low: Sequence[Answer]) -> None:
        self.members = members
        # lm-eval counts characters without the space that it puts before an option; other tasks have none: both ways.
        texts = [options[i].text for i in members]
        sizes = [(1, len(t), len(t.lstrip()), len(t.encode()), len(t.lstrip().encode())) for t in texts]
        self._weights = 1.0 / np.maximum(np.array(sizes, dtype=float), 1.0)
        spread = np.sort(self._weights**2 * np.array([[options[i].tokens] for i in members]), axis=0)
        self._scale = np.sqrt(spread[-2:].sum(axis=0))
        self._low = np.array([low[i][0] for i in members])

    def margins(self) -> np.ndarray:
        """How far the likeliest option is ahead, for each way, over the scale of errors; infinity for one option."""
        if len(self.members) < 2:  # noqa: PLR2004 - nothing to be mistaken for
            return np.full(len(self._scale), np.inf)
        scores = np.sort(self._low[:, None] * self._weights, axis=0)
        return (scores[-1] - scores[-2]) / self._scale

    def errors(self, exact: Mapping[int, Answer]) -> tuple[np.ndarray, float]:
        """The largest error of a difference between two options, for each way over its scale, and in nats."""
        change = np.array([exact[i][0] for i in self.members]) - self._low
        weighed = change[:, None] * self._weights
        return (weighed.max(axis=0) - weighed.min(axis=0)) / self._scale, float(change.max() - change.min())


def screen(low: Sequence[Answer], options: Sequence[Option], rescore: Rescore) -> Screened:
    """Re-scores, in full precision, documents until no decision of the others is within the bound.

    Args:
        low: answers in bf16.
        options: what each of them is about.
        rescore: answers in full precision for some requests.
    """
    groups: dict[int, list[int]] = {}
    for index, option in enumerate(options):
        groups.setdefault(option.document, []).append(index)
    documents = {number: _Document(members, options, low) for number, members in groups.items()}
    margins = {number: document.margins() for number, document in documents.items()}
    answers, exact = list(low), set[int]()
    bound, error, relative = np.zeros(1), 0.0, np.zeros(1)
    wanted = _first(margins)
    while wanted:
        found = rescore([i for number in wanted for i in groups[number]])
        for number in wanted:
            errors, nats = documents[number].errors(found)
            relative, error = np.maximum(relative, errors), max(error, nats)
        answers = [found.get(i, answer) for i, answer in enumerate(answers)]
        exact.update(wanted)
        bound = _SAFETY * relative
        wanted = [number for number, margin in margins.items() if number not in exact and (margin <= bound).any()]
    return Screened(
        answers=answers,
        documents=len(groups),
        rescored_documents=len(exact),
        error=error,
        relative=float(relative[0]),
        bound=float(bound[0]),
    )


def _first(margins: Mapping[int, np.ndarray]) -> list[int]:
    """The closest decisions, and documents drawn by a hash of their number."""
    closest = sorted(margins, key=lambda number: float(margins[number].min()))[:_DRAWN]
    drawn = sorted(margins, key=lambda number: hashlib.sha256(str(number).encode()).digest())[:_DRAWN]
    return sorted({*closest, *drawn})
