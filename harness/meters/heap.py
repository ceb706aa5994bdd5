"""The host's heap during the memory pass: what a piece of work frees is given back at once.

Layer: meters.

glibc keeps freed blocks for later and hands them out again where they fit, so that the resident set of a process that
has worked before says little of what a piece of work holds at one time: eager attention of GPT-2 124M at batch 8 x 256
held 779 MiB, and the process grew by 965 to 1026. A thread that has not allocated before gets an arena of its own with
nothing in it, and above the threshold each block is a mapping of its own, which `free` returns to the kernel.
Source: glibc manual, "Malloc Tunable Parameters"; malloc/malloc.c, sysmalloc.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TRIM, _MMAP = -1, -3
"""Parameters of `mallopt`: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD."""

_SMALL = 2**16
_USUAL = 2**25
"""Where glibc's own threshold, which rises with what is freed, ends on 64-bit machines (DEFAULT_MMAP_THRESHOLD_MAX)."""


@contextmanager
def returned() -> Iterator[Callable[[Callable[[], object]], None]]:
    """A way to run work, within the block, whose freed blocks go back to the kernel; where there is none, it just runs.

    What was kept until then is given back on entering. Afterwards large blocks are kept for later again, as in any
    process that has worked for a while.

    >>> with returned() as run:
    ...     run(lambda: print("done"))
    done
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield _plainly
        return
    library.malloc_trim(0)
    library.mallopt(_MMAP, _SMALL)
    try:
        yield _in_a_thread
    finally:
        library.mallopt(_MMAP, _USUAL)
        library.mallopt(_TRIM, 2 * _USUAL)


def _plainly(call: Callable[[], object]) -> None:
    call()


def _in_a_thread(call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()
