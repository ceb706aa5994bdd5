"""Numbers of robustness on plain arrays: drops, worst cases, areas, shifts of predictions, spreads of prompts.

Layer: beside `stats`; numpy and the standard library only. Rows are documents; everything is paired on them.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis import stats
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DRAWS = 10_000
"""Resamples behind every bootstrap interval."""

PERMUTATIONS = 1_000
"""Draws of what the spread of prompts is when all of them are equal."""

HELD = 2_000_000
"""Numbers of resamples that are held at a time."""

KEPT = 128_000_000
"""Counts of resamples that are kept, so that all models share them; beyond they are drawn again."""

UNKNOWN = Interval(math.nan, math.nan)
"""The interval of what has none."""


@final
@dataclass(frozen=True, kw_only=True)
class Drop:
    """How much worse varied input makes a score on the same documents.

    Attributes:
        value: mean of clean minus varied.
        lo: lower end of its 95 % interval.
        hi: upper end.
        p: two-sided p-value of no difference.
    """

    value: float
    lo: float
    hi: float
    p: float


def binary(values: Floats) -> bool:
    """Whether all scores are right or wrong."""
    return bool(((values == 0) | (values == 1)).all())


def mean_interval(values: Floats) -> Interval:
    """95 % interval of a mean over documents: Wilson's for right or wrong, else Student's; unknown for fewer than two.

    Source:
        Wilson (1927), JASA 22:209; Miller (2024), arXiv 2411.00640.
    """
    n = len(values)
    if n and binary(values):
        return stats.wilson(round(float(values.sum())), n)
    if n < 2:
        return UNKNOWN
    mean, half = float(values.mean()), student(n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean - half, mean + half)


def drop(clean: Floats, varied: Floats) -> Drop:
    """The paired drop with its interval and test.

    Right-or-wrong scores: Agresti and Min's interval (half an item added to each of the four outcomes), which is not
    empty where no outcome changed, and McNemar's exact test. Other scores: Student's.

    Source:
        Agresti and Min (2005), Statistics in Medicine 24:729; McNemar (1947), Psychometrika 12:153.
    """
    n = len(clean)
    tested = stats.paired(clean, varied)  # pyright: ignore[reportArgumentType] - an array is a sequence of numbers
    if binary(clean) and binary(varied):
        b, c = tested.only_a + 0.5, tested.only_b + 0.5
        centre, half = (b - c) / (n + 2), stats.z_value() * math.sqrt(b + c - (b - c) ** 2 / (n + 2)) / (n + 2)
        # The interval's centre is drawn towards 0, so that with very few documents the drop could lie outside.
        lo, hi = min(centre - half, tested.difference), max(centre + half, tested.difference)
    elif n < 2:
        lo, hi = math.nan, math.nan
    else:
        half = student(n - 1) * tested.stderr
        lo, hi = tested.difference - half, tested.difference + half
    return Drop(value=tested.difference, lo=lo, hi=hi, p=tested.p)


def per_document(values: Floats, weights: Floats | None) -> Floats:
    """Values whose plain mean is the weighted mean, and whose spread is that of the ratio estimator.

    Args:
        values: one per document.
        weights: bytes of each document, None for equal ones.

    Source:
        Cochran (1977), Sampling Techniques, 3rd edition, section 6.4: linearisation of a ratio of sums.
    """
    if weights is None or not weights.sum() > 0:
        return values
    ratio = float((weights * values).sum() / weights.sum())
    return ratio + weights * (values - ratio) / weights.mean()


def resampled(columns: Floats) -> Floats:
    """Means of each column over documents drawn with replacement, the same ones for all columns: `(DRAWS, columns)`.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    n = len(columns)
    counts = _counts(n, DRAWS, 0) if n * DRAWS <= KEPT else None
    found, start = [], 0
    for seed, number in enumerate(_portions(DRAWS, each=n)):
        part = _counts.__wrapped__(n, number, seed) if counts is None else counts[start : start + number]
        found.append(part.astype(float) @ columns / n)
        start += number
    return np.concatenate(found)


def ends(draws: Floats) -> Interval:
    """The 2.5th and 97.5th percentile; unknown where a tenth of the draws or more is undefined."""
    known = draws[np.isfinite(draws)]
    if len(known) <= 0.9 * len(draws):
        return UNKNOWN
    lo, hi = np.quantile(known, (0.025, 0.975))
    return Interval(float(lo), float(hi))


def drop_rate(clean: Floats | float, varied: Floats | float, *, higher: bool) -> Floats:
    """Share of the clean score that is lost, `1 - varied / clean`; where lower is better the share that is added.

    Not defined (not 0) where the clean score is 0.

    Source:
        Zhu et al. (2023), PromptRobust, arXiv 2306.04528: performance drop rate.
    """
    before, after = np.asarray(clean, dtype=float), np.asarray(varied, dtype=float)
    ratio = np.divide(after, before, out=np.full(np.broadcast(before, after).shape, np.nan), where=before != 0)
    return 1 - ratio if higher else ratio - 1


def worst(clean: Floats, varied: Floats, *, higher: bool) -> Floats:
    """For each document the worst of its clean score and of its scores in the columns of `varied`.

    Source:
        Liang et al. (2022), HELM, arXiv 2211.09110, section 4.4: worst case over the perturbations of an instance.
    """
    both = np.column_stack([clean, varied])
    return both.min(axis=1) if higher else both.max(axis=1)


