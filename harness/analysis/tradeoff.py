"""Who is beaten on quality and cost at once, told only where noise does not blur it.

Layer: beside `stats`; numpy only. A point is called dominated where one and the same other point dominates it (is as
good on both axes and better on one) in at least 95 % of joint resamples, and in more where several could: the more
rivals, the likelier one of them is ahead by luck. With eleven rivals that are just not better, counting any of
them would call two thirds of such points dominated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SURE = 0.95
"""Share of joint resamples in which a single rival must dominate a point for it to be called so."""


@final
@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one point stands.

    Attributes:
        front: whether no other point dominates the measured values.
        share: share of joint resamples in which some other point dominates it.
        dominated: whether `rival_share` is at least `needed`.
        rival: index of the point that dominates it most often; None where none ever does.
        rival_share: how often that one does; a resample in which their qualities are equal counts half.
        needed: `1 - (1 - SURE) / k` with k points that could dominate it, those that are as cheap in some resample.
    """

    front: bool
    share: float
    dominated: bool
    rival: int | None
    rival_share: float
    needed: float


def standings(quality: ArrayLike, cost: ArrayLike, *, qualities: Floats, costs: Floats | None = None) -> list[Standing]:
    """Every point's standing; quality is better high, cost better low.

    Args:
        quality: measured, `(points,)`.
        cost: measured, `(points,)`.
        qualities: jointly resampled, `(draws, points)`, from `bootstrap.joint`, so that pairs stay paired.
        costs: resampled, `(draws, points)`, from `normal`; None where costs are exact (parameters, bytes).

    Raises:
        ValueError: shapes that do not fit, or a number that is not finite.

    Source:
        Teich (2001), Evolutionary Multi-Criterion Optimization, LNCS 1993:314: probability of dominance; the bar is
        Bonferroni's over rivals.
    """
    good, dear = np.asarray(quality, dtype=float), np.asarray(cost, dtype=float)
    drawn = np.broadcast_to(dear, qualities.shape) if costs is None and dear.shape == qualities.shape[1:] else costs
    if drawn is None or good.shape != dear.shape or drawn.shape != qualities.shape or qualities.shape[1:] != good.shape:
        raise ValueError("quality, cost and their draws must have one column per point and equally many draws")
    if not all(np.isfinite(part).all() for part in (good, dear, qualities, drawn)):
        raise ValueError("a point without quality or cost has no standing: leave it out")
    plain = _beaten(good[None], dear[None])[0]
    beaten = _beaten(qualities, drawn)
    share, by = beaten.any(axis=2).mean(axis=0), beaten.mean(axis=0) - _luck(qualities, beaten)
    cheaper = (drawn[:, :, None] >= drawn[:, None, :]).any(axis=0).sum(axis=1) - 1
    needed = 1 - (1 - SURE) / np.maximum(cheaper, 1)
    most = by.argmax(axis=1)
    return [
        Standing(
            front=not plain[i].any(), share=float(share[i]), dominated=bool(by[i, most[i]] >= needed[i] - 1e-12),
            rival=int(most[i]) if by[i, most[i]] > 0 else None, rival_share=float(by[i, most[i]]),
            needed=float(needed[i]),
        )
        for i in range(len(good))
    ]  # fmt: skip


def _luck(quality: Floats, beaten: NDArray[np.bool_]) -> Floats:
    """`(point, by)`: half the share of resamples with equal quality; none where two points are equal in all of them."""
    equal = quality[:, None, :] == quality[:, :, None]
    return np.where(equal.all(axis=0), 0.0, (equal & beaten).mean(axis=0) / 2)


def normal(values: ArrayLike, stderrs: ArrayLike, *, draws: int, seed: int = 1) -> Floats:
    """Draws of independent measured values from their standard errors, `(draws, points)`: for times and energies."""
    centre, spread = np.asarray(values, dtype=float), np.asarray(stderrs, dtype=float)
    return centre + spread * np.random.default_rng(seed).standard_normal((draws, len(centre)))


def hypervolume(quality: ArrayLike, cost: ArrayLike, *, worst: tuple[float, float]) -> float:
    """Area that the points dominate, up to a quality and a cost that are the worst of interest.

    >>> hypervolume([0.5, 0.8], [1.0, 3.0], worst=(0.0, 4.0))
    1.8

    Source:
        Zitzler and Thiele (1999), IEEE Transactions on Evolutionary Computation 3:257.
    """
    floor, ceiling = worst
    total, best = 0.0, floor
    ends = sorted(zip(np.asarray(cost, dtype=float), np.asarray(quality, dtype=float), strict=True))
    for dear, good in ends:
        if dear < ceiling and good > best:
            total, best = total + (good - best) * (ceiling - dear), good
    return float(total)


def _beaten(quality: Floats, cost: Floats) -> NDArray[np.bool_]:
    """`(draws, point, by)`: whether the one point is dominated by the other."""
    better, cheaper = quality[:, None, :] - quality[:, :, None], cost[:, :, None] - cost[:, None, :]
    return (better >= 0) & (cheaper >= 0) & ((better > 0) | (cheaper > 0))
