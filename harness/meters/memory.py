"""Peak memory of a piece of work, on the device and on the host, in bytes.

Layer: meters.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_KIB = 1024


@final
class Peak:
    """Highest memory in use between entering and leaving, as a context manager.

    Device figures are those of torch's allocator, summed over `devices`; they begin with what is already allocated (the
    weights). The host figure is the resident set of the process.

    Args:
        devices: indices of the CUDA devices that are used (`places.devices`); none on a CPU.

    Attributes:
        device_bytes: highest allocated bytes; None without `devices`.
        device_reserved_bytes: highest bytes held by the allocator, cached ones included; None without `devices`.
        host_bytes: highest resident bytes; 0 until it is left.
        host_reset: whether the host's high-water mark could be reset on entering. If not (the kernel or the container
            forbids it), `host_bytes` is the peak since the process began.
    """

    def __init__(self, devices: Sequence[int] = ()) -> None:
        self.device_bytes: int | None = None
        self.device_reserved_bytes: int | None = None
        self.host_bytes = 0
        self.host_reset = False
        self._devices = tuple(devices)

    def __enter__(self) -> Self:
        for index in self._devices:
            torch.cuda.synchronize(index)
            torch.cuda.reset_peak_memory_stats(index)
        self.host_reset = _reset_host()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._devices:
            self.device_bytes = sum(torch.cuda.max_memory_allocated(i) for i in self._devices)
            self.device_reserved_bytes = sum(torch.cuda.max_memory_reserved(i) for i in self._devices)
        self.host_bytes = _host_peak()


def _reset_host() -> bool:
    """Sets the high-water mark of the resident set to its present size. Source: proc(5), clear_refs, value 5."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _host_peak() -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
