"""Time of a piece of work: wall and processor, with the device's queue drained on both sides.

Layer: meters.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_NANO = 1e-9


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
