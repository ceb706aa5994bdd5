"""Whether a model knows what it knows: confidence from the log-likelihoods of the options against being right.

Layer: beside `stats`; numpy only. Confidence is the softmax over the options of a document, nothing else.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis import stats
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

BINS = 15
"""Groups of equally many documents."""

DRAWS = 1_000
"""Draws of what the error of a perfectly calibrated model would be."""


@final
@dataclass(frozen=True, kw_only=True)
class Bin:
    """Documents of about one confidence.

    Attributes:
        confidence: mean.
        accuracy: share that is right.
        interval: Wilson's, 95 %.
        n: documents.
    """

    confidence: float
    accuracy: float
    interval: Interval
    n: int


@final
@dataclass(frozen=True, kw_only=True)
class Error:
    """Expected calibration error and what it must be set against.

    Attributes:
        value: mean over documents of |confidence - accuracy| of their group.
        floor: what a perfectly calibrated model of these confidences has on average: it is never 0.
        limit: what 95 % of such models stay below.
        p: share of such models with a larger error: the p-value of being calibrated.
    """

    value: float
    floor: float
    limit: float
    p: float


@final
@dataclass(frozen=True, kw_only=True)
class Brier:
    """Mean squared error of the confidence in the chosen option, and its parts.

    Attributes:
        value: `reliability - resolution + uncertainty + within`.
        stderr: of the value.
        reliability: squared distance of confidence and accuracy over groups: less is better.
        resolution: how far the groups' accuracies lie apart: more is better.
        uncertainty: `p (1 - p)` of the accuracy.
        within: what the spread of confidence inside the groups adds.
    """

    value: float
    stderr: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def padded(logprobs: Sequence[Sequence[float]]) -> Floats:
    """Log-likelihoods as `(documents, options)`; where a document has fewer options, the rest is `-inf`.

    Raises:
        ValueError: a document without options, or one whose options are all impossible or not numbers.
    """
    width = max((len(row) for row in logprobs), default=0)
    table = np.full((len(logprobs), width), -np.inf)
    for place, row in enumerate(logprobs):
        table[place, : len(row)] = row
    if not width or np.isnan(table).any() or not np.isfinite(table.max(axis=1)).all():
        raise ValueError("calibration needs at least one finite log-likelihood for every document")
    return table


def probabilities(table: Floats, *, temperature: float = 1.0) -> Floats:
    """Softmax over the options of each document, `(documents, options)`."""
    scaled = table / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def confident(shares: Floats, gold: Ints) -> tuple[Floats, Floats]:
    """Confidence in the likeliest option, and whether it is the right one (1 or 0)."""
    return shares.max(axis=1), (shares.argmax(axis=1) == gold).astype(float)


def nll(shares: Floats, gold: Ints) -> Floats:
    """Surprise at the right option of each document, in nats; its mean has a normal interval."""
    return -np.log(np.maximum(shares[np.arange(len(gold)), gold], np.finfo(float).tiny))


def reliability(confidence: Floats, right: Floats, *, bins: int = BINS) -> list[Bin]:
    """The points of a reliability diagram: groups of equally many documents, by confidence."""
    found = []
    for members in _groups(confidence, bins):
        n, hits = len(members), round(float(right[members].sum()))
        found.append(Bin(confidence=float(confidence[members].mean()), accuracy=hits / n,
                         interval=stats.wilson(hits, n), n=n))  # fmt: skip
    return found


def luck(n: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Uniform numbers, `(DRAWS, n)`, that decide what a perfectly calibrated model is right on."""
    return np.random.default_rng(seed).random((DRAWS, n), dtype=np.float32)


def expected_error(
    confidence: Floats, right: Floats, *, bins: int = BINS, drawn: NDArray[np.float32] | None = None
) -> Error:
    """Expected calibration error over groups of equally many documents, and whether chance alone explains it.

    The error of a finite sample is above 0 even for a perfect model, so that it is set against what models that are
    right exactly as often as they say would show.

    Args:
        confidence: of each document.
        right: 1 or 0.
        bins: groups.
        drawn: of `luck`, for as many documents; None to draw it. Models on the same documents may share one.

    Source:
        Naeini, Cooper and Hauskrecht (2015), AAAI; Nixon et al. (2019), arXiv 1904.01685 (equal mass); Vaicenavicius et
        al. (2019), AISTATS, arXiv 1902.06977 (consistency resampling).
    """
    order, edges = np.argsort(confidence, kind="stable"), _edges(len(confidence), bins)
    sure = confidence[order]
    stated = np.add.reduceat(sure, edges)
    value = float(np.abs(np.add.reduceat(right[order], edges) - stated).sum()) / len(sure)
    lucky = (luck(len(sure)) if drawn is None else drawn) < sure.astype(np.float32)
    perfect = np.abs(_sums(lucky, edges) - stated).sum(axis=1) / len(sure)
    p = (1 + int((perfect >= value - 1e-12).sum())) / (1 + DRAWS)
    return Error(value=value, floor=float(perfect.mean()), limit=float(np.quantile(perfect, 0.95)), p=p)


