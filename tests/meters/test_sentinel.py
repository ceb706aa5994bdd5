"""The sentinel: what this machine reaches, by a fixed product and a fixed copy."""

import dataclasses

import pytest
import torch
from torch.utils.benchmark import Timer

from harness.meters import sentinel
from harness.meters.sentinel import Peaks, drift, peaks

FIRST = Peaks(flops=100.0, bandwidth=50.0, seconds=0.1, size=1024, copied=2**26)


def test_the_rates_are_those_of_the_operations():
    """Within a factor of three of what torch's own timer finds for the same product and copy."""
    found = peaks("cpu", (), dtype="float32")
    rows = torch.rand(found.size, found.size)
    source = torch.ones(found.copied, dtype=torch.uint8)
    scope = {"rows": rows, "source": source, "target": torch.empty_like(source), "torch": torch}
    threads = torch.get_num_threads()
    product = Timer("torch.mm(rows, rows)", globals=scope, num_threads=threads).timeit(5).median
    copy = Timer("target.copy_(source)", globals=scope, num_threads=threads).timeit(5).median
    assert 1 / 3 < found.flops * product / (2 * found.size**3) < 3
    assert 1 / 3 < found.bandwidth * copy / (2 * found.copied) < 3


def test_a_second_reading_takes_the_sizes_of_the_first():
    """Else rates of different sizes would pass as drift; the name of a type and the type itself mean the same."""
    small = dataclasses.replace(FIRST, size=96, copied=2**20)
    found = peaks("cpu", (), dtype=torch.float32, like=small)
    assert (found.size, found.copied) == (96, 2**20)
    assert peaks("cpu", (), dtype="bfloat16", like=small).flops > 0


def test_drift_is_the_larger_change():
    """In either direction and of either rate."""
    assert drift(FIRST, FIRST) == 0
    assert drift(FIRST, dataclasses.replace(FIRST, flops=110.0)) == pytest.approx(0.1)
    assert drift(FIRST, dataclasses.replace(FIRST, flops=101.0, bandwidth=40.0)) == pytest.approx(0.2)


@pytest.mark.gpu
def test_a_gpu_gives_its_memory_back():
    """And reaches more in half precision than in float32."""
    here = [torch.cuda.current_device()]
    reserved = torch.cuda.memory_reserved(here[0])
    half, full = peaks("cuda", here, dtype="float16"), peaks("cuda", here, dtype="float32")
    assert half.flops > full.flops
    assert torch.cuda.memory_reserved(here[0]) <= reserved


def test_readings_go_on_until_three_agree():
    """The median of the last three is taken; when the time is up first, that is said."""
    readings = [dataclasses.replace(FIRST, flops=flops) for flops in (50.0, 100.0, 101.0, 102.0)]
    settled, moving = sentinel._steady(readings), sentinel._steady(readings[:3])
    assert (settled.stable, settled.flops, settled.readings) == (True, 101.0, 4)
    assert settled.spread == pytest.approx(0.02)
    assert (moving.stable, moving.flops) == (False, 100.0)
    assert not sentinel._steady([FIRST] * 2).stable


def test_a_second_reading_that_does_not_fit_is_none():
    """Smaller sizes would give other rates, which drift could not be told from."""
    asked = []

    def rate(size):
        asked.append(size)
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        sentinel._fitting(rate, 4096, least=4096)
    with pytest.raises(torch.OutOfMemoryError):
        sentinel._fitting(rate, 4096, least=1024)
    assert asked == [4096, 4096, 2048, 1024]
