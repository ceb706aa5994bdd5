"""Half of some work in a copy of this process, where the system can copy one and there is a second processor.

Layer: beside `drawing`; the standard library only. Drawing takes most of a report's time and uses one processor. Where
no copy can be made, or one is lost, the work is done here, so that the result is the same everywhere.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Made = TypeVar("Made")

PATIENCE = 5.0
"""How many times longer than this process the copy may take before its half is done here as well."""

GRACE = 20.0
"""Seconds that it may take in any case."""


def done(jobs: Sequence[Callable[[], Made]]) -> list[Made]:
    """The result of every job, in order; every other one is done by a copy of this process where there can be one.

    Args:
        jobs: functions without side effects; what they return must be picklable.
    """
    if len(jobs) < 2 or not _can_copy():  # noqa: PLR2004 - one job has no second half
        return [job() for job in jobs]
    import multiprocessing

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    other = context.Process(target=_send, args=(there, jobs[1::2]), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on threads of libraries, which wait and hold no lock
        other.start()
    there.close()
    began = time.monotonic()
    first = [job() for job in jobs[::2]]
    second = _received(here, patience=GRACE + PATIENCE * (time.monotonic() - began))
    if other.is_alive() and second is None:
        other.kill()
    other.join()
    found: list[Any] = [None] * len(jobs)
    found[::2] = first
    found[1::2] = [job() for job in jobs[1::2]] if second is None else second
    return found


def _can_copy() -> bool:
    """Whether this is Linux with two processors, and no thread of Python's runs that a copy would cut off."""
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - one is this one's
        return False
    import multiprocessing

    return threading.active_count() == 1 and not multiprocessing.current_process().daemon


def _send(there: Any, jobs: Sequence[Callable[[], object]]) -> None:
    there.send([job() for job in jobs])
    there.close()


def _received(here: Any, *, patience: float) -> list[Any] | None:
    """What the copy sent; None where it failed or takes too long: then this process meets the same fault, or none."""
    try:
        return here.recv() if here.poll(patience) else None
    except EOFError:
        return None
    finally:
        here.close()
