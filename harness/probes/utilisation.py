"""How much of the machine a piece of work used: model FLOP and bandwidth utilisation, and the roofline's bound.

Layer: probes; torch and the family facts.

    mfu = flops / (time * peak_flops)    mbu = moved_bytes / (time * peak_bandwidth)
    bound_s = max(flops / peak_flops, moved_bytes / peak_bandwidth)

against what the sentinel reached on this machine in the same process, and (`_spec`) against the data sheet where the
hardware is known. `time` is the median over the raw repeats.

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

    from harness.probes.protocol import Useful

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@final
@dataclass(frozen=True, kw_only=True)
class Machine:
    """What utilisation is a fraction of.

    Attributes:
        peaks: the sentinel's: `flops` and `bandwidth`, per second.
        sheet: `flops` and `bandwidth` of the data sheet, those that are known.
        cache: bytes of the last cache before the memory; 0 where it is not known.
    """

    peaks: Any
    sheet: Mapping[str, float]
    cache: int


def costs(subject: Any) -> Any:
    """The family's formulas for the model of `subject` (`harness.models.costs.Costs`); None where it has none.

    Quantised weights are of other sizes than the formulas say: none either.
    """
    from harness.models.costs import costs as of_family

    if subject.facts.get("quantisation", "none") != "none":
        return None
    architecture = subject.model.config.get_text_config().to_dict()
    try:
        return of_family(subject.model.config.model_type, architecture)
    except ValueError:
        return None


def measurements(
    useful: Useful, rows: Sequence[Measurement], machine: Machine
) -> tuple[tuple[Measurement, ...], dict[str, Any]]:
    """Utilisation and bound of `useful`, timed by `rows`, and the facts beside them."""
    time = statistics.median(row.value for row in rows if row.metric == useful.metric)
    peak_flops, bandwidth = machine.peaks.flops, machine.peaks.bandwidth
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
    facts: dict[str, Any] = {"timed_by": useful.metric}
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


def machine(subject: Any, peaks: Any, devices: Sequence[int]) -> Machine:
    """What the work of `subject` is a fraction of: `peaks` of the sentinel, the data sheet, the last cache."""
    from harness.hardware import find

    entry = find(subject.device.name)
    dtype = str(subject.model.dtype).removeprefix("torch.")
    flops = entry.peak_flops(dtype, subject.device.products) if entry else None
    sheet = {"bandwidth": entry.bandwidth} if entry else {}
    if flops is not None:
        sheet["flops"] = flops
    return Machine(peaks=peaks, sheet=sheet, cache=last_cache(devices))


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
