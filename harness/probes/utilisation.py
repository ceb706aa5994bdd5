"""How much of the machine a piece of work used: model FLOP and bandwidth utilisation, and the roofline's bound.

Layer: probes; torch and the family facts.

    mfu = flops / (time * peak_flops)    mbu = moved_bytes / (time * peak_bandwidth)
    bound_s = max(flops / peak_flops, moved_bytes / peak_bandwidth)

against what the sentinel reached on this machine in the same process, and (`_spec`) against the data sheet where the
hardware is known. Where the sentinel had no memory left, the measured peaks of the device's file stand for it
(`harness.hardware`); the fact `peaks` says which it was. `time` is the median over the raw repeats.

Miniature models: weights that fit the last cache are not read from memory again, so that their bytes over the time is
no bandwidth of memory and could pass its peak many times. Then there is no `mbu`, the fact `cached` says why, and the
bound is that of arithmetic alone, which still is one.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.hardware import Hardware
    from harness.probes.protocol import Useful

SENTINEL = "the sentinel, in this process"
"""Where peaks are from as a rule."""

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@final
@dataclass(frozen=True, kw_only=True)
class Machine:
    """What utilisation is a fraction of.

    Attributes:
        flops: FLOP/s that were measured.
        bandwidth: B/s that were measured.
        origin: when and how these were.
        sheet: `flops` and `bandwidth` of the data sheet, those that are known.
        cache: bytes of the last cache before the memory; 0 where it is not known.
    """

    flops: float
    bandwidth: float
    origin: str
    sheet: Mapping[str, float]
    cache: int


def costs(subject: Any) -> Any:
    """The family's formulas for the model of `subject` (`harness.models.costs.Costs`); None where it has none.

    Quantised weights are of other sizes than the formulas say: there the bytes are corrected (`stored.Stored`).
    """
    from harness.models.costs import costs as of_family
    from harness.probes.stored import Stored

    architecture = subject.model.config.get_text_config().to_dict()
    try:
        found = of_family(subject.model.config.model_type, architecture)
    except ValueError:
        return None
    quantised = subject.facts.get("quantisation", "none") != "none"
    return Stored.of(subject.model, found) if quantised else found


def measurements(
    useful: Useful, rows: Sequence[Measurement], machine: Machine
) -> tuple[tuple[Measurement, ...], dict[str, Any]]:
    """Utilisation and bound of `useful`, timed by `rows`, and the facts beside them."""
    time = statistics.median(row.value for row in rows if row.metric == useful.metric)
    peak_flops, bandwidth = machine.flops, machine.bandwidth
    cached = useful.moved_bytes <= machine.cache
    compute, transfer = useful.flops / peak_flops, 0.0 if cached else useful.moved_bytes / bandwidth
    found = [
        Measurement(metric="flops", value=float(useful.flops), unit="FLOP"),
        Measurement(metric="moved_bytes", value=float(useful.moved_bytes), unit="B"),
        Measurement(metric="peak_flops", value=peak_flops, unit="FLOP/s"),
        Measurement(metric="peak_bandwidth", value=bandwidth, unit="B/s"),
        Measurement(metric="bound_s", value=max(compute, transfer), unit="s"),
        _share("mfu", compute / time),
    ]
    if "flops" in machine.sheet:
        found.append(_share("mfu_spec", useful.flops / (time * machine.sheet["flops"])))
    facts: dict[str, Any] = {"timed_by": useful.metric, "peaks": machine.origin}
    if cached:
        facts["cached"] = f"{useful.moved_bytes:.0f} B fit the last cache of {machine.cache} B: no mbu"
        return tuple(found), facts
    found.append(_share("mbu", transfer / time))
    if "bandwidth" in machine.sheet:
        found.append(_share("mbu_spec", useful.moved_bytes / (time * machine.sheet["bandwidth"])))
    return tuple(found), facts


def impossible(used: Sequence[Measurement]) -> tuple[str, ...]:
    """Reasons to distrust `used`: above 1 the sentinel was held back, or is no peak for this work."""
    return tuple(
        f"{m.metric} is {m.value:.2f}: the work went faster than the sentinel's peak"
        for m in used
        if m.metric in ("mfu", "mbu") and m.value > 1
    )


def machine(subject: Any, peaks: Any, devices: Sequence[int]) -> Machine | None:
    """What the work of `subject` is a fraction of; None where nothing was measured.

    Args:
        subject: a loaded subject.
        peaks: what the sentinel reached before; None where it had no memory left: then those of the device's file.
        devices: indices of the CUDA devices that work.
    """
    from harness.hardware import find

    device = subject.device
    entry = find(device.name)
    dtype = str(subject.model.dtype).removeprefix("torch.")
    reached = (peaks.flops, peaks.bandwidth, SENTINEL) if peaks else _filed(entry, device, dtype)
    if reached is None:
        return None
    known = {"bandwidth": entry.bandwidth, "flops": entry.peak_flops(dtype, device.products)} if entry else {}
    sheet = {name: value for name, value in known.items() if value is not None}
    flops, bandwidth, origin = reached
    return Machine(flops=flops, bandwidth=bandwidth, origin=origin, sheet=sheet, cache=last_cache(devices))


def _filed(entry: Hardware | None, device: Any, dtype: str) -> tuple[float, float, str] | None:
    """Measured peaks of the device's file."""
    measured = entry.measured_with(device.threads if device.kind == "cpu" else None) if entry else None
    flops = measured.flops[device.products if dtype == "float32" else dtype] if measured else None
    if entry is None or measured is None or flops is None:
        return None
    return flops, measured.bandwidth, f"conf/hardware/{entry.name}.yaml, measured {measured.date}"


def last_cache(devices: Sequence[int]) -> int:
    """Bytes of the last cache before the memory: L2 of the CUDA `devices`, the largest of the CPU where there are none.

    0 where the system does not say.
    """
    if devices:
        return sum(int(torch.cuda.get_device_properties(index).L2_cache_size) for index in devices)
    return max((_bytes(path) for path in _CACHES.glob("index*/size")), default=0)


def _bytes(path: Path) -> int:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return 0
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(match.group(1)) * _UNITS[match.group(2)] if match else 0


def _share(metric: str, value: float) -> Measurement:
    return Measurement(metric=metric, value=value, higher_is_better=True)
