"""A fixed matrix product, a fixed copy and a fixed sum: what this device reaches now, and whether it drifts.

Layer: meters.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch

from harness.meters.clock import Lap, Stopwatch, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_DRIFT = 0.03
"""Change of the sentinel from which the block between its two readings is called noisy."""

_MIB = 2**20
_CUDA_SIZE, _CUDA_COPY, _CUDA_WARM = 8192, 1024 * _MIB, 0.1
_CPU_SIZES, _CPU_COPY = (256, 512, 1024, 2048, 4096), 64 * _MIB
_CPU_SECONDS = 0.045
"""Longest product that is chosen on a CPU."""
_LEAST_SIZE, _LEAST_COPY = 1024, 64 * _MIB
_QUICK, _THOROUGH = 5, 25
_AGREE = 3
"""Readings that must agree."""
_ONEDNN = (torch.float32, torch.bfloat16)


@final
@dataclass(frozen=True, kw_only=True)
class Peaks:
    """What the device reached.

    Attributes:
        flops: FLOP/s of the matrix product.
        bandwidth: B/s of a copy, read and written bytes together, or of a sum, which only reads: the higher one.
        seconds: what finding out took.
        size: rows and columns of the matrices.
        copied: bytes of the source of the copy.
    """

    flops: float
    bandwidth: float
    seconds: float
    size: int
    copied: int


def peaks(
    kind: str, devices: Sequence[int], *, dtype: str | torch.dtype, quick: bool = True, like: Peaks | None = None
) -> Peaks:
    """Median rates of a square matrix product in `dtype` and of moving memory, on the first of `devices` or the CPU.

    On CUDA 8192 rows and 1 GiB (halved while the memory left does not hold them), else the largest product of at most
    45 ms and 64 MiB, which cost less than half a second together. All memory is given back.

    Args:
        kind: `cpu` or `cuda`.
        devices: indices of the CUDA devices that work; none on a CPU.
        dtype: of the matrices, `bfloat16` or `torch.bfloat16`.
        quick: 5 timed calls of each; else 25.
        like: an earlier reading: its sizes are taken, so that the two can be compared.

    Raises:
        torch.OutOfMemoryError: no memory is left on the device for the smallest sizes, or for those of `like`.
    """
    precision: torch.dtype = dtype if isinstance(dtype, torch.dtype) else getattr(torch, dtype)
    where = tuple(devices[:1]) if kind == "cuda" else ()
    calls = _QUICK if quick else _THOROUGH
    with Stopwatch(where) as watch, torch.inference_mode():
        size = like.size if like else _size(where, precision)
        copied = like.copied if like else (_CUDA_COPY if where else _CPU_COPY)
        # Rates of two sizes cannot be compared: there a size that does not fit is no reading.
        leasts = (size, copied) if like else (_LEAST_SIZE, _LEAST_COPY)
        size, product = _fitting(lambda n: _product(n, where, precision, calls), size, least=leasts[0])
        copied, moved = _fitting(lambda n: _moved(n, where, calls), copied, least=leasts[1])
        if where:
            torch.cuda.empty_cache()
    return Peaks(flops=2 * size**3 / product, bandwidth=moved, seconds=watch.seconds, size=size, copied=copied)


@final
@dataclass(frozen=True, kw_only=True)
class Steady:
    """What the device reaches in the long run.

    Attributes:
        flops: FLOP/s, median of the last readings.
        bandwidth: B/s, likewise.
        readings: how many there were.
        spread: largest distance of two of the last readings, relative to the smaller one; 0 where there was one.
    """

    flops: float
    bandwidth: float
    readings: int
    spread: float

    @property
    def stable(self) -> bool:
        """Whether enough readings agree."""
        return self.readings >= _AGREE and self.spread <= MOST_DRIFT


def steady(kind: str, devices: Sequence[int], *, dtype: str, most_seconds: float = 20.0) -> Steady:
    """Reads the sentinel until three readings in a row agree within `MOST_DRIFT`, or the time is up.

    Args:
        kind: `cpu` or `cuda`.
        devices: as for `peaks`.
        dtype: of the matrices.
        most_seconds: the reading during which they pass is the last one.
    """
    found = [peaks(kind, devices, dtype=dtype)]
    while not (last := _steady(found)).stable and sum(one.seconds for one in found) < most_seconds:
        found.append(peaks(kind, devices, dtype=dtype, like=found[0]))
    return last


def _steady(found: Sequence[Peaks]) -> Steady:
    last = found[-_AGREE:]
    rates = ([one.flops for one in last], [one.bandwidth for one in last])
    return Steady(
        flops=statistics.median(rates[0]),
        bandwidth=statistics.median(rates[1]),
        readings=len(found),
        spread=max(max(rate) / min(rate) - 1 for rate in rates),
    )


def drift(before: Peaks, after: Peaks) -> float:
    """Larger of the two relative changes from `before` to `after`, without a sign.

    >>> first = Peaks(flops=100.0, bandwidth=50.0, seconds=0.1, size=1024, copied=2**26)
    >>> round(drift(first, Peaks(flops=98.0, bandwidth=45.0, seconds=0.1, size=1024, copied=2**26)), 3)
    0.1
    """
    return max(abs(after.flops / before.flops - 1), abs(after.bandwidth / before.bandwidth - 1))


def _size(where: Sequence[int], dtype: torch.dtype) -> int:
    if where:
        return _CUDA_SIZE
    least = _CPU_SIZES[0]
    seconds = _product(least, where, dtype, 3)
    return max(n for n in _CPU_SIZES if n == least or seconds * (n / least) ** 3 <= _CPU_SECONDS)


def _fitting(rate: Callable[[int], float], size: int, *, least: int) -> tuple[int, float]:
    """`size`, halved until there is memory for it, and what `rate` says of it."""
    while True:
        try:
            return size, rate(size)
        except torch.OutOfMemoryError:
            if size // 2 < least:
                raise
        # Only here, when the error holds no more frames, is the memory of the failed try free.
        torch.cuda.empty_cache()
        size //= 2


def _product(size: int, where: Sequence[int], dtype: torch.dtype, calls: int) -> float:
    device = _device(where)
    # Zeros would draw less power than a model does, and let the clocks rise above what it sees.
    left = torch.rand(size, size, device=device).sub_(0.5).to(dtype)
    right, out = left.T.contiguous(), torch.empty_like(left)
    linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if linear is None or where or dtype not in _ONEDNN or not torch.backends.mkldnn.is_available():
        return _median(lambda: torch.mm(left, right, out=out), where, calls)
    # MKL, behind `torch.mm`, takes other makers' processors at half of what oneDNN, behind our kernels, gets of them.
    return _median(lambda: linear(left, right, None, "none", [], ""), where, calls)


def _moved(copied: int, where: Sequence[int], calls: int) -> float:
    """Bytes per second. Decoding reads and hardly writes, and memory is read faster than it is copied."""
    # No two pages alike: a host may keep equal pages of its guests only once, in a cache.
    source = torch.arange(copied // 4, dtype=torch.float32, device=_device(where))
    target = torch.empty_like(source)
    copy = _median(lambda: target.copy_(source), where, calls)
    return max(2 * copied / copy, copied / _median(source.sum, where, calls))


def _median(function: Callable[[], object], where: Sequence[int], calls: int) -> float:
    # An idle GPU needs a while to raise its clocks.
    warm = timed(function, devices=where).seconds
    while where and warm < _CUDA_WARM:
        warm += timed(function, devices=where).seconds
    return statistics.median(_seconds(timed(function, devices=where)) for _ in range(calls))


def _seconds(lap: Lap) -> float:
    return lap.seconds if lap.device_seconds is None else lap.device_seconds


def _device(where: Sequence[int]) -> torch.device:
    return torch.device("cuda", where[0]) if where else torch.device("cpu")
