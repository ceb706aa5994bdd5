"""What surrounds a measurement: the environment and the sentinel's peaks before and after, and what made it noisy.

Layer: probes; torch.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from harness.generation.budget import is_out_of_memory
from harness.meters import environment, sentinel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPREAD = 0.10
"""Interquartile range over median of the raw times from which a cell is noisy. Source: torch.utils.benchmark."""

DEVIATION = 0.05
"""Median absolute deviation over median, likewise."""

TREND = 0.3
"""Rank correlation of times and their order, likewise, where it is significant at 0.01."""

DRIFT: Mapping[str, float] = {"cuda": sentinel.MOST_DRIFT, "cpu": 0.15}
"""How far the sentinel may move from before to after. A CPU's short sentinel itself moves by several per cent from one
call to the next where cores are shared; a neighbour that takes a core takes half of it or more."""

_SIGNIFICANT = 2.576
_FEW = 4


@final
@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """One look around.

    Attributes:
        environment: snapshot of `meters.environment`.
        peaks: what the sentinel reached: `flops` and `bandwidth`, per second; None where `lost` says why.
        lost: why the sentinel reached nothing; else empty.
    """

    environment: Mapping[str, Any]
    peaks: sentinel.Peaks | None
    lost: str = ""


def look(kind: str, devices: Sequence[int], *, dtype: torch.dtype, like: Surroundings | None = None) -> Surroundings:
    """The environment and the sentinel now, the sentinel outside of what two looks enclose: it may meet a power limit.

    A model that leaves no memory for the sentinel is measured without it, and the facts say so.

    Args:
        kind: `cpu` or `cuda`.
        devices: indices of the CUDA devices that work.
        dtype: of the weights: what the sentinel multiplies.
        like: the look before, whose sizes the sentinel takes, so that the two can be compared.
    """
    if like is None:
        peaks, lost = _peaks(kind, devices, dtype=dtype)
        return Surroundings(environment=environment.snapshot(kind, devices), peaks=peaks, lost=lost)
    now = environment.snapshot(kind, devices)
    # Without a first reading there are no sizes to take, nor anything to compare with.
    peaks, lost = _peaks(kind, devices, dtype=dtype, like=like.peaks) if like.peaks else (None, like.lost)
    return Surroundings(environment=now, peaks=peaks, lost=lost)


def disturbances(before: Surroundings, after: Surroundings, *, kind: str) -> tuple[str, ...]:
    """What the two looks say against the numbers between them, one reason each."""
    reasons = list(environment.noise(before.environment, after.environment))
    drift = sentinel.drift(before.peaks, after.peaks) if before.peaks and after.peaks else 0.0
    if after.lost:
        reasons.append(f"{after.lost}: how far the machine drifted is not known")
    if drift > DRIFT[kind]:
        reasons.append(f"the sentinel moved by {drift:.0%} (noisy from {DRIFT[kind]:.0%} on {kind})")
    return tuple(reasons)


def facts(before: Surroundings, after: Surroundings) -> dict[str, Any]:
    """Both looks as they stand in a record."""
    return {
        "environment": {"before": dict(before.environment), "after": dict(after.environment)},
        "sentinel": {"before": _fact(before), "after": _fact(after)},
    }


def unsteady(times: Sequence[float]) -> tuple[str, ...]:
    """What raw times of equal work say against themselves, one reason each; nothing under four of them.

    >>> unsteady([1.0, 1.01, 1.0, 0.99, 1.0])
    ()
    """
    if len(times) < _FEW:
        return ()
    middle = statistics.median(times)
    quarters = statistics.quantiles(times, n=4, method="inclusive")
    spread = (quarters[2] - quarters[0]) / middle
    deviation = statistics.median(abs(t - middle) for t in times) / middle
    trend = _rank_correlation(times)
    reasons: list[str] = []
    if spread > SPREAD or deviation > DEVIATION:
        reasons.append(f"times spread by {spread:.0%} (interquartile range over median)")
    if abs(trend) > max(TREND, _SIGNIFICANT / math.sqrt(len(times) - 1)):
        reasons.append(f"times {'rise' if trend > 0 else 'fall'} from repeat to repeat")
    return tuple(reasons)


def _peaks(
    kind: str, devices: Sequence[int], *, dtype: torch.dtype, like: sentinel.Peaks | None = None
) -> tuple[sentinel.Peaks | None, str]:
    """What the sentinel reaches, or why it does not."""
    try:
        return sentinel.peaks(kind, devices, dtype=dtype, like=like), ""
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Only here, when the error holds no more frames, is the memory of the failed try free.
    if devices:
        torch.cuda.empty_cache()
    return None, f"no memory was left for the sentinel's {'second' if like else 'first'} look"


def _fact(look: Surroundings) -> dict[str, Any]:
    return {"reason": look.lost} if look.peaks is None else asdict(look.peaks)


def _rank_correlation(times: Sequence[float]) -> float:
    """Spearman's correlation of `times` with their order; its normal approximation is `r * sqrt(n - 1)`."""
    order = sorted(range(len(times)), key=times.__getitem__)
    ranks = [0] * len(times)
    for rank, index in enumerate(order):
        ranks[index] = rank
    return statistics.correlation(ranks, range(len(times)))
