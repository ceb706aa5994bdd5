"""Means with honest errors: clustered items, rates near their ends, chance put at 0, means over tasks.

Layer: beside `stats`; numpy and the standard library only. Items that share a passage, a subject or an original
document are one *cluster*: they are right or wrong together, and the plain standard error takes them for more than they
are.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis import stats
from harness.analysis.robust_stats import binary, student
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

UNKNOWN = Interval(math.nan, math.nan)
"""The interval of what has none."""


@final
@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over items.

    Attributes:
        value: the mean.
        stderr: its standard error, NaN where there are fewer than two clusters.
        interval: 95 %.
        n: items.
        clusters: clusters; `n` where every item is its own.
        method: `wilson`, `student`, or either with ` (clustered)`.
    """

    value: float
    stderr: float
    interval: Interval
    n: int
    clusters: int
    method: str


def mean(values: ArrayLike, clusters: Sequence[Any] | Floats | None = None) -> Mean:
    """The mean of scores over items, with Wilson's interval for right or wrong and Student's for anything else.

    Clustered rates take Wilson's interval at the number of independent items that would have the same standard error,
    with Student's quantile for the number of clusters.

    Args:
        values: one score per item.
        clusters: one label per item; None for items that are independent.

    Raises:
        ValueError: no items, a score that is not finite, or not one label per item.

    Source:
        Miller (2024), arXiv 2411.00640, sections 2.1 and 2.2; Dean and Pagano (2015), Journal of Survey
        Statistics and Methodology 3:484 (Wilson's interval at the effective sample size).
    """
    x, codes = items(values, clusters)
    n, groups, value = len(x), int(codes.max()) + 1, float(x.mean())
    grouped = " (clustered)" if groups < n else ""
    stderr = clustered(x, codes)
    if groups < 2:
        return Mean(value=value, stderr=math.nan, interval=UNKNOWN, n=n, clusters=groups, method="none")
    if binary(x):
        interval = stats.wilson(round(float(x.sum())), n) if not grouped else _wilson(value, stderr, n, groups)
        return Mean(value=value, stderr=stderr, interval=interval, n=n, clusters=groups, method=f"wilson{grouped}")
    half = student(groups - 1) * stderr
    interval = Interval(value - half, value + half)
    return Mean(value=value, stderr=stderr, interval=interval, n=n, clusters=groups, method=f"student{grouped}")


def items(values: ArrayLike, clusters: Sequence[Any] | Floats | None) -> tuple[Floats, NDArray[np.intp]]:
    """The scores as an array beside the number of the cluster of each, from 0.

    Raises:
        ValueError: no items, a score that is not finite, or not one label per item.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"a mean needs one score per item, got an array of shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{int((~np.isfinite(x)).sum())} of {x.size} scores are not finite numbers")
    if clusters is None:
        return x, np.arange(x.size)
    if len(clusters) != x.size:
        raise ValueError(f"{len(clusters)} cluster labels for {x.size} items: give one per item")
    labels = np.asarray(clusters)
    return x, np.unique(labels, return_inverse=True)[1].reshape(-1)


def clustered(values: Floats, codes: NDArray[np.intp]) -> float:
    """Standard error of a mean whose items come in clusters, by leaving out one cluster at a time.

    Clusters of equal size give Miller's equation 4 with the factor G / (G - 1), clusters of one item the plain standard
    error. Where sizes are unequal it is larger, and right: the formula is too small for few clusters.

    Args:
        values: one score per item.
        codes: number of the cluster of each item, from 0.

    Source:
        Miller (2024), arXiv 2411.00640, equation 4; MacKinnon, Nielsen and Webb (2023), Journal of Econometrics 232:272
        (the jackknife, CV3).
    """
    sums, sizes = np.bincount(codes, weights=values - values.mean()), np.bincount(codes)
    groups = len(sums)
    if groups < 2:
        return math.nan
    left = (sums.sum() - sums) / (len(values) - sizes)
    return math.sqrt(float(((left - left.mean()) ** 2).sum()) * (groups - 1) / groups)


def chance_corrected(value: float, interval: Interval, *, chance: float) -> tuple[float, Interval]:
    """A score and its interval with chance at 0 and perfection at 1.

    >>> chance_corrected(0.75, Interval(0.5, 1.0), chance=0.5)
    (0.5, Interval(lo=0.0, hi=1.0))

    Raises:
        ValueError: chance is not in 0..1 (1 excluded).

    Source:
        Cohen (1960), Educational and Psychological Measurement 20:37: agreement beyond a fixed chance.
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance={chance} is not a chance of guessing right: a fraction below 1")
    span = 1 - chance
    return (value - chance) / span, Interval((interval.lo - chance) / span, (interval.hi - chance) / span)


def macro(values: ArrayLike, stderrs: ArrayLike) -> Mean:
    """The mean over tasks, each of which counts alike: tasks are fixed, so that errors add as `sqrt(sum SE²) / T`.

    It speaks of these tasks only: another choice of tasks may order models otherwise.

    Raises:
        ValueError: no tasks, not one error per task, or a task without a score or an error.

    Source:
        Miller (2024), arXiv 2411.00640, section 2.1, for a mean of independent means.
    """
    x, errors = np.asarray(values, dtype=float), np.asarray(stderrs, dtype=float)
    if x.shape != errors.shape or not x.size:
        raise ValueError(f"a mean over tasks needs a standard error for each of them: {x.size} and {errors.size}")
    if not (np.isfinite(x).all() and np.isfinite(errors).all()):
        raise ValueError("a mean over tasks needs a score and a standard error of every task")
    value, stderr = float(x.mean()), float(math.sqrt((errors**2).sum()) / x.size)
    interval = stats.normal(value, stderr)
    return Mean(value=value, stderr=stderr, interval=interval, n=x.size, clusters=x.size, method="macro")


def _wilson(rate: float, stderr: float, n: int, groups: int) -> Interval:
    """Wilson's interval at the effective number of items; the number of clusters where all items agree."""
    t = student(groups - 1)
    size = min(float(n), rate * (1 - rate) / stderr**2) if stderr > 0 else float(groups)
    centre = (rate + t * t / (2 * size)) / (1 + t * t / size)
    half = t / (1 + t * t / size) * math.sqrt(rate * (1 - rate) / size + t * t / (4 * size * size))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
