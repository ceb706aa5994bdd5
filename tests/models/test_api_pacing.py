"""Pacing on a clock of its own: limits hold in every stretch of time, pauses hold everybody, waits grow."""

from __future__ import annotations

import asyncio
import selectors

import pytest

from harness.models.api.pacing import Pacer
from harness.models.api.rules import Pacing


class Virtual(asyncio.SelectorEventLoop):
    """An event loop in which nobody waits: its clock jumps to the next timer."""

    def __init__(self):
        super().__init__(selectors.SelectSelector())
        self.passed, poll = 0.0, self._selector.select

        def select(timeout=None):
            self.passed += timeout or 0.0
            return poll(0)

        self._selector.select = select

    def time(self):
        """Seconds that would have passed."""
        return self.passed


def starts(pacing, sizes, *, before=lambda _: None, concurrency=16):
    """When each request of so many tokens starts, in virtual seconds, asked by so many tasks at a time."""
    found = []

    async def work(pacer, queue):
        for index, size in queue:
            before((pacer, index))
            await pacer.turn(size)
            found.append((asyncio.get_running_loop().time(), size))

    async def all_of_them():
        pacer, queue = Pacer(pacing), enumerate(sizes)
        await asyncio.gather(*(work(pacer, queue) for _ in range(concurrency)))

    with asyncio.Runner(loop_factory=Virtual) as runner:
        runner.run(all_of_them())
    return found


@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_no_stretch_of_time_has_more_requests_or_tokens_than_its_share(seconds):
    """Whatever the order of sizes, and however many ask at once."""
    sizes = [(n * 37) % 500 + 1 for n in range(400)]
    found = starts(Pacing(requests_per_minute=120, tokens_per_minute=30_000), sizes)
    for begin, _ in found:
        window = [size for when, size in found if begin <= when < begin + seconds]
        assert len(window) <= 120 * seconds / 60 + 1
        assert sum(window) <= 30_000 * seconds / 60 + max(sizes)
    assert found[-1][0] == pytest.approx(sum(max(0.5, size / 500) for size in sizes[:-1]))


def test_without_limits_nobody_waits():
    """All start at once."""
    assert {when for when, _ in starts(Pacing(), [1000] * 50)} == {0.0}


def test_a_pause_holds_everybody_even_those_who_wait_already():
    """From the pause on, nothing starts until it is over."""
    found = starts(Pacing(requests_per_minute=60), [1] * 40, before=lambda at: at[0].hold(100) if at[1] == 20 else None)
    times = [when for when, _ in found]
    held = [when for when in times if times[0] < when < 100 and when > 20]
    assert (len(times), held) == (40, [])


def test_tokens_that_were_not_used_are_given_back():
    """Reserved for the longest answer, settled by the real one."""

    async def two():
        pacer = Pacer(Pacing(tokens_per_minute=600))
        await pacer.turn(100)
        pacer.settle(100, 40)
        await pacer.turn(100)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=Virtual) as runner:
        assert runner.run(two()) == pytest.approx(4.0)


def test_waits_double_up_to_the_longest_and_are_not_all_alike():
    """Each is between half of its length and its length."""
    pacer = Pacer(Pacing(backoff=1.0, longest=8.0))
    for attempt, length in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        drawn = {pacer.backoff(attempt) for _ in range(20)}
        assert length / 2 <= min(drawn) < max(drawn) <= length
