"""The heap of the memory pass: the peak of a piece of work is what it holds at one time."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from harness.meters.heap import returned

GROWTH = """
import torch
from harness.meters.heap import returned
from harness.meters.memory import Peak, resident

def work():
    # Blocks of rising size: none fits where an earlier one lay.
    for size in range(1, 25):
        torch.ones(size * 2**18)

for _ in range(3):
    work()
with returned() as run, Peak() as peak:
    before = resident()
    run(work)
print(run.__name__, peak.host_reset, peak.host_bytes - before)
"""


def test_the_peak_is_what_is_held_at_once():
    """Twenty-four blocks of 1 to 24 MiB, one at a time, raise the resident set by little more than the largest."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, timeout=120, check=True)
    how, reset, grown = done.stdout.split()
    if how == "_plainly" or reset == "False":
        pytest.skip("this system's C library or kernel does not tell")
    assert 20 * 2**20 < int(grown) < 40 * 2**20


def test_what_is_raised_within_is_raised():
    """An error of the work reaches the caller, and later work runs as before."""
    found = []
    with returned() as run:
        with pytest.raises(ZeroDivisionError):
            run(lambda: 1 // 0)
        run(lambda: found.append(torch.ones(2**20).sum().item()))
    assert found == [2**20]
