"""The stopwatch: wall and processor time."""

import time

import pytest
import torch

from harness.meters.clock import Stopwatch


def test_sleep_costs_wall_time_only():
    """Sleeping passes wall time, hardly any processor time."""
    with Stopwatch() as watch:
        time.sleep(0.05)
    assert watch.seconds >= 0.05
    assert watch.cpu_ns < watch.wall_ns


def test_work_costs_both():
    """Arithmetic passes processor time too, of all threads together."""
    with Stopwatch() as watch:
        for _ in range(20):
            torch.ones(300, 300) @ torch.ones(300, 300)
    assert watch.cpu_ns > 0
    assert watch.wall_ns > 0


def test_time_stands_after_an_error():
    """A block that fails is timed as well."""
    watch = Stopwatch()
    with pytest.raises(KeyError), watch:
        {}["missing"]
    assert watch.wall_ns > 0
