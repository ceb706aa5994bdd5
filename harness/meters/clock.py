"""Time of a piece of work: wall, processor and device time, with the device's queue drained on both sides.

Layer: meters.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

_NANO = 1e-9
_MILLI = 1e-3
_WINDOW = 5
"""Calls in a running median, and running medians that are compared, at most."""

_LEAST = 3
"""Running medians that must agree: two calls may agree by chance."""


def synchronise(devices: Sequence[int]) -> None:
    """Waits until all work given to the CUDA devices of these indices is done."""
    for index in devices:
        torch.cuda.synchronize(index)


@final
class Stopwatch:
    """Time between entering and leaving, as a context manager.

    Args:
        devices: indices of the CUDA devices that work (`places.devices`); none on a CPU.

    >>> with Stopwatch() as watch:
    ...     work = sum(range(1000))
    >>> watch.seconds > 0
    True

    Attributes:
        wall_ns: elapsed nanoseconds; 0 until it is left.
        cpu_ns: nanoseconds of processor time of this process, all its threads together; 0 until it is left.
    """

    def __init__(self, devices: Sequence[int] = ()) -> None:
        self.wall_ns = 0
        self.cpu_ns = 0
        self._devices = tuple(devices)

    @property
    def seconds(self) -> float:
        """Elapsed wall time in seconds."""
        return self.wall_ns * _NANO

    def __enter__(self) -> Self:
        synchronise(self._devices)
        self._cpu = time.process_time_ns()
        self._wall = time.perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            synchronise(self._devices)
        self.wall_ns = time.perf_counter_ns() - self._wall
        self.cpu_ns = time.process_time_ns() - self._cpu


@final
@dataclass(frozen=True, kw_only=True)
class Lap:
    """What one call took.

    Attributes:
        wall_ns: nanoseconds from an empty queue to an empty queue: what a user waits.
        cpu_ns: nanoseconds of processor time of this process, all its threads together.
        device_ms: milliseconds between two CUDA events on the current stream, of the device where it is longest; None
            on a CPU. Below 0.9 of the wall time the host, which launches the work, is what limits it.
    """

    wall_ns: int
    cpu_ns: int
    device_ms: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time in seconds."""
        return self.wall_ns * _NANO

    @property
    def cpu_seconds(self) -> float:
        """Processor time in seconds."""
        return self.cpu_ns * _NANO

    @property
    def device_seconds(self) -> float | None:
        """Time between the CUDA events in seconds; None on a CPU."""
        return None if self.device_ms is None else self.device_ms * _MILLI


def timed(function: Callable[[], object], *, devices: Sequence[int] = ()) -> Lap:
    """Time of one call of `function`, by the wall, the processor and (on CUDA) by events, all around the same work.

    Args:
        function: the work; what it returns is dropped.
        devices: indices of the CUDA devices that work (`places.devices`); none on a CPU.
    """
    starts, ends = _events(devices), _events(devices)
    synchronise(devices)
    cpu = time.process_time_ns()
    wall = time.perf_counter_ns()
    _record(starts, devices)
    function()
    _record(ends, devices)
    synchronise(devices)
    wall_ns = time.perf_counter_ns() - wall
    cpu_ns = time.process_time_ns() - cpu
    device = [start.elapsed_time(end) for start, end in zip(starts, ends, strict=True)]
    return Lap(wall_ns=wall_ns, cpu_ns=cpu_ns, device_ms=max(device, default=None))


@final
@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """The calls before the first timed one.

    Attributes:
        calls: how many.
        seconds: wall time of all of them.
        first_seconds: wall time of the first: what a cold start costs (kernels looked up, memory taken).
        stable: whether the calls had settled when it ended; if not, the time was up.
    """

    calls: int
    seconds: float
    first_seconds: float
    stable: bool


def warm_up(  # noqa: PLR0913 - the four limits are one rule, and each has its default
    function: Callable[[], object],
    *,
    devices: Sequence[int] = (),
    least_calls: int = 3,
    least_seconds: float = 2.0,
    change: float = 0.02,
    most_seconds: float = 30.0,
) -> WarmUp:
    """Calls `function` until its time has settled, or the time is up.

    Settled: after `least_calls` calls and `least_seconds` seconds, the last five running medians (each of up to five
    calls, the very first call left out), three of them at least, lie within `change` of each other. The calls must have
    the shapes that are timed afterwards.

    Args:
        function: the work.
        devices: indices of the CUDA devices that work.
        least_calls: calls that are made whatever the times, unless `most_seconds` pass.
        least_seconds: seconds that are spent whatever the times.
        change: largest distance of the running medians, relative to the smallest.
        most_seconds: the call during which they pass is the last one.
    """
    recent: deque[int] = deque(maxlen=2 * _WINDOW - 1)
    first = timed(function, devices=devices).wall_ns
    calls, total, stable = 1, first, False
    while not stable and total * _NANO < most_seconds:
        lap = timed(function, devices=devices).wall_ns
        recent.append(lap)
        calls, total = calls + 1, total + lap
        if calls >= least_calls and total * _NANO >= least_seconds:
            stable = _settled(recent, change)
    return WarmUp(calls=calls, seconds=total * _NANO, first_seconds=first * _NANO, stable=stable)


@contextmanager
def collector_off() -> Iterator[None]:
    """Python's garbage collector runs once before and never within: a collection would count as a slow call."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _settled(laps: Sequence[int], change: float) -> bool:
    times = list(laps)
    medians = [statistics.median(times[max(0, i - _WINDOW + 1) : i + 1]) for i in range(len(times))][-_WINDOW:]
    return len(medians) >= _LEAST and max(medians) - min(medians) <= change * min(medians)


def _events(devices: Sequence[int]) -> list[torch.cuda.Event]:
    return [torch.cuda.Event(enable_timing=True) for _ in devices]


def _record(events: Sequence[torch.cuda.Event], devices: Sequence[int]) -> None:
    for event, index in zip(events, devices, strict=True):
        event.record(torch.cuda.current_stream(index))