def area(severities: Sequence[float], values: Floats) -> Floats:
    """Normalised area under severity curves that start at the clean score: 1 where nothing is lost.

    Args:
        severities: rising, the first one 0.
        values: `(..., severities)`.

    Source:
        After Hendrycks and Dietterich (2019), arXiv 1903.12261: mean over severities against the clean score.
    """
    s = np.asarray(severities, dtype=float)
    under = (np.diff(s) * (values[..., 1:] + values[..., :-1]) / 2).sum(axis=-1)
    whole = values[..., 0] * (s[-1] - s[0])
    return np.divide(under, whole, out=np.full(np.shape(under), np.nan), where=whole != 0)


def shift(before: Floats, after: Floats) -> Floats:
    """Jensen-Shannon divergence of two distributions over options, row by row, in bits: 0 alike, 1 disjoint.

    Source:
        Lin (1991), IEEE Transactions on Information Theory 37:145.
    """
    middle = (before + after) / 2
    total = np.zeros(len(before))
    for part in (before, after):
        ratio = np.divide(part, middle, out=np.ones_like(part), where=part > 0)
        total += (part * np.log2(ratio)).sum(axis=1)
    return np.clip(total / 2, 0.0, 1.0)


def consistency(answers: Ints) -> float:
    """Mean over unordered pairs of columns of the share of documents with the same answer; NaN for one column.

    Source:
        Nalbandyan et al. (2025), SCORE, arXiv 2503.00137: consistency rate.
    """
    pairs = [(answers[:, i] == answers[:, j]).mean() for i in range(answers.shape[1]) for j in range(i)]
    return float(np.mean(pairs)) if pairs else math.nan


def equal_spreads(scores: Floats) -> Floats:
    """Spreads (highest minus lowest mean) if all columns were equal: outcomes change places within each document.

    Source:
        A permutation test in blocks, as in Good (2005), Permutation, Parametric and Bootstrap Tests, section 7.
    """
    varying = scores[scores.max(axis=1) > scores.min(axis=1)]
    if not len(varying):
        return np.zeros(PERMUTATIONS)
    rng, found = np.random.default_rng(1), []
    for number in _portions(PERMUTATIONS, each=varying.size):
        moved = rng.permuted(np.broadcast_to(varying, (number, *varying.shape)), axis=2)
        found.append(np.ptp(moved.sum(axis=1), axis=1) / len(scores))
    return np.concatenate(found)


def independent(first: Floats, second: Floats) -> Interval:
    """95 % interval of the difference of two means over different documents: Newcombe's for rates, else Welch's.

    Source:
        Newcombe (1998), Statistics in Medicine 17:873, method 10; Welch (1947), Biometrika 34:28 (normal quantile).
    """
    gap = float(first.mean() - second.mean())
    if binary(first) and binary(second):
        a, b = mean_interval(first), mean_interval(second)
        p, q = float(first.mean()), float(second.mean())
        return Interval(gap - math.hypot(p - a.lo, b.hi - q), gap + math.hypot(a.hi - p, q - b.lo))
    if min(len(first), len(second)) < 2:
        return UNKNOWN
    return stats.normal(gap, math.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)))


def effective(inside: Floats, outside: Floats) -> Floats:
    """Out-of-domain accuracy of each model beyond what the fit over all models predicts from that in domain.

    The fit is linear between logits; accuracies of 0 and 1 are drawn in by 0.1 %.

    Source:
        Taori et al. (2020), arXiv 2007.00644; Miller et al. (2021), arXiv 2107.04649.
    """
    x, y = (np.log(p / (1 - p)) for p in (np.clip(inside, 0.001, 0.999), np.clip(outside, 0.001, 0.999)))
    centred = x - x.mean()
    scale = float((centred**2).sum())
    if scale == 0:
        return np.full(len(x), np.nan)
    line = y.mean() + float((centred * y).sum()) / scale * centred
    return outside - 1 / (1 + np.exp(-line))


@lru_cache(maxsize=256)
def student(df: int) -> float:
    """The 97.5th percentile of Student's t, by bisection of its p-value."""
    if df > 1000:
        return stats.z_value()
    lo, hi = 1.0, 13.0
    for _ in range(40):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if stats.student_p(middle, df) > 0.05 else (lo, middle)
    return hi


@lru_cache(maxsize=2)
def _counts(n: int, draws: int, seed: int) -> NDArray[np.uint8]:
    """How often each document was drawn: `(draws, n)`."""
    rng, made = np.random.default_rng(seed), np.empty((draws, n), dtype=np.uint8)
    start = 0
    for number in _portions(draws, each=n):
        chosen = rng.integers(0, n, (number, n)) + n * np.arange(number)[:, None]
        made[start : start + number] = np.bincount(chosen.ravel(), minlength=number * n).reshape(number, n)
        start += number
    return made


def _portions(total: int, *, each: int) -> Iterator[int]:
    """The total in numbers whose draws fit in memory."""
    step = max(1, HELD // max(each, 1))
    for start in range(0, total, step):
        yield min(step, total - start)
