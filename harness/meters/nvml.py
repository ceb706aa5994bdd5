"""What the NVIDIA driver tells about a GPU; the only module that imports pynvml.

Every function answers `(value, "")`, or `(None, reason)` where the driver is missing or does not tell; none raises.
Indices are torch's: what CUDA_VISIBLE_DEVICES leaves, in its order.

Layer: meters.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Value = TypeVar("_Value")

HIDDEN = "not visible: the driver does not list the processes on this GPU (a container or MIG hides them)"
"""Why it is not known whether others use the GPU."""

_POLICIES = {"power": 0, "heat": 1, "board": 3, "reliability": 5}
"""NVML's counters of the time for which the clocks were held back. Source: nvml.h, nvmlPerfPolicyType_t."""

_SLOWDOWNS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown by the driver",
    0x40: "thermal slowdown by the hardware",
    0x80: "power brake",
}
"""Bits that mean a slowdown. Source: nvml.h, nvmlClocksEventReasons; the rest are idling and chosen clocks."""


def total_joules(index: int) -> tuple[float | None, str]:
    """Joules that the GPU has used since its driver was loaded, from its own counter (Volta and later)."""
    divided, reason = _ask(index, _divided)
    if divided is None:
        return None, reason
    if divided:
        return None, "NVML: MIG divides the GPU, and its energy counter covers everybody's parts"
    return _ask(index, lambda pynvml, handle: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) * 1e-3)


def process_bytes(indices: Sequence[int]) -> tuple[int | None, str]:
    """Device memory of this process over all of `indices`, in bytes, contexts included."""
    total = 0
    for index in indices:
        found, reason = _ask(index, _own_bytes)
        if found is None:
            return None, reason or "NVML does not tell the memory of this process (a container or MIG hides it)"
        total += found
    return total, ""


def state(index: int) -> tuple[dict[str, Any] | None, str]:
    """Present state of a GPU on which this process works.

    Returns:
        A dict of name, driver, mig, clocks in MHz (`sm_mhz`, `memory_mhz`), `power_limit_watts`, `temperature` and
        `temperature_limit` in degrees Celsius, `persistence`, `ecc`, `slowdowns` (names), `held_back_seconds` (per
        cause, since the driver was loaded) and `foreign` (how many other processes compute on it; where that is None,
        `foreign_reason` says that they are not visible); None for what this GPU does not tell.
    """
    return _ask(index, _state)


def _ask(index: int, question: Callable[[Any, Any], _Value]) -> tuple[_Value | None, str]:
    import pynvml

    try:
        pynvml.nvmlInit()
        return question(pynvml, _handle(pynvml, index)), ""
    except pynvml.NVMLError as error:
        return None, _reason(pynvml, error)


def _reason(pynvml: Any, error: Any) -> str:
    missing = {pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED}
    return "no NVML: no NVIDIA driver is installed" if error.value in missing else f"NVML: {error}"


def _handle(pynvml: Any, index: int) -> Any:
    """The GPU; of a MIG instance the GPU it is a part of."""
    import torch

    uuid = str(torch.cuda.get_device_properties(index).uuid).removeprefix("GPU-")
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError:
        part = pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")
        return pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)


def _divided(pynvml: Any, handle: Any) -> bool:
    """Whether MIG divides the GPU."""
    mode = _told(pynvml, lambda: pynvml.nvmlDeviceGetMigMode(handle))
    return bool(mode and mode[0])


def _own_bytes(pynvml: Any, handle: Any) -> int | None:
    found = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    own = [p for p in found if p.pid == os.getpid()]
    # In a container process ids are those of the host; a single one is ours, since this process works on the GPU.
    own = own or (found if len(found) == 1 else [])
    known = [p.usedGpuMemory for p in own if p.usedGpuMemory is not None]
    return sum(known) if known else None


def _foreign(pynvml: Any, handle: Any) -> int | None:
    pids = {p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    if not pids:  # Not even this process, which works on the GPU: the list is hidden, and says nothing of others.
        return None
    ours = {os.getpid(), os.getppid()}
    # In a container process ids are those of the host: one of them is ours, since this process works on the GPU.
    hidden = 0 if os.getpid() in pids else 1
    return max(0, len(pids - ours) - hidden)


def _state(pynvml: Any, handle: Any) -> dict[str, Any]:
    questions: dict[str, Callable[[], Any]] = {
        "name": lambda: pynvml.nvmlDeviceGetName(handle),
        "driver": pynvml.nvmlSystemGetDriverVersion,
        "sm_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM),
        "memory_mhz": lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM),
        "power_limit_watts": lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) * 1e-3,
        "temperature": lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
        "temperature_limit": lambda: pynvml.nvmlDeviceGetTemperatureThreshold(
            handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        ),
        "persistence": lambda: bool(pynvml.nvmlDeviceGetPersistenceMode(handle)),
        "ecc": lambda: bool(pynvml.nvmlDeviceGetEccMode(handle)[0]),
        "slowdowns": lambda: _slowdowns(pynvml, handle),
        "foreign": lambda: _foreign(pynvml, handle),
    }
    found = {field: _told(pynvml, question) for field, question in questions.items()}
    if found["foreign"] is None:
        found["foreign_reason"] = HIDDEN
    return {**found, "mig": _divided(pynvml, handle), "held_back_seconds": _held_back(pynvml, handle)}


def _slowdowns(pynvml: Any, handle: Any) -> list[str]:
    bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return [name for bit, name in _SLOWDOWNS.items() if bits & bit]


def _held_back(pynvml: Any, handle: Any) -> dict[str, float]:
    status = {
        cause: _told(pynvml, lambda policy=policy: pynvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime)
        for cause, policy in _POLICIES.items()
    }
    return {cause: nanoseconds * 1e-9 for cause, nanoseconds in status.items() if nanoseconds is not None}


def _told(pynvml: Any, question: Callable[[], _Value]) -> _Value | None:
    """The answer, or None where this GPU or driver has none."""
    try:
        return question()
    except pynvml.NVMLError:
        return None
