"""Numbers of fine-tuning on plain arrays: means over seeds and documents, gaps of rates, where two curves cross.

Layer: beside `robust_stats`; numpy and the standard library only. Rows are documents, columns are seeds. Every adapter
answers the same documents, so that the two are crossed: a mean errs because other documents could have been asked, and
because another seed would have given another adapter.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis import robust_stats as rs
from harness.analysis import stats
from harness.analysis.difference import difference
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.analysis.robust_stats import Floats


KEPT = 1600
"""Documents up to which the draws are kept, so that all comparisons on as many documents share them."""

PORTION = 500
"""Draws that are made at a time."""


@final
@dataclass(frozen=True, kw_only=True)
class Replicated:
    """A mean over documents and seeds.

    Attributes:
        value: the mean.
        interval: 95 %.
        p: two-sided p-value that the true mean is 0.
        stderr: standard error.
        seed_sd: standard deviation of the seeds' means; NaN for one seed.
        n: documents.
        seeds: seeds.
    """

    value: float
    interval: Interval
    p: float
    stderr: float
    seed_sd: float
    n: int
    seeds: int


def beside(after: Floats, before: Floats, *, sign: float = 1.0) -> tuple[Replicated, Replicated]:
    """The mean score, and the paired mean of `sign * (after - before)`, from the same draws.

    Args:
        after: `(documents, seeds)`.
        before: `(documents,)`.
        sign: -1 where a lower score is better.
    """
    if min(after.shape) < 2:
        return scores(after), gains(sign * after, sign * before)
    means = resampled(np.column_stack([widened(after), before]))
    drawn = drawn_seeds(means[:, :-1], seed=after.shape[1])
    return scores(after, drawn=drawn), gains(sign * after, sign * before, drawn=sign * (drawn - means[:, -1]))


def scores(columns: Floats, *, drawn: Floats | None = None) -> Replicated:
    """The mean score of one or more seeds; with one seed Wilson's interval for right or wrong, else Student's.

    Args:
        columns: `(documents, seeds)`.
        drawn: its resampled means, where they are at hand.
    """
    first = columns[:, 0]
    if min(columns.shape) > 1:
        found = crossed(columns, two_level(columns) if drawn is None else drawn)
        if found.stderr > 0:
            return _within(found, 0.0, 1.0) if rs.binary(columns) else found
    n, mean = len(first), float(columns.mean())
    error = float(first.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Replicated(value=mean, interval=rs.mean_interval(first), p=math.nan, stderr=error, seed_sd=_sd(columns),
                      n=n, seeds=columns.shape[1])  # fmt: skip


def gains(after: Floats, before: Floats, *, drawn: Floats | None = None) -> Replicated:
    """The paired mean of `after - before`; of one seed McNemar's exact test for right or wrong, else Student's t.

    Args:
        after: `(documents, seeds)`.
        before: `(documents,)`, or `(documents, seeds)` where each seed has its own.
        drawn: its resampled means; without them the interval of several seeds is Student's.
    """
    columns = after - (before[:, None] if before.ndim == 1 else before)
    if min(columns.shape) > 1:
        found = crossed(columns, drawn)
        if found.stderr > 0:
            return _within(found, -1.0, 1.0) if rs.binary(after) and rs.binary(before) else found
    single = difference(after[:, 0], before if before.ndim == 1 else before[:, 0])
    return Replicated(value=float(columns.mean()), interval=single.interval, p=single.p, stderr=single.stderr,
                      seed_sd=_sd(columns), n=len(columns), seeds=columns.shape[1])  # fmt: skip


def crossed(columns: Floats, drawn: Floats | None = None) -> Replicated:
    """The mean over two seeds or more by a two-level bootstrap: documents are drawn, and seeds are drawn.

    Few seeds say little about all seeds, so their deviations are widened by `sqrt(S / (S - 1))` and the interval by
    Student's quantile over the normal one, at the degrees of freedom of `components`; the p-value is Student's. Where
    seeds differ by less than documents do by chance 96 to 97 % of such intervals hold the truth; where they differ by
    far more, 87 % with two seeds, 92 % with three, 95 % with five (1,500 simulations each, 200 documents).

    Args:
        columns: `(documents, seeds)`.
        drawn: resampled means (`two_level`); without them the interval is Student's.

    Source:
        Owen (2007), Annals of Applied Statistics 1:386 (the pigeonhole bootstrap of crossed effects); Hesterberg
        (2015), The American Statistician 69:371, section 5 (widened tails).
    """
    n, seeds = columns.shape
    variance, df = components(columns)
    value, error = float(columns.mean()), math.sqrt(variance)
    ends = stats.normal(value, error) if drawn is None else rs.ends(drawn)
    stretch = rs.student(df) / stats.z_value()
    interval = Interval(value - stretch * (value - ends.lo), value + stretch * (ends.hi - value))
    p = stats.student_p(value / error, df) if error > 0 else float(value == 0)
    return Replicated(value=value, interval=interval, p=p, stderr=error, seed_sd=_sd(columns), n=n, seeds=seeds)


def two_level(columns: Floats) -> Floats:
    """Means over documents and seeds drawn with replacement; equal numbers of documents share their draws."""
    drawn = resampled(widened(columns))
    return drawn_seeds(drawn, seed=columns.shape[1])


def resampled(columns: Floats) -> Floats:
    """Means of each column over documents drawn with replacement, the same ones for all columns: `(draws, columns)`."""
    if len(columns) > KEPT:
        return rs.resampled(columns)
    return (_weights(len(columns)) @ columns.astype(np.float32)).astype(float)


@lru_cache(maxsize=2)
def _weights(n: int) -> NDArray[np.float32]:
    """Which share of each draw every document is: `(draws, n)`; all that a report compares on n documents shares it."""
    rng, made = np.random.default_rng(n), np.empty((rs.DRAWS, n), dtype=np.float32)
    for start in range(0, rs.DRAWS, PORTION):
        chosen = rng.integers(0, n, (PORTION, n)) + n * np.arange(PORTION)[:, None]
        made[start : start + PORTION] = np.bincount(chosen.ravel(), minlength=PORTION * n).reshape(PORTION, n) / n
    return made


def widened(columns: Floats) -> Floats:
    """The scores with the seeds' means drawn apart, so that draws of seeds vary as much as new seeds would."""
    seeds = columns.shape[1]
    if seeds < 2:
        return columns
    means = columns.mean(axis=0)
    return columns + (math.sqrt(seeds / (seeds - 1)) - 1) * (means - means.mean())


