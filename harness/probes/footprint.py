"""The memory pass: one round under the meters' `Peak`, and what its bytes are made of.

Layer: probes; torch.

On CUDA the parts of the stack are weights, buffers, cache (or gradients and optimiser), activations and overhead:

    activation_bytes = peak_device_bytes - weights - buffers - parts
    overhead_bytes   = process_device_bytes - peak_device_bytes   (reserved instead, where the driver tells no process)

so that they add up to what the process takes of the device. On a CPU nothing counts tensors: activations are what the
resident set rose by over a round beside the parts, in a heap that gives back what is freed (`meters.heap`), and the
overhead is the rest of what the process grew by since before the model was loaded: code, libraries, their scratch.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.meters import heap, memory
from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@final
@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What the memory pass found: measurements in bytes, and facts about how they were taken."""

    measurements: tuple[Measurement, ...]
    facts: Mapping[str, Any]


def measure(
    subject: Any, call: Callable[[], object], *, held: Callable[[], Mapping[str, int]], devices: Sequence[int]
) -> Footprint:
    """The memory of one `call`, which must have run before on the same shapes.

    Args:
        subject: a loaded subject.
        call: the work.
        held: bytes by part that the work holds beside the weights, now.
        devices: indices of the CUDA devices that work; none on a CPU.
    """
    # CUDA's libraries keep a workspace for each thread that calls them: there the work stays in this one.
    with nullcontext(_call) if devices else heap.returned() as run:
        resident, parts_before = memory.resident(), sum(held().values())
        with memory.Peak(devices) as peak:
            run(call)
    parts = dict(held())
    sizes: dict[str, int | None] = {
        "weights_bytes": memory.weights_bytes(subject.model),
        "buffers_bytes": memory.buffers_bytes(subject.model),
        **parts,
    }
    known = sum(size for size in sizes.values() if size is not None)
    if devices:
        sizes |= _on_device(peak, known)
    else:
        rise = peak.host_bytes - resident - (sum(parts.values()) - parts_before)
        sizes |= _on_host(peak, known, rise=rise, before=subject.facts.get("host_before_bytes"))
    sizes["peak_host_bytes"] = peak.host_bytes
    return Footprint(measurements=_measurements(sizes), facts=_facts(peak))


def _call(work: Callable[[], object]) -> None:
    work()


def _on_device(peak: Any, known: int) -> dict[str, int | None]:
    allocated, reserved, process = peak.device_bytes, peak.device_reserved_bytes, peak.process_bytes
    return {
        "activation_bytes": allocated - known,
        "overhead_bytes": (reserved if process is None else process) - allocated,
        "peak_device_bytes": allocated,
        "peak_reserved_bytes": reserved,
        "process_device_bytes": process,
    }


def _on_host(peak: Any, known: int, *, rise: int, before: int | None) -> dict[str, int | None]:
    if not peak.host_reset:  # The mark is that of the whole life of the process: it says nothing about this round.
        return {}
    activation = max(0, rise)
    if before is None:
        return {"activation_bytes": activation}
    added = peak.host_bytes - before
    return {
        "activation_bytes": activation,
        "added_host_bytes": added,
        "overhead_bytes": added - known - activation,
    }


def _measurements(sizes: Mapping[str, int | None]) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(metric=metric, value=float(size), unit="B", higher_is_better=False)
        for metric, size in sizes.items()
        if size is not None
    )


def _facts(peak: memory.Peak) -> dict[str, Any]:
    facts = {
        "host_peak_reset": peak.host_reset,
        "process_reason": peak.process_reason,
        "retries": peak.retries,
        "ooms": peak.ooms,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
