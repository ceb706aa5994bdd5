"""Moments of tokens: wall and processor time of each `next` of a loop, and the device's own clock beside them.

Layer: probes; torch.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch

from harness.meters.clock import synchronise
from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_NANO, _MILLI = 1e-9, 1e-3


@final
@dataclass(frozen=True, kw_only=True)
class Stamps:
    """When each token of a round was ready, in seconds after its start.

    Attributes:
        wall: by the wall clock, the device's queue drained for every token: what a user feels.
        cpu: processor time of this process until then, all its threads together.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def gaps(self) -> tuple[float, ...]:
        """Wall seconds between one token and the next: one fewer than tokens."""
        return gaps(self.wall)


def gaps(moments: Sequence[float]) -> tuple[float, ...]:
    """Differences of neighbours: one fewer than `moments`.

    >>> gaps([1.0, 1.5, 2.5])
    (0.5, 1.0)
    """
    return tuple(b - a for a, b in itertools.pairwise(moments))


def stamp(tokens: Iterable[object], *, devices: Sequence[int]) -> Stamps:
    """Runs a loop to its end and says when each token was ready."""
    wall: list[int] = []
    cpu: list[int] = []
    synchronise(devices)
    began_cpu, began = time.process_time_ns(), time.perf_counter_ns()
    for _ in tokens:
        synchronise(devices)
        wall.append(time.perf_counter_ns())
        cpu.append(time.process_time_ns())
    return Stamps(wall=tuple((ns - began) * _NANO for ns in wall), cpu=tuple((ns - began_cpu) * _NANO for ns in cpu))


def device_gaps(tokens: Iterable[object], *, devices: Sequence[int]) -> tuple[float, ...]:
    """Seconds by CUDA events from the start to the first token and from each token to the next.

    Nothing waits for the device before the end, so that the host runs ahead of it: where it can, these are the device's
    own times, without the launches; where it cannot, it is the host that is slow. Events lie on the last of `devices`,
    which holds a model's output layer.
    """
    stream = torch.cuda.current_stream(devices[-1])
    events = [torch.cuda.Event(enable_timing=True)]
    synchronise(devices)
    events[0].record(stream)
    for _ in tokens:
        event = torch.cuda.Event(enable_timing=True)
        event.record(stream)
        events.append(event)
    synchronise(devices)
    return tuple(a.elapsed_time(b) * _MILLI for a, b in itertools.pairwise(events))


def device_first(first: Iterator[object], second: Iterator[object], *, devices: Sequence[int]) -> float:
    """Seconds by CUDA events from the start of `second` to its first token, queued right behind all of `first`.

    Its launches hide behind the device's work on `first`; what a loop does behind its last token is left out.
    """
    stream = torch.cuda.current_stream(devices[-1])
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    synchronise(devices)
    for _ in first:
        pass
    start.record(stream)
    next(second)
    end.record(stream)
    for _ in second:
        pass
    synchronise(devices)
    return start.elapsed_time(end) * _MILLI


def seconds(metric: str, value: float, *, n: int = 1) -> Measurement:
    """A time, of which less is better."""
    return Measurement(metric=metric, value=value, unit="s", n=n, higher_is_better=False)


def rate(metric: str, count: int, duration: float, *, unit: str = "tok/s") -> Measurement:
    """`count` tokens or items in `duration` seconds."""
    return Measurement(metric=metric, value=count / duration, unit=unit, n=count, higher_is_better=True)


def of_sequence(stamps: Stamps, device: Sequence[float]) -> tuple[Measurement, ...]:
    """`ttft` and `e2e`, and where there are two tokens or more `itl` and `tpot`, by the formulas of `protocol`.

    Args:
        stamps: of one round.
        device: what `device_gaps` gave for the same work; empty on a CPU, which has processor time instead.
    """
    first, last, between = stamps.wall[0], stamps.wall[-1], stamps.gaps
    times = [seconds("ttft", first), seconds("e2e", last)]
    if between:
        n = len(between)
        times += [seconds("itl", statistics.median(between), n=n), seconds("tpot", (last - first) / n, n=n)]
    beside = device or (stamps.cpu[0], *gaps(stamps.cpu))
    return (*times, *_beside(beside, "device" if device else "cpu"))


def _beside(each: Sequence[float], clock: str) -> list[Measurement]:
    """`ttft`, `e2e` and `itl` by another clock, from the seconds that each token took."""
    times = [seconds(f"ttft_{clock}", each[0]), seconds(f"e2e_{clock}", math.fsum(each))]
    if len(each) > 1:
        times.append(seconds(f"itl_{clock}", statistics.median(each[1:]), n=len(each) - 1))
    return times
