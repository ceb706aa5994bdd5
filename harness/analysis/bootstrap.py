"""Resampling on identical items: BCa intervals, sign-flip tests, and joint draws of several models.

Layer: beside `stats`; numpy and the standard library only. What is drawn are *units*: items, or whole clusters of
items, within strata where these are given. All models share the draws, so that everything stays paired. Items with
equal values are interchangeable, so that right-or-wrong scores are drawn as a few counts instead of thousands of items.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.means import UNKNOWN, items
from harness.analysis.robust_stats import student
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]
    Labels = Sequence[Any] | NDArray[Any]

DRAWS = 10_000
"""Resamples behind an interval or a test."""

JOINT = 2_000
"""Resamples of all models at once: what win rates and trade-offs are read from."""

LEAST = 30
"""Units below which no bootstrap interval is given: it would cover too little (Student's does not)."""

HELD = 2_000_000
"""Drawn numbers that are held at a time."""

NORMAL = NormalDist()


def bca(
    values: ArrayLike,
    *,
    clusters: Labels | None = None,
    strata: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """95 % interval of a mean by the bias-corrected and accelerated bootstrap; unknown below `LEAST` units.

    For a paired difference give `a - b`. The tails are those of Student's t, widened by `sqrt(n / (n - 1))`, and hold
    the percentile interval as well: without that, 40 heavy-tailed units covered only 92.4 % (now 94 %).

    Args:
        values: one number per item.
        clusters: label of the cluster of each item: clusters are drawn whole.
        strata: label of the stratum of each item: each keeps its number of units. A cluster lies in one stratum.
        draws: resamples.
        seed: of the draws.

    Raises:
        ValueError: no items, a value that is not finite, labels that do not fit, a cluster in two strata.

    Source:
        Efron (1987), JASA 82:171; Hesterberg (2015), The American Statistician 69:371, section 5 (expanded tails);
        Field and Welsh (2007), JRSS B 69:369 (clusters).
    """
    sums, sizes, places = _units(values, clusters, strata)
    n = len(sums)
    if n < LEAST:
        return UNKNOWN
    found = np.sort(_resampled(sums, sizes, places, draws=draws, seed=seed))
    value = sums.sum() / sizes.sum()
    if found[0] == found[-1]:
        return Interval(float(value), float(value))
    left = (np.count_nonzero(found < value - 1e-12) + np.count_nonzero(found <= value + 1e-12)) / (2 * draws)
    bias = NORMAL.inv_cdf(min(max(left, 1 / draws), 1 - 1 / draws))
    speed = _acceleration(sums, sizes)
    z = math.sqrt(n / (n - 1)) * student(n - 1)
    tails = [NORMAL.cdf(bias + (bias + end) / (1 - speed * (bias + end))) for end in (-z, z)]
    tails = [min(tails[0], NORMAL.cdf(-z)), max(tails[1], NORMAL.cdf(z))]
    lo, hi = np.quantile(found, tails)
    return Interval(float(lo), float(hi))


def sign_flip(differences: ArrayLike, *, clusters: Labels | None = None, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p-value that paired differences are as often negative as positive: signs change at random.

    Clusters change sign whole. With ten thousand draws no p-value is below 1e-4: a family of hundreds of tests needs
    `stats.paired`, or more draws. Strata change nothing here: signs change within each of them anyhow.

    Source:
        Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.2; Phipson and Smyth (2010),
        Statistical Applications in Genetics and Molecular Biology 9:39 (the observed signs count as one draw).
    """
    sums, _, _ = _units(differences, clusters, None)
    sizes, counts = np.unique(np.round(np.abs(sums), 12), return_counts=True)
    sizes, counts = sizes[sizes > 0], counts[sizes > 0]
    if not sizes.size:
        return 1.0
    observed = abs(float(sums.sum())) * (1 - 1e-9) - 1e-12
    rng, extreme, single = np.random.default_rng(seed), 0, int(counts.max()) == 1
    for number in _portions(draws, each=len(sizes)):
        shape = (number, len(sizes))
        positive = rng.integers(0, 2, shape, dtype=np.int8) if single else rng.binomial(counts, 0.5, shape)
        extreme += int(np.count_nonzero(np.abs((2 * positive - counts) @ sizes) >= observed))
    return (1 + extreme) / (1 + draws)


def joint(columns: Floats, *, clusters: Labels | None = None, draws: int = JOINT, seed: int = 0) -> Floats:
    """Means of every column over the same resampled units, `(draws, columns)`: one task, a column per model.

    Give every task a seed of its own, or their draws are alike where they have equally many items.

    Args:
        columns: `(items, models)`.
        clusters: label of the cluster of each item.
        draws: resamples.
        seed: of the draws.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    codes = items(columns[:, 0], clusters)[1]
    groups = int(codes.max()) + 1
    sums = np.zeros((groups, columns.shape[1]))
    np.add.at(sums, codes, columns)
    both = np.column_stack([sums, np.bincount(codes, minlength=groups)])
    rng, found = np.random.default_rng(seed), []
    for number in _portions(draws, each=groups):
        chosen = rng.integers(0, groups, (number, groups)) + groups * np.arange(number)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=number * groups).reshape(number, groups)
        totals = counts.astype(float) @ both
        found.append(totals[:, :-1] / totals[:, -1:])
    return np.concatenate(found)


def percentiles(drawn: Floats) -> tuple[Floats, Floats]:
    """The 2.5th and the 97.5th percentile of each column of draws."""
    lo, hi = np.quantile(drawn, (0.025, 0.975), axis=0)
    return lo, hi


def _units(values: ArrayLike, clusters: Labels | None, strata: Labels | None) -> tuple[Floats, Floats, list[Ints]]:
    """Sum and size of every unit, and the units of each stratum."""
    x, codes = items(values, clusters)
    sums, sizes = np.bincount(codes, weights=x).astype(float), np.bincount(codes).astype(float)
    if strata is None:
        return sums, sizes, [np.arange(len(sums))]
    _, layers = items(np.zeros(len(x)), strata)
    first = np.zeros(len(sums), dtype=np.intp)
    first[codes] = layers
    if not np.array_equal(first[codes], layers):
        raise ValueError("a cluster lies in two strata: strata must be made of whole clusters")
    return sums, sizes, [np.flatnonzero(first == layer) for layer in range(int(layers.max()) + 1)]


def _resampled(sums: Floats, sizes: Floats, places: Sequence[Ints], *, draws: int, seed: int) -> Floats:
    """Means of resampled units; equal units are drawn as counts."""
    rng, top, bottom = np.random.default_rng(seed), np.zeros(draws), np.zeros(draws)
    for chosen in places:
        pairs, counts = np.unique(np.column_stack([sums[chosen], sizes[chosen]]), axis=0, return_counts=True)
        start = 0
        for number in _portions(draws, each=len(counts)):
            drawn = _counts(counts, number, rng) @ pairs
            top[start : start + number] += drawn[:, 0]
            bottom[start : start + number] += drawn[:, 1]
            start += number
    return top / bottom


def _counts(counts: Ints, number: int, rng: np.random.Generator) -> Floats:
    """How often each kind of unit is drawn, `(number, kinds)`, where there are `counts` of each."""
    n, kinds = int(counts.sum()), len(counts)
    if kinds <= 64:
        return rng.multinomial(n, counts / n, number).astype(float)
    label = np.repeat(np.arange(kinds), counts)
    chosen = label[rng.integers(0, n, (number, n))] + kinds * np.arange(number)[:, None]
    return np.bincount(chosen.ravel(), minlength=number * kinds).reshape(number, kinds).astype(float)


def _acceleration(sums: Floats, sizes: Floats) -> float:
    """From the means that leave one unit out each."""
    left = (sums.sum() - sums) / np.maximum(sizes.sum() - sizes, 1e-300)
    gaps = left.mean() - left
    scale = float((gaps**2).sum()) ** 1.5
    return float((gaps**3).sum()) / (6 * scale) if scale > 0 else 0.0


def _portions(total: int, *, each: int) -> Iterator[int]:
    step = max(1, HELD // max(each, 1))
    for start in range(0, total, step):
        yield min(step, total - start)
