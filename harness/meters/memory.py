"""Memory of a piece of work and of a model, on the device and on the host, in bytes.

Layer: meters.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import torch

from harness.meters import nvml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from torch import Tensor, nn

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_KIB = 1024


@final
class Peak:
    """Highest memory in use between entering and leaving, as a context manager.

    Device figures but the process's are those of torch's allocator, summed over `devices`; they begin with what is
    already allocated (the weights). The host figure is the resident set of the process.

    Args:
        devices: indices of the CUDA devices that are used (`places.devices`); none on a CPU.

    Attributes:
        device_bytes: highest allocated bytes; None without `devices`.
        device_reserved_bytes: highest bytes held by the allocator, cached ones included; None without `devices`.
        process_bytes: bytes of the process by NVML on leaving: what the allocator holds, the CUDA context and the
            libraries' workspaces; None without `devices` or where `process_reason` says why.
        process_reason: why `process_bytes` is None although there are devices; else empty.
        retries: times within that the allocator had to give back cached memory and try again; None without `devices`.
        ooms: times within that it failed; None without `devices`.
        host_bytes: highest resident bytes; 0 until it is left.
        host_reset: whether the host's high-water mark could be reset on entering. If not (the kernel or the container
            forbids it), `host_bytes` is the peak since the process began.
    """

    def __init__(self, devices: Sequence[int] = ()) -> None:
        self.device_bytes: int | None = None
        self.device_reserved_bytes: int | None = None
        self.process_bytes: int | None = None
        self.process_reason = ""
        self.retries: int | None = None
        self.ooms: int | None = None
        self.host_bytes = 0
        self.host_reset = False
        self._devices = tuple(devices)

    def __enter__(self) -> Self:
        for index in self._devices:
            torch.cuda.synchronize(index)
            torch.cuda.reset_peak_memory_stats(index)
        self._before = _failures(self._devices)
        self.host_reset = _reset_host()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.host_bytes = _host_peak()
        if not self._devices:
            return
        self.device_bytes = sum(torch.cuda.max_memory_allocated(i) for i in self._devices)
        self.device_reserved_bytes = sum(torch.cuda.max_memory_reserved(i) for i in self._devices)
        self.retries, self.ooms = (now - then for now, then in zip(_failures(self._devices), self._before, strict=True))
        self.process_bytes, self.process_reason = nvml.process_bytes(self._devices)


def resident() -> int:
    """Bytes of the process that lie in the host's memory now (VmRSS); where the kernel hides that, the peak so far."""
    return _status("VmRSS")


def weights_bytes(model: nn.Module) -> int:
    """Bytes of the parameters of `model`: tied ones once, quantised ones as they are stored, with their scales."""
    return tensors_bytes(part for weight in model.parameters() for part in (weight, *_scales(weight)))


def buffers_bytes(model: nn.Module) -> int:
    """Bytes of the buffers of `model`, those that no checkpoint holds included (GPT-Neo's masks)."""
    return tensors_bytes(model.buffers())


def tensors_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes that the values of `tensors` occupy: memory that several of them share counts once.

    >>> rows = torch.zeros(4, 8)
    >>> tensors_bytes([rows, rows.T, rows[:2], torch.zeros(2)])
    136
    """
    spans: dict[object, list[tuple[int, int]]] = {}
    held = list(tensors)  # one that is gone would leave its address to the next
    for plain in (plain for tensor in held for plain in _plain(tensor)):
        if plain.numel():
            # Tensors without values (meta) have no address: there the storage says what is shared.
            place = plain.untyped_storage()._cdata if plain.is_meta else plain.device  # noqa: SLF001 - no public name
            spans.setdefault(place, []).append(_span(plain))
    return sum(_covered(found) for found in spans.values())


def _plain(tensor: Tensor) -> Iterator[Tensor]:
    """The tensors that hold the values: those within a wrapper (torchao's quantised weights), else the tensor."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        yield tensor
        return
    for name in flatten()[0]:
        yield from _plain(getattr(tensor, name))


def _scales(weight: Any) -> Iterator[Tensor]:
    """What bitsandbytes keeps beside a quantised weight: scales, codes and, of scales quantised in turn, theirs."""
    state = getattr(weight, "quant_state", None)
    while state is not None:
        yield from (value for value in vars(state).values() if isinstance(value, torch.Tensor))
        state = getattr(state, "state2", None)
    scale = getattr(weight, "SCB", None)
    if isinstance(scale, torch.Tensor):
        yield scale


def _span(tensor: Tensor) -> tuple[int, int]:
    """First address and the one behind the last, in bytes."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    size = tensor.element_size()
    start = int(tensor.storage_offset()) * size if tensor.is_meta else tensor.data_ptr()
    return start, start + (last + 1) * size


def _covered(spans: Iterable[tuple[int, int]]) -> int:
    total = end = 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


def _failures(devices: Sequence[int]) -> tuple[int, int]:
    stats = [torch.cuda.memory_stats(index) for index in devices]
    return sum(s.get("num_alloc_retries", 0) for s in stats), sum(s.get("num_ooms", 0) for s in stats)


def _reset_host() -> bool:
    """Sets the high-water mark of the resident set to its present size. Source: proc(5), clear_refs, value 5."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _host_peak() -> int:
    return _status("VmHWM")


def _status(field: str) -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
