"""The paired difference of two models on identical items: its size, error, interval and test, clusters included.

Layer: above `stats`, `means` and `bootstrap`; numpy only. The standard errors of two single models do not tell that of
their difference: it hangs on how alike the models are right and wrong, their correlation over items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis import means, power, stats
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

NORMAL = 1_000_000
"""Degrees of freedom of what is normal by design: Student's test is the normal one there."""


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
        method: `McNemar exact`, `paired t`, `clustered t`, `clustered sign-flip`, or `paired normal over tasks`.
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
        counts = [int(np.count_nonzero((x == i) & (y == j))) for i, j in ((1, 1), (1, 0), (0, 1), (0, 0))]
        return of_counts(*counts)
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


def of_counts(both: int, only_a: int, only_b: int, neither: int) -> Difference:
    """The difference of right-or-wrong scores of independent items, from how many each got right.

    >>> of_counts(1, 2, 0, 1).value
    0.5

    Raises:
        ValueError: no items.

    Source:
        Agresti and Min (2005), Statistics in Medicine 24:729; McNemar (1947), Psychometrika 12:153.
    """
    items_seen = both + only_a + only_b + neither
    if not items_seen:
        raise ValueError("paired scores need the same items: 0 and 0")
    b, c, n = only_a + 0.5, only_b + 0.5, items_seen + 2
    value = (only_a - only_b) / items_seen
    stderr = math.sqrt(b + c - (b - c) ** 2 / n) / n
    half, centre = stats.z_value() * stderr, value * items_seen / n
    # The interval's centre is drawn towards 0, so that with very few items the difference could lie outside.
    interval = Interval(min(centre - half, value), max(centre + half, value))
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    correlation = (both * neither - only_a * only_b) / math.sqrt(margins) if margins else 0.0
    return Difference(
        value=value, stderr=stderr, df=None, interval=interval, p=stats.mcnemar(only_a, only_b),
        correlation=correlation, n=items_seen, clusters=items_seen, only_a=only_a, only_b=only_b,
        spread=stderr * math.sqrt(items_seen), method="McNemar exact",
    )  # fmt: skip


def macro(parts: Sequence[Difference], spans: Sequence[float]) -> Difference:
    """The difference of the means over tasks, each counted alike.

    Tasks are fixed, so that errors add as `sqrt(sum SE²) / T`. Its `n` are the items of all tasks together, so that
    `required` says how many of this mix it takes; its `correlation` is the mean over tasks.

    Args:
        parts: of each task.
        spans: what each is divided by: 1 - chance for scores that are corrected for chance.

    Raises:
        ValueError: no tasks, or not one span per task.

    Source:
        Miller (2024), arXiv 2411.00640, section 2.1, for a mean of independent means.
    """
    found = means.macro([part.value / span for part, span in zip(parts, spans, strict=True)],
                        [part.stderr / span for part, span in zip(parts, spans, strict=True)])  # fmt: skip
    number = sum(part.n for part in parts)
    # With very few items the middle of a rate's interval is far from its value: one item would be sure of everything.
    middle = sum(part.centre / span for part, span in zip(parts, spans, strict=True)) / len(parts)
    p = stats.normal_p(middle / found.stderr) if found.stderr > 0 else float(found.value == 0)
    shift = middle - found.value
    interval = Interval(min(found.interval.lo + shift, found.value), max(found.interval.hi + shift, found.value))
    return Difference(
        value=found.value, stderr=found.stderr, df=NORMAL, interval=interval, p=p,
        correlation=sum(part.correlation for part in parts) / len(parts), n=number,
        clusters=sum(part.clusters for part in parts), spread=found.stderr * math.sqrt(number),
        method="paired normal over tasks",
    )  # fmt: skip


def _p(value: float, stderr: float, df: int) -> float:
    if stderr == 0:
        return 1.0 if value == 0 else 0.0
    return stats.student_p(value / stderr, df)