def _sums(table: NDArray[np.bool_], edges: Ints) -> Floats:
    """How many are true in every group of columns, `(rows, groups)`."""
    ends = [*edges[1:].tolist(), table.shape[1]]
    parts = [np.count_nonzero(table[:, a:b], axis=1) for a, b in zip(edges.tolist(), ends, strict=True)]
    return np.stack(parts, axis=1).astype(float)


def brier(confidence: Floats, right: Floats, *, bins: int = BINS) -> Brier:
    """Brier score of the chosen option, with Murphy's parts over groups of equally many documents.

    Source:
        Brier (1950), Monthly Weather Review 78:1; Murphy (1973), Journal of Applied Meteorology 12:595; Stephenson,
        Coelho and Jolliffe (2008), Weather and Forecasting 23:752 (the part within groups).
    """
    n, rate = len(right), float(right.mean())
    errors = (confidence - right) ** 2
    parts = [(len(m), float(confidence[m].mean()), float(right[m].mean())) for m in _groups(confidence, bins)]
    reliable = sum(k * (c - o) ** 2 for k, c, o in parts) / n
    resolved = sum(k * (o - rate) ** 2 for k, _, o in parts) / n
    value, unsure = float(errors.mean()), rate * (1 - rate)
    stderr = float(errors.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Brier(value=value, stderr=stderr, reliability=reliable, resolution=resolved, uncertainty=unsure,
                 within=value - reliable + resolved - unsure)  # fmt: skip


def options_brier(shares: Floats, gold: Ints) -> Floats:
    """Brier score over all options of each document, 0..2: its mean has a normal interval.

    Source:
        Brier (1950), Monthly Weather Review 78:1.
    """
    truth = np.zeros_like(shares)
    truth[np.arange(len(gold)), gold] = 1
    return ((shares - truth) ** 2).sum(axis=1)


def risk_coverage(confidence: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Coverage and error rate when only the most confident share is answered; equal confidences are taken as one.

    The area under the curve is the mean of the risks. Documents of equal confidence have the mean risk of any order.

    Source:
        El-Yaniv and Wiener (2010), JMLR 11:1605; Geifman, Uziel and El-Yaniv (2019), arXiv 1805.08206 (AURC).
    """
    order = np.argsort(-confidence, kind="stable")
    _, starts, counts = np.unique(-confidence[order], return_index=True, return_counts=True)
    shares = np.add.reduceat(1 - right[order], starts) / counts
    wrong = np.cumsum(np.repeat(shares, counts))
    answered = np.arange(1, len(right) + 1)
    return answered / len(right), wrong / answered


def aurc(confidence: Floats, right: Floats) -> float:
    """Area under the risk-coverage curve: the error rate averaged over all coverages."""
    return float(risk_coverage(confidence, right)[1].mean())


def auroc(confidence: Floats, right: Floats) -> tuple[float, Interval]:
    """Chance that a right answer is given with more confidence than a wrong one, with DeLong's interval (logit scale).

    NaN where all answers are right, or none is.

    Source:
        DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837; Pepe (2003), section 5.2.4 (logit scale).
    """
    hits, misses = np.sort(confidence[right == 1]), np.sort(confidence[right == 0])
    if len(hits) < 2 or len(misses) < 2:
        return math.nan, Interval(math.nan, math.nan)
    above = _above(hits, misses)
    value = float(above.mean())
    variance = float(above.var(ddof=1)) / len(hits) + float((1 - _above(misses, hits)).var(ddof=1)) / len(misses)
    if not 0 < value < 1:
        return value, Interval(math.nan, math.nan)
    half = stats.z_value() * math.sqrt(variance) / (value * (1 - value))
    logit = math.log(value / (1 - value))
    return value, Interval(*(1 / (1 + math.exp(-end)) for end in (logit - half, logit + half)))


def temperature(table: Floats, gold: Ints) -> float:
    """The temperature that makes the right options of a development part likeliest; judge it on other documents.

    Args:
        table: log-likelihoods of the options, of the development part only.
        gold: position of the right one.

    Source:
        Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv 1706.04599; the minimum by golden section.
    """
    lo, hi, ratio = math.log(0.05), math.log(50.0), (math.sqrt(5) - 1) / 2
    cost = {}

    def loss(at: float) -> float:
        return cost.setdefault(at, float(nll(probabilities(table, temperature=math.exp(at)), gold).mean()))

    left, right = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
    for _ in range(40):
        if loss(left) <= loss(right):
            hi, right = right, left
            left = hi - ratio * (hi - lo)
        else:
            lo, left = left, right
            right = lo + ratio * (hi - lo)
    return math.exp((lo + hi) / 2)


def _above(values: Floats, others: Floats) -> Floats:
    """For each value the share of the (sorted) others below it, ties counted half."""
    below = np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")
    return below / (2 * len(others))


def _edges(n: int, bins: int) -> Ints:
    return np.unique(np.linspace(0, n, min(bins, n) + 1).astype(np.intp)[:-1])


def _groups(confidence: Floats, bins: int) -> list[Ints]:
    order = np.argsort(confidence, kind="stable")
    return [part for part in np.split(order, _edges(len(order), bins)[1:]) if len(part)]
