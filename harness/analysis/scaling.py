"""A line through the sizes of one family, with its band; none through fewer than four of them.

Layer: beside `stats`; numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis.robust_stats import student
from harness.analysis.stats import Interval, student_p

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEAST = 4
"""Different sizes below which no line is drawn: through three points a line always looks good."""


@final
@dataclass(frozen=True, kw_only=True)
class Fit:
    """`score = intercept + slope · log10(parameters)`.

    Attributes:
        intercept: at one parameter.
        slope: of the score per tenfold parameters.
        interval: of the slope, 95 %.
        p: two-sided p-value of no slope.
        spread: standard deviation of the models about the line.
        n: models.
        centre: mean of log10(parameters).
        width: sum of squares about it.
    """

    intercept: float
    slope: float
    interval: Interval
    p: float
    spread: float
    n: int
    centre: float
    width: float

    def at(self, parameters: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The line and the ends of its 95 % band at these sizes: the band of the mean, not of a further model."""
        x = np.log10(np.asarray(parameters, dtype=float))
        line = self.intercept + self.slope * x
        half = student(self.n - 2) * self.spread * np.sqrt(1 / self.n + (x - self.centre) ** 2 / self.width)
        return line, line - half, line + half


def fit(parameters: ArrayLike, scores: ArrayLike) -> Fit:
    """The least-squares line of a score over the logarithm of size.

    Raises:
        ValueError: fewer than `LEAST` different sizes, unequal numbers, or a size that is not positive.

    Source:
        Draper and Smith (1998), Applied Regression Analysis, sections 1.4 and 3.1. On scores linear in log size:
        Owen (2024), How predictable is language model benchmark performance?, arXiv 2401.04757.
    """
    sizes, y = np.asarray(parameters, dtype=float), np.asarray(scores, dtype=float)
    if sizes.shape != y.shape or not (sizes > 0).all() or not np.isfinite(y).all():
        raise ValueError(f"a fit needs a finite score for each positive size: {sizes.size} sizes, {y.size} scores")
    if (different := len(np.unique(sizes))) < LEAST:
        raise ValueError(f"no fit through {different} sizes: a line needs at least {LEAST}")
    x = np.log10(sizes)
    width = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / width
    intercept = float(y.mean() - slope * x.mean())
    spread = math.sqrt(float(((y - intercept - slope * x) ** 2).sum()) / (len(x) - 2))
    error = spread / math.sqrt(width)
    half = student(len(x) - 2) * error
    p = student_p(slope / error, len(x) - 2) if error > 0 else float(slope == 0)
    return Fit(intercept=intercept, slope=slope, interval=Interval(slope - half, slope + half), p=p, spread=spread,
               n=len(x), centre=float(x.mean()), width=width)  # fmt: skip
