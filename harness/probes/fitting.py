"""One try of a batch, in a process that tries nothing else: does it fit, and what did it take?

Layer: probes; imports torch and transformers. `attempt` is called in fresh processes (`children.run`), under a bound on
their memory that the system enforces: what is too large fails here, instead of bringing down the machine.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from harness.config import ConfigError
from harness.generation.budget import first_line, is_out_of_memory
from harness.meters import memory, places
from harness.meters.clock import synchronise
from harness.probes import grid, loops, utilisation
from harness.records import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.models.unloaded import Unloaded

_SIGNS = (
    "could not create a primitive",
    "could not create a memory object",
    "std::bad_alloc",
    "failed to map segment",
    "can't start new thread",
)
"""What oneDNN, the C++ library, the loader and Python's threads say when the bound on memory is met."""

_KIB = 1024
_CEILING = 2**24


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is tried, in the words of `loops.prepared`.

    Attributes:
        batch: rows.
        prompt: tokens of each prompt.
        new: tokens decoded for each row.
        kernels: `torch` or `auto`.
        cache: `static` or `dynamic`.
        seed: of the prompts.
    """

    batch: int
    prompt: int
    new: int
    kernels: str
    cache: str
    seed: int


@final
@dataclass(frozen=True, kw_only=True)
class Tried:
    """How a try ended.

    Attributes:
        batch: rows.
        reason: why it does not fit; empty where it does.
        peak_bytes: highest bytes of the model and its work; None where it did not get that far.
        bound: bytes that it could take.
        predicted: largest batch that fits into `bound` by the family's formulas; None where there are none.
        guess: the same with what this try took beyond the formulas (libraries, workspaces) taken off the bound.
        subject: facts of the loaded subject.
    """

    batch: int
    reason: str = ""
    peak_bytes: int | None = None
    bound: int | None = None
    predicted: int | None = None
    guess: int | None = None
    subject: dict[str, Any] | None = None


def attempt(unloaded: Unloaded, shape: Shape, bound: int | None) -> Tried:
    """Loads the model, reads the prompts and decodes all new tokens, within `bound`.

    Args:
        unloaded: what to load.
        shape: what to try.
        bound: bytes for the model and its work, beside what the process has when it starts; on a CPU always given, on
            CUDA None is all of the device's free memory.

    Raises:
        Unsupported: the point exceeds the model's context, or the model cannot run here.
        ConfigError: the model cannot be loaded.
    """
    # numpy's BLAS takes its buffers on first use, and asks for them without end where there is no memory left.
    np.dot(np.ones((8, 8)), np.ones((8, 8)))
    torch.set_num_threads(unloaded.device.threads)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    free = _bind(unloaded.device.kind, bound)
    try:
        return _attempt(unloaded, shape, free)
    except OutOfMemory as error:
        reason = str(error)
    except (RuntimeError, MemoryError, OSError, ImportError, SystemError, ConfigError) as error:
        # CPython raises SystemError where an extension failed without saying why: here, for want of memory.
        signs = isinstance(error, SystemError) or any(sign in str(error) for sign in _SIGNS)
        if not (is_out_of_memory(error) or signs):
            raise
        reason = first_line(error)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)  # The answer takes memory, too.
    return Tried(batch=shape.batch, reason=reason, bound=free)


def _attempt(unloaded: Unloaded, shape: Shape, free: int) -> Tried:
    at_start = memory.resident()
    subject = unloaded.load(lambda *_: None)
    grid.clip(subject.facts["context"], prompt=shape.prompt, new=shape.new)
    devices = places.devices(unloaded.device.kind, subject.model)
    with memory.Peak(devices) as peak, loops.prepared(shape, subject, prompt=shape.prompt, new=shape.new) as ready:
        for _ in ready.loop.tokens(shape.new):
            pass
        synchronise(devices)
    reason = ""
    if peak.retries or peak.ooms:
        reason = f"the allocator had to give back memory and try again {(peak.retries or 0) + (peak.ooms or 0)} times"
    taken = max(0, peak.host_bytes - at_start) if peak.device_bytes is None else peak.device_bytes
    predict = _formula(subject, shape)
    return Tried(
        batch=shape.batch,
        reason=reason,
        peak_bytes=taken,
        bound=free,
        predicted=predict and largest(lambda batch: predict(batch) <= free),
        guess=predict and largest(lambda batch: predict(batch) - predict(shape.batch) <= free - taken),
        subject=dict(subject.facts),
    )


def _bind(kind: str, bound: int | None) -> int:
    """Bounds the memory of this process; returns the bytes it may take."""
    if kind == "cpu":
        if bound is None:
            raise ValueError("a try on the CPU needs a bound on its memory")
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = _data_bytes() + bound
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
        return bound
    free, total = torch.cuda.mem_get_info()
    if bound is None or bound >= free:
        return free
    torch.cuda.set_per_process_memory_fraction(bound / total)
    return bound


def _data_bytes() -> int:
    """Bytes that count against RLIMIT_DATA now: private memory that may be written to, used or not."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * _KIB


def _formula(subject: Any, shape: Shape) -> Callable[[int], int] | None:
    """Peak bytes by the family's formulas for a number of rows; None where there are none."""
    costs = utilisation.costs(subject)
    if costs is None:
        return None
    return lambda batch: costs.predicted_peak_bytes(
        dtype=str(subject.model.dtype).removeprefix("torch."),
        attention=subject.facts["attention"],
        batch=batch,
        prompt=shape.prompt,
        new=shape.new,
        kind=subject.device.kind,
    )


def largest(within: Callable[[int], bool]) -> int:
    """The largest number that is `within`, 0 where 1 is not; no more than 2^24.

    >>> largest(lambda batch: 3 * batch <= 100)
    33
    """
    low, high = 0, 1
    while high < _CEILING and within(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low
