"""Work in two halves: the same results in the same order, whatever becomes of the copy."""

from __future__ import annotations

import os
import threading
import time

import pytest

from harness.analysis import halves


def test_results_are_in_order() -> None:
    """Seven jobs, each of which says its number."""
    assert halves.done([lambda k=k: k * k for k in range(7)]) == [k * k for k in range(7)]


def test_two_processes_take_part_where_they_can() -> None:
    """Every other job runs in a copy of this process; with a thread beside it, all of them run here."""
    if not halves._can_copy():
        pytest.skip("one processor, another system, or a thread runs beside the tests")
    assert len(set(halves.done([os.getpid] * 4))) == 2
    thread = threading.Thread(target=time.sleep, args=(1.0,))
    thread.start()
    assert set(halves.done([os.getpid] * 4)) == {os.getpid()}
    thread.join()


def test_a_copy_that_dies_or_fails_is_replaced() -> None:
    """What the copy could not do is done here; a fault of a job is raised here."""
    here = os.getpid()
    assert halves.done([lambda: 1, lambda: 2 if os.getpid() == here else os._exit(3)]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        halves.done([lambda: 1, lambda: 1 // 0])