def drawn_seeds(means: Floats, *, seed: int) -> Floats:
    """Of each draw of documents, `(draws, seeds)`, the mean over seeds drawn with replacement."""
    number, seeds = means.shape
    if seeds < 2:
        return means[:, 0]
    places = np.random.default_rng(seed).integers(0, seeds, (number, seeds))
    return np.take_along_axis(means, places, axis=1).mean(axis=1)


def components(columns: Floats) -> tuple[float, int]:
    """Variance of a mean over crossed documents and seeds, and its degrees of freedom, rounded down.

    The mean squares of both are added, without taking off what they share: that errs on the wide side.

    Source:
        Owen (2007), equation 8; Satterthwaite (1946), Biometrics Bulletin 2:110.
    """
    n, seeds = columns.shape
    mean = columns.mean()
    of_rows = seeds * float(((columns.mean(axis=1) - mean) ** 2).sum()) / (n - 1)
    of_seeds = n * float(((columns.mean(axis=0) - mean) ** 2).sum()) / (seeds - 1)
    total = of_rows + of_seeds
    if not total > 0:
        return 0.0, 1
    return total / (n * seeds), max(1, int(total**2 / (of_rows**2 / (n - 1) + of_seeds**2 / (seeds - 1))))


def over_seeds(values: Floats) -> tuple[float, float, Interval, float]:
    """Mean, standard deviation, Student's interval and p-value of no effect of one number per seed.

    Source:
        Student (1908), Biometrika 6:1.
    """
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return mean, math.nan, rs.UNKNOWN, math.nan
    sd = float(values.std(ddof=1))
    half = rs.student(n - 1) * sd / math.sqrt(n)
    p = stats.student_p(mean * math.sqrt(n) / sd, n - 1) if sd > 0 else float(mean == 0)
    return mean, sd, Interval(mean - half, mean + half), p


def rate_gap(first: float, second: float, *, sizes: tuple[float, float]) -> Interval:
    """95 % interval of the difference of two rates over different examples; unknown where a size is.

    Source:
        Newcombe (1998), Statistics in Medicine 17:873, method 10.
    """
    rates = (first, second)
    if not all(np.isfinite(rates)) or not all(np.isfinite(sizes)) or min(sizes) < 1 or not all(
        0 <= rate <= 1 for rate in rates
    ):  # fmt: skip
        return rs.UNKNOWN
    a, b = (stats.wilson(rate * size, int(size)) for rate, size in zip(rates, map(int, sizes), strict=True))
    return Interval(first - second - math.hypot(first - a.lo, b.hi - second),
                    first - second + math.hypot(a.hi - first, second - b.lo))  # fmt: skip


def crossing(sizes: Sequence[float], values: Floats, level: Floats | float) -> Floats:
    """Where curves over sizes first reach a level, by interpolation in the logarithm of the size.

    0 where the first size is above it already, infinite where no size reaches it.

    >>> crossing([10, 1000], np.array([0.0, 1.0]), 0.5).round(6).tolist()
    100.0

    Args:
        sizes: rising.
        values: `(..., sizes)`.
        level: a number, or one for each curve.
    """
    logs, table = np.log(np.asarray(sizes, dtype=float)), np.atleast_2d(values)
    wanted = np.broadcast_to(np.asarray(level, dtype=float), table.shape[:1])
    over = table >= wanted[:, None]
    first = over.argmax(axis=1)
    rows, before = np.arange(len(table)), np.maximum(first - 1, 0)
    low, high = table[rows, before], table[rows, first]
    share = np.divide(wanted - low, high - low, out=np.zeros(len(table)), where=high > low)
    found = np.exp(logs[before] + share * (logs[first] - logs[before]))
    found = np.where(first == 0, 0.0, found)
    return np.where(over.any(axis=1), found, np.inf).reshape(np.shape(values)[:-1])


def _within(found: Replicated, least: float, most: float) -> Replicated:
    ends = Interval(max(found.interval.lo, least), min(found.interval.hi, most))
    return replace(found, interval=ends)


def _sd(columns: Floats) -> float:
    return float(columns.mean(axis=0).std(ddof=1)) if columns.shape[1] > 1 else math.nan
