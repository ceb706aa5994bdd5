"""The page cache: which pages of files the system holds in memory, dropping them, and reading them in.

Layer: probes; stdlib only, Linux. Nothing here needs root: any process may ask the kernel to forget clean pages of a
file that nobody has mapped. Caches below this machine's own (a disk's, a hypervisor's, a network server's) are out of
reach.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WINDOW = 2**30
"""Bytes that are mapped at a time to be looked at; a multiple of every page size."""
_BUFFER = 2**24
_TRIES = 4
_PAUSE = 0.05
_FAILED = ctypes.c_void_p(-1).value


@final
@dataclass(frozen=True, kw_only=True)
class Residency:
    """How much of some files lies in the page cache.

    Attributes:
        pages: pages that the files have.
        resident: pages that are in memory.
    """

    pages: int
    resident: int


def residency(files: Sequence[Path]) -> Residency:
    """What of `files` is in memory now. Looking does not read them.

    The kernel tells this only to those who may write a file; to others it says that every page is there, so that what
    is not known to be cold never passes for cold.

    Raises:
        OSError: a file cannot be read or mapped.

    Source: mincore(2).
    """
    pages = resident = 0
    for path in files:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for start in range(0, size, _WINDOW):
                held = _held(file.fileno(), start, min(_WINDOW, size - start))
                pages, resident = pages + len(held), resident + sum(byte & 1 for byte in held)
    return Residency(pages=pages, resident=resident)


def evict(files: Sequence[Path]) -> Residency:
    """Asks the kernel to forget `files`, and returns what stayed in memory all the same.

    What was just written is flushed first, since only clean pages can be dropped. Pages that a process has mapped, or
    that lie on a file system in memory, stay.

    Raises:
        OSError: a file cannot be read.

    Source: posix_fadvise(2), POSIX_FADV_DONTNEED.
    """
    left = _drop(files)
    for _ in range(_TRIES):
        if left.resident == 0:
            break
        time.sleep(_PAUSE)  # Pages that are just being read or written are skipped, and are free a moment later.
        left = _drop(files)
    return left


def read(files: Sequence[Path]) -> int:
    """Reads `files` from beginning to end, which leaves them in the page cache; returns their bytes.

    Raises:
        OSError: a file cannot be read.
    """
    buffer, total = memoryview(bytearray(_BUFFER)), 0
    for path in files:
        with path.open("rb", buffering=0) as file:
            while got := file.readinto(buffer):
                total += got
    return total


def _drop(files: Sequence[Path]) -> Residency:
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return residency(files)


def _held(descriptor: int, start: int, size: int) -> bytes:
    """One byte for each page of a part of a file; its lowest bit says whether the page is in memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    # Python's own mmap hides its address unless it may be written to, which counts as memory of this process.
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, start)
    if address == _FAILED:
        raise OSError(ctypes.get_errno(), "cannot map a weight file to see what of it is in memory")
    try:
        held = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
        if libc.mincore(address, size, held) != 0:
            raise OSError(ctypes.get_errno(), "cannot see what of a weight file is in memory")
        return held.raw
    finally:
        libc.munmap(address, size)
