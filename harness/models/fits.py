"""What fits into a memory, and how far a prediction may lie from what is measured.

Layer: models, light: stdlib only.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.config import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.models.costs import Costs

TOLERANCE = 0.05
"""Part of a prediction by which the measured bytes may differ from it, beside the constant."""

CONSTANT_BYTES: Mapping[str, int] = MappingProxyType({"cpu": 16 * 2**20, "cuda": 64 * 2**20})
"""Bytes that a prediction leaves out because no size of the model says them.

CPU, measured as growth of the process: pages of torch's and oneDNN's code that the first call touches, packing buffers
of matrix products, thread stacks, and what the C allocator keeps of small blocks: 6 to 16 MiB (one thread; the shapes
of gpt2, gpt-neo-125m, pythia-160m and opt-125m, eager and sdpa, float32 and bfloat16). It holds where freed blocks go
back to the system at once (`MALLOC_MMAP_THRESHOLD_=65536`); glibc otherwise keeps freed blocks of up to 32 MiB for the
next call, which under eager attention came to 250 MiB.
CUDA, as allocated bytes, not measured yet: the workspaces of cuBLAS, 32 MiB on Hopper and 8 MiB before it, and the
rounding of every tensor to 512 bytes.
"""

WORKER_BYTES = 64 * 2**20
"""What a worker on a CPU grows by beside its model: code of the libraries that it touches for the first time after it
was forked, which the system counts as resident. 30 to 50 MiB; it does not depend on the model."""

_MOST = 2**24
"""No batch beyond this is looked for."""


def agrees(predicted: int, measured: int, kind: str, *, beside: int = 0) -> bool:
    """Whether `measured` bytes lie within `TOLERANCE` and the constant of `kind` (`cpu` or `cuda`) of `predicted`.

    Args:
        predicted: by the formulas.
        measured: what the process grew by, or what was allocated on the device.
        kind: of the device.
        beside: further bytes that are not the model's: `WORKER_BYTES` for the growth of a worker (`added_host_bytes`).

    >>> agrees(10**9, 1_060_000_000, "cpu"), agrees(10**9, 1_200_000_000, "cpu"), agrees(10**9, 900_000_000, "cpu")
    (True, False, False)

    The constant only adds: what is predicted is really allocated, so a measurement may fall short by the part only.
    """
    slack = CONSTANT_BYTES[one_of(kind, CONSTANT_BYTES, field="kind")] + beside
    return predicted * (1 - TOLERANCE) <= measured <= predicted * (1 + TOLERANCE) + slack


def largest_batch(  # noqa: PLR0913 - the axes of a probe
    costs: Costs, memory: int, *, dtype: str, attention: str, prompt: int, new: int, kind: str
) -> int:
    """Most rows of `prompt` and `new` tokens whose predicted peak, with the constant, fits into `memory` bytes; or 0.

    Args:
        costs: of the model.
        memory: bytes that are free before the model is loaded.
        dtype: of weights and activations.
        attention: as in `Costs.predicted_memory`.
        prompt: tokens of each row.
        new: tokens decoded for each row.
        kind: `cpu` or `cuda`.
    """
    room = memory - CONSTANT_BYTES[kind]

    def fits(batch: int) -> bool:
        peak = costs.predicted_peak_bytes(
            dtype=dtype, attention=attention, batch=batch, prompt=prompt, new=new, kind=kind
        )
        return peak <= room

    if not fits(1):
        return 0
    low, high = 1, 2
    while high < _MOST and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def bytes_per_sequence(  # noqa: PLR0913 - the axes of a probe
    costs: Costs, *, dtype: str, attention: str, prompt: int, new: int, kind: str
) -> int:
    """Bytes that one more row adds to the predicted peak: its keys and values and its share of the activations."""
    memory = costs.predicted_memory(dtype=dtype, attention=attention, batch=1, prompt=prompt, new=new, kind=kind)
    return memory.kv + memory.activations
