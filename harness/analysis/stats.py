"""Intervals and tests on plain numbers: no frames, no files, no global state.

Layer: beside `frame`; numpy and the standard library only, so that every number in a report can be traced to one short
function with its source.
"""

# ruff: noqa: PLR2004 - small counts and thresholds are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.95
"""Coverage of every interval in a report."""

POWER_FACTOR = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
"""Smallest difference found with 80 % power at a two-sided 5 % level, in standard errors (2.80)."""


@final
@dataclass(frozen=True)
class Interval:
    """A confidence interval, both ends in the unit of the value."""

    lo: float
    hi: float

    @property
    def half(self) -> float:
        """Half of the width: what is printed after a ± sign."""
        return (self.hi - self.lo) / 2


@final
@dataclass(frozen=True, kw_only=True)
class Paired:
    """The difference of two models on the same items.

    Attributes:
        difference: mean of `a - b`.
        stderr: its standard error.
        correlation: Pearson correlation of the two models over items, 0 where one of them does not vary.
        n: number of items.
        p: two-sided p-value of no difference; exact for right/wrong scores.
        only_a: items that only `a` got right, 0 unless scores are right/wrong.
        only_b: items that only `b` got right.
    """

    difference: float
    stderr: float
    correlation: float
    n: int
    p: float
    only_a: int = 0
    only_b: int = 0

    @property
    def detectable(self) -> float:
        """Smallest true difference that this many items would show with 80 % power."""
        return POWER_FACTOR * self.stderr


def z_value(level: float = LEVEL) -> float:
    """Two-sided normal quantile of a coverage, 1.96 for 0.95.

    >>> round(z_value(), 2)
    1.96
    """
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, n: int, *, level: float = LEVEL) -> Interval:
    """Wilson score interval of a rate: right near 0 and 1 and for small n, where value ± 1.96 SE is not.

    >>> wilson(0, 10).lo
    0.0

    Raises:
        ValueError: n < 1, or successes outside 0..n.

    Source:
        Wilson (1927), JASA 22:209; Brown, Cai and DasGupta (2001), Statistical Science 16:101.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} is not a rate")
    z, p = z_value(level), successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def normal(value: float, stderr: float, *, level: float = LEVEL) -> Interval:
    """Interval by the central limit theorem, `value ± z · stderr`.

    Source:
        Miller (2024), Adding Error Bars to Evals, arXiv 2411.00640.
    """
    half = z_value(level) * stderr
    return Interval(value - half, value + half)


def paired(a: Sequence[float], b: Sequence[float]) -> Paired:
    """Difference of two models item by item: `sd(a - b) / sqrt(n)`, not the wider unpaired error.

    The p-value is McNemar's exact one where all scores are 0 or 1, else Student's t with n - 1 degrees of freedom.

    >>> paired([1, 1, 0, 1], [0, 1, 0, 0]).difference
    0.5

    Raises:
        ValueError: unequal lengths, or no items.

    Source:
        Miller (2024), arXiv 2411.00640, section 4; McNemar (1947), Psychometrika 12:153.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if x.shape != y.shape or x.size == 0:
        raise ValueError(f"paired scores need the same items: {x.size} and {y.size}")
    delta = x - y
    stderr = float(delta.std(ddof=1) / math.sqrt(delta.size)) if delta.size > 1 else 0.0
    varies = delta.size > 1 and x.std() > 0 and y.std() > 0
    correlation = float(np.corrcoef(x, y)[0, 1]) if varies else 0.0
    binary = bool(np.isin(x, (0, 1)).all() and np.isin(y, (0, 1)).all())
    only_a, only_b = (int((delta > 0).sum()), int((delta < 0).sum())) if binary else (0, 0)
    p = mcnemar(only_a, only_b) if binary else _p_of_mean(float(delta.mean()), stderr, delta.size)
    return Paired(
        difference=float(delta.mean()), stderr=stderr, correlation=correlation, n=int(delta.size), p=p,
        only_a=only_a, only_b=only_b,
    )  # fmt: skip


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value that two models differ, from the items that only one of them got right.

    >>> mcnemar(0, 5)
    0.0625

    Source:
        McNemar (1947), Psychometrika 12:153; exact binomial form, Agresti (2013), section 11.1.
    """
    n, k = only_a + only_b, min(only_a, only_b)
    term = tail = math.exp(_log_choose(n, k) - n * math.log(2))
    while k and term > 1e-18 * tail:
        term *= k / (n - k + 1)
        tail, k = tail + term, k - 1
    return min(1.0, 2 * tail)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being one family of tests, in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6:65.
    """
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


def normal_p(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def student_p(t: float, df: int) -> float:
    """Two-sided p-value of Student's t with `df` degrees of freedom.

    Source:
        Abramowitz and Stegun (1964), 26.7.3 and 26.7.4: the finite sums for whole degrees of freedom.
    """
    if df > 1000:
        return normal_p(t)
    theta = math.atan2(abs(t), math.sqrt(df))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = bool(df % 2)
    term = cosine if odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(2 if odd else 1, df - 2, 2):
        term *= cosine * cosine * k / (k + 1)
        total += term
    return _p_from_sum(total, theta=theta, sine=sine, odd=odd)


def _p_from_sum(total: float, *, theta: float, sine: float, odd: bool) -> float:
    inside = 2 / math.pi * (theta + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1 - inside))


def _p_of_mean(mean: float, stderr: float, n: int) -> float:
    if n < 2:
        return 1.0
    if stderr == 0:
        return 1.0 if mean == 0 else 0.0
    return student_p(mean / stderr, n - 1)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
