"""Energy of a piece of work, from a counter of the hardware; never an estimate.

Layer: meters.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from harness.meters import nvml
from harness.meters.clock import synchronise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POWERCAP = Path("/sys/class/powercap")

_MICRO = 1e-6
_TICK_SECONDS = 1.0
"""How long a counter may stand still before it is taken for dead: NVML's moves every 0.1 s, RAPL's every 0.001 s."""
_READ_EVERY = 1.0
"""Seconds between two readings of a counter during the work: a RAPL counter wraps around within minutes."""


class Meter(Protocol):
    """A counter of energy.

    Attributes:
        method: `nvml_counter` or `rapl`.
        devices: indices of the CUDA devices it covers, whose queues are drained before it is read; none for `rapl`.
    """

    method: str
    devices: tuple[int, ...]

    def read(self) -> float:
        """Joules since the meter was made."""
        ...


@final
class NvmlMeter:
    """The energy counters of GPUs, added up: what the whole boards took."""

    method = "nvml_counter"

    def __init__(self, devices: Sequence[int]) -> None:
        self.devices = tuple(devices)
        self._start = 0.0
        self._start = self.read()

    def read(self) -> float:
        """Joules of all boards since the meter was made.

        Raises:
            OSError: the driver stopped answering.
        """
        total = 0.0
        for index in self.devices:
            joules, reason = nvml.total_joules(index)
            if joules is None:
                raise OSError(reason)
            total += joules
        return total - self._start


@final
class Rapl:
    """The energy counters of the processor's sockets and of their memory, added up, whoever uses them.

    Source: Linux, Documentation/power/powercap/powercap.rst: `energy_uj` counts microjoules and starts again at 0
    behind `max_energy_range_uj`.

    Args:
        zones: folders of the counters that are added; no zone may lie within another's count.
    """

    method = "rapl"

    def __init__(self, zones: Sequence[Path]) -> None:
        self.devices: tuple[int, ...] = ()
        self._zones = tuple(zones)
        self._ranges = [_number(zone / "max_energy_range_uj") for zone in self._zones]
        self._last = [_number(zone / "energy_uj") for zone in self._zones]
        self._total = 0

    def read(self) -> float:
        """Joules since the meter was made; right as long as no counter goes round twice between two readings.

        Raises:
            OSError: a counter can no longer be read.
        """
        now = [_number(zone / "energy_uj") for zone in self._zones]
        for new, old, span in zip(now, self._last, self._ranges, strict=True):
            self._total += new - old if new >= old else new - old + span
        self._last = now
        return self._total * _MICRO


def find(kind: str, devices: Sequence[int], *, powercap: Path = POWERCAP) -> Meter | str:
    """The meter of what does the work, or why there is none.

    Args:
        kind: `cuda` asks the GPUs' driver, `cpu` the processor's RAPL counters.
        devices: indices of the CUDA devices that work; none on a CPU.
        powercap: where the kernel shows the RAPL counters.
    """
    try:
        meter = _nvml(devices) if kind == "cuda" else _rapl(powercap)
        return meter if isinstance(meter, str) or _ticks(meter) else f"{meter.method}: the counter stands still"
    except PermissionError:
        return "RAPL: permission denied (its counters are for root unless the administrator allows more)"
    except (OSError, ValueError) as error:
        return f"{'NVML' if kind == 'cuda' else 'RAPL'}: its counter cannot be read: {type(error).__name__}"


@final
@dataclass(frozen=True, kw_only=True)
class Energy:
    """What calls of a function took.

    Attributes:
        joules: of all calls together, gross.
        net_joules: `joules - idle_watts * seconds`; around 0 or below where the work hardly differs from idling.
        seconds: wall time of all calls together.
        idle_watts: mean power of the idle window before.
        calls: how many.
        method: `nvml_counter` or `rapl`.
    """

    joules: float
    net_joules: float
    seconds: float
    idle_watts: float
    calls: int
    method: str


def measure(
    meter: Meter, function: Callable[[], object], *, least_seconds: float = 10.0, idle_seconds: float = 10.0
) -> Energy:
    """Energy of `function`, called again and again for `least_seconds`, after an idle window of `idle_seconds`.

    Args:
        meter: from `find`.
        function: the work; on CUDA it may leave work in the queue, which is drained at the end.
        least_seconds: shortest time of the loop in seconds; below 10 s the counter's own step shows.
        idle_seconds: time of the idle window in seconds, with whatever is loaded now.

    Raises:
        OSError: the counter can no longer be read.
    """
    idle_watts = _idle(meter, idle_seconds)
    synchronise(meter.devices)
    joules, start = meter.read(), time.perf_counter()
    calls, seconds, seen = 0, 0.0, 0.0
    while not calls or seconds < least_seconds:
        function()
        synchronise(meter.devices)
        calls, seconds = calls + 1, time.perf_counter() - start
        if seconds - seen >= _READ_EVERY:
            meter.read()
            seen = seconds
    joules = meter.read() - joules
    seconds = time.perf_counter() - start
    return Energy(
        joules=joules,
        net_joules=joules - idle_watts * seconds,
        seconds=seconds,
        idle_watts=idle_watts,
        calls=calls,
        method=meter.method,
    )


def _idle(meter: Meter, seconds: float) -> float:
    synchronise(meter.devices)
    joules, start = meter.read(), time.perf_counter()
    time.sleep(seconds)
    return (meter.read() - joules) / (time.perf_counter() - start)


def _ticks(meter: Meter) -> bool:
    start, deadline = meter.read(), time.perf_counter() + _TICK_SECONDS
    while time.perf_counter() < deadline:
        if meter.read() > start:
            return True
        time.sleep(0.01)
    return False


def _nvml(devices: Sequence[int]) -> NvmlMeter | str:
    for index in devices:
        joules, reason = nvml.total_joules(index)
        if joules is None:
            return reason
    return NvmlMeter(devices) if devices else "NVML: no GPU is in use"


def _rapl(powercap: Path) -> Rapl | str:
    zones = _zones(powercap) if powercap.is_dir() else []
    return Rapl(zones) if zones else "RAPL: this kernel shows no energy counters"


def _zones(powercap: Path) -> list[Path]:
    """The sockets, and their memory where it is counted apart; `core` and `uncore` lie within a socket's count."""
    found = []
    for zone in sorted(powercap.iterdir()):
        depth = re.fullmatch(r"intel-rapl(:\d+){1,2}", zone.name) and zone.name.count(":")
        wanted = {1: "package", 2: "dram"}.get(depth or 0)
        if wanted and (zone / "name").read_text().startswith(wanted):
            found.append(zone)
    return found


def _number(path: Path) -> int:
    return int(path.read_text())
