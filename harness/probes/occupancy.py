"""Whether the host or the device sets the pace: how long the device was busy in a round.

Layer: probes; torch. CUDA only; a pass of its own, since tracing costs time.

Events around a step say how long it took on the device's queue, launches waited for included. What a host-bound step
hides only a trace of the kernels shows: their times, added up, against the wall time of the round.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import torch

from harness.meters.clock import synchronise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.probes.protocol import Round

BOUND = 0.9
"""A round whose device was busy for less than this part of it is bound by the host."""

_MICRO = 1e-6


def facts(once: Callable[[], object] | None, rounds: Sequence[Round], *, devices: Sequence[int]) -> dict[str, Any]:
    """`cpu_bound` and the shares of the wall time it was decided by; empty on a CPU.

    Args:
        once: the work of one round, untimed; None judges by events alone.
        rounds: those that were timed.
        devices: indices of the CUDA devices that work.
    """
    if not devices:
        return {}
    wall = statistics.median(r.wall for r in rounds)
    by_events = statistics.median(r.device if r.device is not None else r.wall for r in rounds) / wall
    busy = _busy(once, devices) if once else 0.0
    # Without access to the device's counters a trace is empty.
    by_kernels = busy / wall if busy else None
    return {
        "cpu_bound": (by_events if by_kernels is None else by_kernels) < BOUND,
        "device_share": {"by_events": by_events, "by_kernels": by_kernels},
    }


def _busy(once: Callable[[], object], devices: Sequence[int]) -> float:
    """Seconds that kernels and copies of one `once` took on the device, added up."""
    synchronise(devices)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as trace:
        once()
        synchronise(devices)
    return sum(event.self_device_time_total for event in trace.key_averages()) * _MICRO
