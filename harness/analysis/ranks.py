"""Ranks over tasks: the mean win rate, and Friedman's test with Nemenyi's difference from ten tasks on.

Layer: beside `stats`; numpy and the standard library only. Ranks forget by how much one model leads, and a win rate
changes with who else takes part: neither is a headline.
"""

# ruff: noqa: PLR2004 - small counts are clearer as they are
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_TASKS = 10
"""Tasks below which no ranks are tested."""


@final
@dataclass(frozen=True, kw_only=True)
class Ranks:
    """What Friedman's test says.

    Attributes:
        means: mean rank of each model, 1 the best.
        statistic: Friedman's chi-square, corrected for ties.
        p: that all models rank alike.
        critical: mean ranks that differ by less cannot be told apart (Nemenyi, 5 %).
        tasks: how many.
        groups: runs of models, best first, within which no two differ by `critical`: the bars of the diagram. Where
            `p` is not below 5 %, one group of all.
    """

    means: tuple[float, ...]
    statistic: float
    p: float
    critical: float
    tasks: int
    groups: tuple[tuple[int, ...], ...]


def win_rates(scores: Floats) -> Floats:
    """Share of the other models that each beats, ties half, averaged over tasks.

    Args:
        scores: `(..., tasks, models)`, more is better; NaN where a model has no score: such pairs do not count.

    Source:
        Liang et al. (2022), HELM, arXiv 2211.09110: mean win rate.
    """
    own, other = scores[..., :, None], scores[..., None, :]
    known = ~(np.isnan(own) | np.isnan(other)) & ~np.eye(scores.shape[-1], dtype=bool)
    won = np.where(known, (own > other) + 0.5 * (own == other), 0.0).sum(axis=-1)
    rivals = known.sum(axis=-1)
    shares = np.divide(won, rivals, out=np.full(won.shape, np.nan), where=rivals > 0)
    counted = ~np.isnan(shares)
    total, number = np.where(counted, shares, 0.0).sum(axis=-2), counted.sum(axis=-2)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def mean_ranks(scores: Floats) -> Floats:
    """Mean rank of each model over tasks, 1 the best, ties at their mean.

    Args:
        scores: `(tasks, models)`, more is better, no gaps.
    """
    return _ranks(-scores).mean(axis=0)


def win_rate_intervals(scores: Floats, drawn: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Conservative 95 % interval of each model's mean win rate; tasks and rivals are fixed, items are drawn.

    From the wins that are sure to one minus the losses that are sure, where a win is sure that occurs in 97.5 % of the
    resamples. Plain percentiles of a win rate are wrong: where models are close, resampling pulls every rate towards a
    half, and they cover the truth about every second time.

    Args:
        scores: `(tasks, models)`, as measured: the ends are moved so that they hold its win rates.
        drawn: for every task the jointly resampled scores, `(draws, models)`, from `bootstrap.joint`.

    Source:
        Mogstad et al. (2024), Review of Economic Studies 91:476: confidence sets of ranks from those of differences.
    """
    sure = [(draw[:, :, None] > draw[:, None, :]).mean(axis=0) >= 0.975 for draw in drawn]
    others = scores.shape[1] - 1
    won = np.mean([one.sum(axis=1) / others for one in sure], axis=0)
    lost = np.mean([one.sum(axis=0) / others for one in sure], axis=0)
    measured = win_rates(scores)
    return np.minimum(won, measured), np.maximum(1 - lost, measured)


def friedman(scores: Floats) -> Ranks:
    """Friedman's test that all models rank alike over tasks, and which of them Nemenyi's test tells apart.

    Args:
        scores: `(tasks, models)`, more is better, no gaps.

    Raises:
        ValueError: fewer than `LEAST_TASKS` tasks, fewer than three models, or a gap; the line says which.

    Source:
        Friedman (1937), JASA 32:675; Nemenyi (1963); Demšar (2006), JMLR 7:1, sections 3.2.2 and 3.2.4.
    """
    tasks, models = scores.shape
    if tasks < LEAST_TASKS:
        raise ValueError(f"no ranks over {tasks} tasks: they are tested from {LEAST_TASKS} tasks on")
    if models < 3:
        raise ValueError(f"no ranks of {models} models: two are compared by their difference")
    if not np.isfinite(scores).all():
        raise ValueError(f"no ranks: {int((~np.isfinite(scores)).sum())} scores are missing")
    ranks = _ranks(-scores)
    means, sizes = ranks.mean(axis=0), _ties(ranks)
    spread = tasks * models * (models + 1) / 12 - sizes / (12 * (models - 1))
    statistic = float(((ranks.sum(axis=0) - tasks * (models + 1) / 2) ** 2).sum() / spread) if spread > 0 else 0.0
    p = chi_square_p(statistic, models - 1)
    critical = studentised_range(models) / math.sqrt(2) * math.sqrt(models * (models + 1) / (6 * tasks))
    return Ranks(means=tuple(float(m) for m in means), statistic=statistic, p=p, critical=critical, tasks=tasks,
                 groups=_groups(means, critical if p < 0.05 else math.inf))  # fmt: skip


def chi_square_p(x: float, df: int) -> float:
    """Chance of a chi-square above `x` with whole degrees of freedom.

    Source:
        Abramowitz and Stegun (1964), 26.4.4 and 26.4.5: the finite sums.
    """
    if x <= 0:
        return 1.0
    half, odd = x / 2, bool(df % 2)
    total = math.erfc(math.sqrt(half)) if odd else 0.0
    for k in range(df // 2):
        power = k + 0.5 if odd else k
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1))
    return min(1.0, total)


@lru_cache(maxsize=64)
def studentised_range(models: int, level: float = 0.95) -> float:
    """Quantile of the range of as many standard normal numbers, by bisection of its distribution.

    Source:
        Tukey's studentised range with infinite degrees of freedom; Demšar (2006), table 5 (which divides by sqrt 2).
    """
    normal = NormalDist()
    z = np.linspace(-9, 9, 2401)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    upper = np.array([normal.cdf(float(one)) for one in z])
    lo, hi = 0.0, 9.0
    for _ in range(45):
        middle = (lo + hi) / 2
        inside = np.clip(upper - np.interp(z - middle, z, upper, left=0.0), 0, 1) ** (models - 1)
        covered = models * float((density * inside).sum() * (z[1] - z[0]))
        lo, hi = (middle, hi) if covered < level else (lo, middle)
    return hi


def _ranks(values: Floats) -> Floats:
    """Ranks along the last axis from 1, ties at their mean."""
    below = (values[..., :, None] > values[..., None, :]).sum(axis=-1)
    equal = (values[..., :, None] == values[..., None, :]).sum(axis=-1)
    return below + (equal + 1) / 2


def _ties(ranks: Floats) -> float:
    """Sum over tasks and ties of `t³ - t`."""
    equal = (ranks[:, :, None] == ranks[:, None, :]).sum(axis=2).astype(float)
    return float((equal**2 - 1).sum())


def _groups(means: Floats, critical: float) -> tuple[tuple[int, ...], ...]:
    """Longest runs of models, by mean rank, whose ends differ by less than `critical`."""
    order = [int(i) for i in np.argsort(means, kind="stable")]
    found: list[tuple[int, ...]] = []
    last = 0
    for start in range(len(order)):
        end = max(i for i in range(start, len(order)) if means[order[i]] - means[order[start]] < critical or i == start)
        if end + 1 > last:
            found.append(tuple(order[start : end + 1]))
            last = end + 1
    return tuple(found)
