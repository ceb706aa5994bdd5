"""The clock: laps, warm-up, the collector, and what measuring itself costs."""

import gc
import hashlib
import statistics
import time
from functools import partial
from itertools import accumulate, count

import pytest
import torch

from harness.meters.clock import Stopwatch, collector_off, timed, warm_up


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


def test_a_lap_is_one_call_by_two_clocks():
    """The function runs once; a CPU has no device time."""
    calls = []
    lap = timed(lambda: (calls.append(0), time.sleep(0.03)))
    assert len(calls) == 1
    assert lap.seconds >= 0.03 > lap.cpu_seconds > 0
    assert (lap.device_ms, lap.device_seconds) == (None, None)


@pytest.mark.gpu
def test_events_time_the_device():
    """The same work by events and by the wall: the events lie within the wall time and follow the work."""
    here, matrix = [torch.cuda.current_device()], torch.ones(4096, 4096, device="cuda")

    def work(times):
        return lambda: [matrix @ matrix for _ in range(times)]

    timed(work(1), devices=here)
    short, long = timed(work(2), devices=here), timed(work(20), devices=here)
    assert short.device_seconds is not None
    assert long.device_seconds is not None
    assert short.device_seconds < long.device_seconds <= long.seconds * 1.01


def test_warm_up_ends_when_times_are_stable():
    """A slow first call is told apart and does not count; equal calls after it settle."""
    calls = count()
    found = warm_up(lambda: time.sleep(0.004 if next(calls) else 0.08), least_seconds=0, change=0.5, most_seconds=20)
    assert found.stable
    assert 3 <= found.calls == next(calls)
    assert found.seconds >= found.first_seconds >= 0.08 > found.seconds - found.first_seconds


def test_warm_up_says_that_times_did_not_settle():
    """Calls that slow down without end are given up when the time is over."""
    calls = count()
    found = warm_up(lambda: time.sleep(0.001 * 1.5 ** next(calls)), least_seconds=0, most_seconds=0.2)
    assert not found.stable
    assert found.seconds >= 0.2


def test_warm_up_keeps_to_its_least():
    """Stable from the start, it still spends the seconds and makes the calls it was told to."""
    found = warm_up(lambda: time.sleep(0.002), least_seconds=0.1, change=10.0)
    assert found.stable
    assert found.seconds >= 0.1
    assert warm_up(lambda: None, least_calls=50, least_seconds=0, change=1e9).calls >= 50


def test_a_call_beyond_the_limit_is_the_only_one():
    """Where one call takes more than the whole warm-up may, no second one is made."""
    found = warm_up(lambda: time.sleep(0.02), most_seconds=0.01)
    assert (found.calls, found.stable) == (1, False)


def test_the_collector_is_off_within_and_back_after_an_error():
    """Also where the block fails."""
    seen = []

    def fails():
        with collector_off():
            seen.append(gc.isenabled())
            {}["missing"]

    assert gc.isenabled()
    with pytest.raises(KeyError):
        fails()
    assert seen == [False]
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    """Within another such block, and for who switched it off himself."""
    with collector_off():
        with collector_off():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def nested(work, meters):
    """`work` within as many meters, one around the other."""
    for _ in range(meters):
        work = partial(timed, work)
    return work


def watched(work, meters):
    """`work` within as many stopwatches."""

    def run():
        if not meters:
            return work()
        with Stopwatch():
            return watched(work, meters - 1)()

    return run


@pytest.mark.parametrize("around", [nested, watched])
def test_measuring_costs_less_than_two_per_cent(around):
    """Of a region of about 20 ms, per meter, found by varying the number of meters from none to a hundred.

    The regions with different numbers of meters take turns, so that a slow moment of the machine meets them all alike;
    a hundred meters make what one costs large beside the noise. One meter costs more than that only if every round
    with it was slower than the round without.
    """
    block = bytes(2**20)

    def work(times):
        return lambda: [hashlib.sha256(block) for _ in range(times)]

    once = min(timed(work(1)).seconds for _ in range(5))
    region = work(max(1, round(0.02 / once)))
    numbers = (0, 1, 10, 100)
    rounds = [[timed(around(region, meters)).seconds for meters in numbers] for _ in range(9)]
    alone = statistics.median(times[0] for times in rounds)
    added = statistics.linear_regression(
        [meters for _ in rounds for meters in numbers], [seconds for times in rounds for seconds in times]
    ).slope
    assert added < 0.02 * alone
    assert min(times[1] - times[0] for times in rounds) < 0.02 * alone


def test_laps_add_up():
    """The laps of consecutive calls cover nearly all of the time around them: nothing is left out between."""
    with Stopwatch() as watch:
        laps = [timed(lambda: time.sleep(0.005)).seconds for _ in range(10)]
    assert 0.9 * watch.seconds <= list(accumulate(laps))[-1] <= watch.seconds


def test_two_laps_that_agree_are_not_enough():
    """Three running medians must, behind a first call that does not count."""
    assert warm_up(lambda: None, least_calls=1, least_seconds=0, change=1e9).calls == 4
