"""How small a difference a comparison can show, and how many items it would take to show one.

Layer: beside `stats`; the standard library only.
"""

from __future__ import annotations

import math
from statistics import NormalDist

ALPHA, POWER = 0.05, 0.8
"""Two-sided level and power of every statement about what could have been seen."""


def factor(*, alpha: float = ALPHA, power: float = POWER) -> float:
    """Standard errors between no difference and one that is found with this power; 2.80 at 5 % and 80 %.

    >>> round(factor(), 2)
    2.8
    """
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)


def detectable(spread: float, n: int, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Smallest true difference that n items show with this power.

    >>> round(detectable(0.5, 1000), 3)
    0.044

    Args:
        spread: standard deviation of the paired differences over items.
        n: items.
        alpha: two-sided level.
        power: chance of finding it.

    Raises:
        ValueError: no items.

    Source:
        Miller (2024), arXiv 2411.00640, section 5.
    """
    if n < 1:
        raise ValueError(f"n={n}: a comparison needs items")
    return factor(alpha=alpha, power=power) * spread / math.sqrt(n)


def required(  # noqa: PLR0913 - the terms of one formula
    difference: float,
    spread: float,
    *,
    within: tuple[float, float] = (0.0, 0.0),
    repeats: tuple[int, int] = (1, 1),
    alpha: float = ALPHA,
    power: float = POWER,
) -> int:
    """Items needed to show a true difference with this power.

    >>> required(0.01, 0.5)
    19623

    Args:
        difference: to be shown, in the unit of the scores.
        spread: standard deviation of the paired differences of items' expected scores, ω.
        within: standard deviations of repeated answers of either model to one item, sd; 0 for scoring without sampling.
        repeats: answers per item of either model, K.
        alpha: two-sided level.
        power: chance of showing it.

    Raises:
        ValueError: a difference of 0, or fewer than one repeat.

    Source:
        Miller (2024), arXiv 2411.00640, equation 9: `n = (z_a + z_b)² (ω² + sd_A²/K_A + sd_B²/K_B) / δ²`.
    """
    if difference == 0 or min(repeats) < 1:
        raise ValueError(f"difference={difference}, repeats={repeats}: no number of items shows a difference of 0")
    variance = spread**2 + sum(sd**2 / k for sd, k in zip(within, repeats, strict=True))
    return math.ceil((factor(alpha=alpha, power=power) ** 2) * variance / difference**2 - 1e-9)
