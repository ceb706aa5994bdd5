"""Screening: bf16 for every document, full precision only where the error of bf16 could change a decision.

Layer: torch. A decision is the most likely option of a document, by its log-likelihood and by that per character or
byte. How large the error is, is measured on the task itself: on documents whose decision is close, which are re-scored
anyway, and on others drawn at random. The bound is twice the largest error seen; it is measured, not proved.
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

_DRAWN = 24
"""Documents drawn at random to measure the error on."""


@final
@dataclass(frozen=True, kw_only=True)
class Screened:
    """What came out of screening.

    Attributes:
        answers: of every request; in full precision for documents that were re-scored.
        rescored: requests in full precision.
        documents: number of documents.
        rescored_documents: of these in full precision.
        bound: the bound on the error of the difference between two options, in nats.
        error: the largest such error seen.
    """

    answers: list[Answer]
    rescored: frozenset[int]
    documents: int
    rescored_documents: int
    bound: float
    error: float

    def facts(self) -> dict[str, Any]:
        """As small JSON values."""
        return {
            "documents": self.documents,
            "rescored_documents": self.rescored_documents,
            "error_bound": self.bound,
            "largest_error": self.error,
            "dtype": "bfloat16",
        }


def screen(low: Sequence[Answer], documents: Sequence[int], options: Sequence[str], rescore: Rescore) -> Screened:
    """Re-scores, in full precision, documents until no decision of the others is within the bound.

    Args:
        low: answers in bf16.
        documents: the document of each request.
        options: the text whose likelihood each request asks for.
        rescore: answers in full precision for some requests.
    """
    groups: dict[int, list[int]] = {}
    for index, document in enumerate(documents):
        groups.setdefault(document, []).append(index)
    weights = {d: _weights([options[i] for i in members]) for d, members in groups.items()}
    answers = list(low)
    # One decision per column: the bound of each is in its own unit.
    margins = {d: _margins(_values(low, members), weights[d]) for d, members in groups.items()}
    bound = np.zeros(next(iter(weights.values())).shape[1]) if weights else np.zeros(1)
    errors = bound.copy()
    exact: set[int] = set()
    wanted = _first(margins)
    while wanted:
        members = [i for d in wanted for i in groups[d]]
        found = rescore(members)
        for d in wanted:
            change = _values(found, groups[d]) - _values(low, groups[d])
            errors = np.maximum(errors, _spread(change[:, None] * weights[d]))
        answers = [found.get(i, answer) for i, answer in enumerate(answers)]
        exact.update(wanted)
        bound = _SAFETY * errors
        wanted = [d for d, margin in margins.items() if d not in exact and bool((margin <= bound).any())]
    return Screened(
        answers=answers,
        rescored=frozenset(i for d in exact for i in groups[d]),
        documents=len(groups),
        rescored_documents=len(exact),
        bound=float(bound[0]),
        error=float(errors[0]),
    )


def _values(answers: Mapping[int, Answer] | Sequence[Answer], members: Sequence[int]) -> np.ndarray:
    return np.array([answers[i][0] for i in members])


def _weights(options: Sequence[str]) -> np.ndarray:
    """What log-likelihoods are multiplied by for each way to decide `[options, ways]`: 1, 1/characters, 1/bytes.

    lm-eval counts characters without the space that it puts before an option; other tasks have none: both are here.
    """
    lengths = [(1, len(text), len(text.lstrip()), len(text.encode()), len(text.lstrip().encode())) for text in options]
    return 1.0 / np.maximum(np.array(lengths, dtype=float), 1.0)


def _margins(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How far the best option is ahead, for each way to decide; infinity where there is one option."""
    if len(values) < 2:  # noqa: PLR2004 - nothing to be mistaken for
        return np.full(weights.shape[1], np.inf)
    scores = np.sort(values[:, None] * weights, axis=0)
    return scores[-1] - scores[-2]


def _spread(change: np.ndarray) -> np.ndarray:
    """The largest error of a difference between two options, for each way to decide."""
    return change.max(axis=0) - change.min(axis=0)


def _first(margins: Mapping[int, np.ndarray]) -> list[int]:
    """The closest decisions, and documents drawn by a hash of their number."""
    closest = sorted(margins, key=lambda d: float(margins[d][0]))[:_DRAWN]
    drawn = sorted(margins, key=lambda d: hashlib.sha256(str(d).encode()).digest())[:_DRAWN]
    return sorted({*closest, *drawn})
