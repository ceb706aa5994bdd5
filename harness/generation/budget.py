"""How much goes into one batch, and what happens when that was too much.

Layer: the lowest of the measuring half that imports torch.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar, final

import torch

from harness.records import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_SIGNS = (
    "DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "Cannot allocate memory",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that device or host memory ran out.

    torch's allocator on the device and Python's on the host have classes of their own; torch's on the host, the CUDA
    driver and the system's `mmap` are known only by the text of a RuntimeError or OSError.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in _SIGNS)


def first_line(error: BaseException) -> str:
    """The first line of what `error` says, or the name of its class."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def release() -> None:
    """Hands cached but unused memory back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@final
class Budget:
    """Rows and tokens that one batch may hold, and what went through; the rows are halved when memory runs out.

    Attributes:
        rows: rows per batch now in use. It only falls.
        tokens: padded tokens per batch; a row longer than that is a batch of its own.
        computed: tokens that went through the model in finished batches, padding not counted. The engines add to it.
    """

    def __init__(self, *, rows: int, tokens: int) -> None:
        if rows < 1 or tokens < 1:
            raise ValueError(f"a batch of {rows} rows and {tokens} tokens: both must be at least 1")
        self.rows = rows
        self.tokens = tokens
        self.computed = 0

    def fit(self, longest: int) -> int:
        """Rows of at most `longest` tokens that make one batch; at least one."""
        return min(self.rows, max(1, self.tokens // max(1, longest)))

    def attempt(self, step: Callable[[], Result], *, rows: int) -> Result | None:
        """What `step` returns, or None if memory ran out; then `self.rows` is half of `rows`, the rows that were tried.

        Raises:
            OutOfMemory: if one row was already too much.
        """
        try:
            return step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
        # Outside of the handler: the traceback keeps the failed batch's tensors alive until it is left.
        release()
        if rows <= 1:
            raise OutOfMemory(f"memory ran out at one row per batch: {reason}")
        self.rows = rows // 2
        return None
