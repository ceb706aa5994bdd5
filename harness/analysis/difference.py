"""The paired difference of two models on identical items: its size, error, interval and test, clusters included.

Layer: above `stats`, `means` and `bootstrap`; numpy only. The standard errors of two single models do not tell that of
their difference: it hangs on how alike the models are right and wrong, their correlation over items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis import power, stats
from harness.analysis.bootstrap import sign_flip
from harness.analysis.means import UNKNOWN, clustered, items
from harness.analysis.robust_stats import binary, student
from harness.analysis.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


FEW = 40
"""Clusters below which the test is by permutation."""


@final
@dataclass(frozen=True, kw_only=True)
class Difference:
    """`a - b` on the same items.

    Attributes:
        value: mean difference.
        stderr: its standard error, by clusters where there are some; of right-or-wrong scores never 0, since half an
            item is added to each of the four outcomes.
        df: degrees of freedom of its Student interval; None for the normal one of right-or-wrong scores.
        interval: 95 %.
        p: two-sided p-value of no difference: exact McNemar, Student's t, or signs that change by cluster.
        correlation: Pearson's over items, 0 where one of the models does not vary.
        n: items.
        clusters: clusters; `n` where every item is its own.
        only_a: items that only `a` got right; 0 unless scores are right or wrong.
        only_b: items that only `b` got right.
        spread: standard deviation of the differences over items; inflated by the clusters where there are some.
        method: `McNemar exact`, `paired t`, `clustered t`, or `clustered sign-flip`.
    """

    value: float
    stderr: float
    df: int | None
    interval: Interval
    p: float
    correlation: float
    n: int
    clusters: int
    only_a: int = 0
    only_b: int = 0
    spread: float
    method: str

    @property
    def detectable(self) -> float:
        """Smallest true difference that this comparison would show with 80 % power at a two-sided 5 % level."""
        return power.factor() * self.stderr

    def required(self, difference: float) -> int | None:
        """Items of this kind that it takes to show a true difference with 80 % power; None where nothing varied."""
        return power.required(difference, self.spread) if self.spread > 0 else None

    def tail(self, bound: float) -> float:
        """One-sided p-value that the true difference is `bound` or below, given one above it."""
        if not self.stderr > 0:
            return 1.0 if math.isnan(self.stderr) else float(self.value <= bound)
        t = (self.centre - bound) / self.stderr
        half = stats.normal_p(t) / 2 if self.df is None else stats.student_p(t, self.df) / 2
        return half if t > 0 else 1 - half

    @property
    def centre(self) -> float:
        """The middle of the interval: that of right-or-wrong scores is drawn towards 0."""
        return self.value * self.n / (self.n + 2) if self.df is None else self.value


def difference(a: ArrayLike, b: ArrayLike, clusters: Sequence[Any] | Floats | None = None) -> Difference:
    """The difference of two models item by item.

    Right-or-wrong scores of independent items have Agresti and Min's interval and McNemar's exact test; all others
    Student's, with one degree of freedom less than there are clusters. With fewer than `FEW` clusters, for which
    Student's test is only roughly right, the p-value is that of signs that change by cluster.

    >>> difference([1, 1, 0, 1], [0, 1, 0, 0]).value
    0.5

    Args:
        a: one score per item.
        b: one score per item, of the same items in the same order.
        clusters: label of the cluster of each item; None for items that are independent.

    Raises:
        ValueError: unequal lengths, no items, a score that is not finite.

    Source:
        Miller (2024), arXiv 2411.00640, sections 3 and 4; Agresti and Min (2005), Statistics in Medicine 24:729;
        McNemar (1947), Psychometrika 12:153.
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise ValueError(f"paired scores need the same items: {x.size} and {y.size}")
    delta, codes = items(x - y, clusters)
    groups = int(codes.max()) + 1
    right_or_wrong = binary(x) and binary(y)
    if right_or_wrong and groups == len(x):
        return _of_outcomes(x, y)
    found = stats.paired(x, y)  # pyright: ignore[reportArgumentType] - an array is a sequence of numbers
    stderr = clustered(delta, codes)
    p, interval, method = 1.0, UNKNOWN, "paired t" if groups == found.n else "clustered t"
    if groups > 1:
        half = student(groups - 1) * stderr
        interval = Interval(found.difference - half, found.difference + half)
        p = _p(found.difference, stderr, groups - 1)
    if groups < min(FEW, found.n):
        p, method = sign_flip(delta, clusters=codes), "clustered sign-flip"
    return Difference(
        value=found.difference, stderr=stderr, df=max(groups - 1, 1), interval=interval, p=p,
        correlation=found.correlation, n=found.n, clusters=groups, only_a=found.only_a, only_b=found.only_b,
        spread=stderr * math.sqrt(found.n), method=method,
    )  # fmt: skip


def _of_outcomes(x: Floats, y: Floats) -> Difference:
    found = stats.paired(x, y)  # pyright: ignore[reportArgumentType] - an array is a sequence of numbers
    b, c, n = found.only_a + 0.5, found.only_b + 0.5, found.n + 2
    stderr = math.sqrt(b + c - (b - c) ** 2 / n) / n
    half, centre = stats.z_value() * stderr, found.difference * found.n / n
    # The interval's centre is drawn towards 0, so that with very few items the difference could lie outside.
    interval = Interval(min(centre - half, found.difference), max(centre + half, found.difference))
    return Difference(
        value=found.difference, stderr=stderr, df=None, interval=interval, p=found.p, correlation=found.correlation,
        n=found.n, clusters=found.n, only_a=found.only_a, only_b=found.only_b, spread=stderr * math.sqrt(found.n),
        method="McNemar exact",
    )  # fmt: skip


def _p(value: float, stderr: float, df: int) -> float:
    if stderr == 0:
        return 1.0 if value == 0 else 0.0
    return stats.student_p(value / stderr, df)
