"""What is timed is measured alone: one lock of this machine for each of its devices.

Layer: below `worker`; stdlib only.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.devices import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.records import Cell


@contextmanager
def alone(cell: Cell, report: Callable[..., None]) -> Iterator[None]:
    """Keeps a probe or a training apart from all other measuring of this user on the same devices of this machine.

    Quality cells share the lock, the others hold it alone: two runs, or a launcher with several jobs, never time each
    other. The system frees the lock of a process that dies.
    """
    path = Path(tempfile.gettempdir()) / f"harness-{os.getuid()}-{slug(_devices(cell.spec['device']))}.lock"
    with path.open("a") as file:
        kind = fcntl.LOCK_SH if cell.kind == "task" else fcntl.LOCK_EX
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            report("phase", cell.id, "waiting for other measurements on this machine", 0, 0)
            fcntl.flock(file, kind)
        yield


def _devices(device: Mapping[str, Any]) -> str:
    """What is to be held alone: the GPUs that will be used, by the names that CUDA_VISIBLE_DEVICES gives them."""
    if device["kind"] != "cuda":
        return str(device["kind"])  # What an API takes its time for disturbs no probe here.
    count = int(device.get("count") or 1)
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return ",".join(named[:count] or [str(index) for index in range(count)])


def among_others(cell: Cell, report: Callable[..., None]) -> AbstractContextManager[None]:
    """`alone` for a quality cell; the process of a probe or a training holds the lock already."""
    return alone(cell, report) if cell.kind == "task" else nullcontext()
