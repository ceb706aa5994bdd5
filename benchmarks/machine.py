"""What the machine reaches by itself: matrix products in the model's own shapes, and reading memory.

Layer: torch. Every time is wall-clock between two synchronisations of the device.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import time
from typing import TYPE_CHECKING, Any, final

import torch

from benchmarks import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 512
"""Rows of the matrix products: more is not faster on CPU cores."""

SQUARE = 2048
_MUCH = 32
"""How many times more work a GPU is given, for the same wall time."""


def synchronised() -> float:
    """Wall clock in seconds, after the device has finished what it was given."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and what it returned."""
    start = synchronised()
    result = work()
    return synchronised() - start, result


@final
class Products:
    """The rate of matrix products, to be asked for between the rounds of a comparison.

    Args:
        model: its device, dtype and matrix shapes are used.
        dtype: another dtype than the model's.
    """

    def __init__(self, model: Any, *, dtype: torch.dtype | None = None) -> None:
        weight = model.get_output_embeddings().weight
        self._shapes = shapes.linear_shapes(model)
        rows = ROWS if weight.device.type == "cpu" else ROWS * _MUCH
        made = {"device": weight.device, "dtype": dtype or weight.dtype}
        self._inputs = {size: torch.randn(rows, size, **made) for size, _ in self._shapes}
        self._weights = [torch.randn(outputs, inputs, **made) for inputs, outputs in self._shapes]
        self._flops = sum(2.0 * rows * inputs * outputs for inputs, outputs in self._shapes)
        self._square = torch.randn(SQUARE, SQUARE, **made)

    @torch.inference_mode()
    def rate(self) -> float:
        """FLOP/s over the matrices of one layer: the better of `torch.mm` and oneDNN's linear layer, best of three."""
        return self._flops / min(self._seconds(kernel) for kernel in self._kernels() for _ in range(3))

    @torch.inference_mode()
    def square_rate(self) -> float:
        """FLOP/s of a square product by `torch.mm`, best of three."""
        return 2.0 * SQUARE**3 / min(timed(lambda: self._square @ self._square)[0] for _ in range(3))

    def _kernels(self) -> list[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
        kernels: list[Callable[..., torch.Tensor]] = [lambda x, w: x @ w.t()]
        onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
        if onednn is not None and self._square.device.type == "cpu" and torch.backends.mkldnn.is_available():
            kernels.append(lambda x, w: onednn(x, w, None, "none", [], ""))
        return kernels

    def _seconds(self, kernel: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        def layer() -> None:
            for weight in self._weights:
                kernel(self._inputs[weight.shape[1]], weight)

        return timed(layer)[0]


@final
class Reading:
    """Reads so many bytes of memory, each once, and writes next to nothing, as decoding does with weights.

    Args:
        device: where.
        dtype: of the numbers that are read.
        size: bytes.
    """

    def __init__(self, device: str, dtype: torch.dtype, *, size: float) -> None:
        # Not all alike: a host may hold equal pages of its guests only once, and caches hold that.
        matrix = torch.empty(int(size) // dtype.itemsize // 1024, 1024, dtype=dtype, device=device).uniform_()
        vector = torch.ones(1, 1024, dtype=dtype, device=device)
        kernels: list[Callable[[], torch.Tensor]] = [matrix.sum, lambda: vector @ matrix.t()]
        self.bytes = matrix.numel() * matrix.element_size()
        self._kernel = min(kernels, key=lambda kernel: min(timed(kernel)[0] for _ in range(4)))

    def seconds(self) -> float:
        """Of one reading, by a sum or a matrix-vector product, whichever was the faster at first."""
        return timed(self._kernel)[0]


def describe(device: str) -> dict[str, Any]:
    """The machine and the versions, for the record."""
    import lm_eval
    import transformers

    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "lm_eval": lm_eval.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "load": list(os.getloadavg()),
    }


def median(values: list[float]) -> float:
    """The median; NaN of nothing."""
    return statistics.median(values) if values else math.nan


def _processor() -> str:
    from harness import devices

    return devices.cpu_name()
