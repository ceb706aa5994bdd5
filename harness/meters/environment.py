"""The surroundings of a measurement: what they were before and after, and whether they make it noisy.

Layer: meters. A snapshot holds no path, no host name, no user and no other process's name.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from harness.meters import host, nvml
from harness.meters.clock import synchronise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_STOLEN = 0.02
"""Share of the wanted processor time that a hypervisor may take."""

MOST_OTHERS = 0.10
"""Share of the machine's processors that other processes may use."""

MOST_LOAD = 1.5
"""Load average per core; the process that measures adds up to 1 itself."""

MOST_HELD_BACK = 0.01
"""Share of the time for which a quota, a power limit or heat may hold back the processor or the GPU."""

MOST_CLOCK_CHANGE = 0.02

LEAST_MARGIN = 3
"""Degrees Celsius below the GPU's slowdown temperature."""

_LEAST_SECONDS = 0.5
"""Shortest window whose processor time is judged: the kernel counts in steps of 10 ms."""

_SPIN_CYCLES, _SPIN_SECONDS = 400_000_000, 0.1


def snapshot(kind: str, devices: Sequence[int]) -> dict[str, Any]:
    """What can change a timing without being part of the subject: small values that JSON can hold.

    Args:
        kind: `cpu` or `cuda`.
        devices: indices of the CUDA devices that work; each is kept busy for 0.2 s, since the clocks of an idle GPU
            say nothing.

    Returns:
        `at` (seconds on a clock that only differences make sense of), `cores`, `load`, `running`, `governor`, `mhz`,
        `processor_seconds` (see `host.usage`), `torch` (its settings) and on CUDA `gpus` (see `nvml.state`; a dict
        with `reason` where the driver does not tell).
    """
    found = {
        "at": round(time.monotonic(), 3),
        "cores": host.cores(),
        **host.load(),
        **host.clocks(),
        "processor_seconds": host.usage(),
        "torch": _settings(),
    }
    return {**found, "gpus": [_gpu(index) for index in devices]} if kind == "cuda" else found


def noise(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Why what was measured between two snapshots may be off, one line each; empty where nothing speaks against it."""
    return (
        *_processors(before, after),
        *(
            f"gpu {place}: {reason}"
            for place, (then, now) in enumerate(zip(before.get("gpus", ()), after.get("gpus", ()), strict=False))
            for reason in _gpu_noise(then, now, after["at"] - before["at"])
        ),
    )


def _settings() -> dict[str, Any]:
    cuda = torch.backends.cuda
    kernels = {
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "cudnn": cuda.cudnn_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
    }
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "float32_products": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "sdpa": sorted(name for name, enabled in kernels.items() if enabled),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _gpu(index: int) -> dict[str, Any]:
    synchronise([index])
    with torch.cuda.device(index):
        torch.cuda._sleep(_SPIN_CYCLES)  # noqa: SLF001 - the only kernel that keeps a GPU busy without memory
    time.sleep(_SPIN_SECONDS)
    found, reason = nvml.state(index)
    synchronise([index])
    return {"reason": reason} if found is None else found


def _processors(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    seconds = after["at"] - before["at"]
    used = _difference(before["processor_seconds"], after["processor_seconds"])
    if seconds >= _LEAST_SECONDS and used.get("busy") is not None:
        yield from _contention(used)
    if (held := used.get("held_back")) and held > MOST_HELD_BACK * seconds:
        yield f"the container's processor quota held threads back for {held:.1f} of {seconds:.1f} s"
    if (load := after["load"]) is not None and load > MOST_LOAD * after["cores"]:
        yield f"load average {load:.1f} on {after['cores']} cores"


def _contention(used: Mapping[str, float]) -> Iterator[str]:
    busy, stolen = used["busy"], used["stolen"]
    wanted, there = busy + stolen, busy + stolen + used["idle"]
    if stolen > MOST_STOLEN * wanted:
        yield f"the hypervisor took {stolen / wanted:.0%} of the processor time"
    if (others := busy - used["own"]) > MOST_OTHERS * there:
        yield f"other processes used {others / there:.0%} of the processors"


def _difference(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> dict[str, float]:
    pairs = ((field, value, before.get(field)) for field, value in after.items())
    return {field: now - then for field, now, then in pairs if now is not None and then is not None}


def _gpu_noise(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> Iterator[str]:
    if foreign := max(before.get("foreign") or 0, after.get("foreign") or 0):
        yield f"used by {foreign} other process{'es' if foreign > 1 else ''}"
    yield from _slowed(before, after, seconds)
    for name in ("sm_mhz", "memory_mhz"):
        then, now = before.get(name), after.get(name)
        if then and now and abs(now / then - 1) > MOST_CLOCK_CHANGE:
            yield f"{name.removesuffix('_mhz')} clock moved from {then} to {now} MHz"
    now, limit = after.get("temperature"), after.get("temperature_limit")
    if now and limit and now > limit - LEAST_MARGIN:
        yield f"{now} °C, and it slows down at {limit} °C"


def _slowed(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> Iterator[str]:
    """By the counters of the time held back; the reasons of the moment only say what no counter covers."""
    held = _difference(before.get("held_back_seconds") or {}, after.get("held_back_seconds") or {})
    for cause, duration in held.items():
        if duration > MOST_HELD_BACK * seconds:
            yield f"held back by {cause} for {duration:.1f} of {seconds:.1f} s"
    reasons = {*(before.get("slowdowns") or ()), *(after.get("slowdowns") or ())}
    for reason in sorted(reasons - ({"power cap"} if "power" in held else set())):
        yield f"slowed down: {reason}"
