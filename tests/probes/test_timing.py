"""Moments of tokens, and the formulas that are made of them."""

import statistics
import time

import pytest
import torch

from harness.probes.loop import EagerLoop
from harness.probes.prompts import draw
from harness.probes.timing import Stamps, device_first, of_sequence, rate, stamp


def test_times_follow_their_formulas():
    """Four tokens at 1, 1.5, 2.5 and 4.5 s: three gaps, their median and their mean, all without the first token."""
    stamps = Stamps(wall=(1.0, 1.5, 2.5, 4.5), cpu=(0.5, 0.75, 1.0, 1.5))
    found = {m.metric: (m.value, m.n) for m in of_sequence(stamps, ())}
    assert stamps.gaps == (0.5, 1.0, 2.0)
    assert found == {
        "ttft": (1.0, 1),
        "e2e": (4.5, 1),
        "itl": (1.0, 3),
        "tpot": (pytest.approx(3.5 / 3), 3),
        "ttft_cpu": (0.5, 1),
        "e2e_cpu": (1.5, 1),
        "itl_cpu": (0.25, 3),
    }


def test_device_times_stand_where_there_is_a_device():
    """Instead of processor time: each token's own time by events."""
    found = {m.metric: m.value for m in of_sequence(Stamps(wall=(1.0, 2.0), cpu=(1.0, 2.0)), (0.5, 0.25))}
    assert (found["ttft_device"], found["e2e_device"], found["itl_device"]) == (0.5, 0.75, 0.25)
    assert "ttft_cpu" not in found


def test_one_token_has_no_gap():
    """Reading a prompt alone has a first token and no time between tokens."""
    metrics = {m.metric for m in of_sequence(Stamps(wall=(1.0,), cpu=(1.0,)), ())}
    assert metrics == {"ttft", "e2e", "ttft_cpu", "e2e_cpu"}


@pytest.mark.parametrize("new", [1, 2, 7])
def test_n_tokens_have_n_minus_one_gaps(new):
    """Per sequence, however many rows a step holds; the gaps add up to what is left behind the first token."""

    def tokens():
        for _ in range(new):
            time.sleep(0.002)
            yield None

    stamps = stamp(tokens(), devices=())
    assert (len(stamps.wall), len(stamps.gaps)) == (new, new - 1)
    assert all(gap >= 0.002 for gap in stamps.gaps)
    assert sum(stamps.gaps) == pytest.approx(stamps.wall[-1] - stamps.wall[0])
    assert stamps.cpu[-1] < stamps.wall[-1]


def test_a_rate_counts_what_it_divides():
    """Tokens by seconds, more is better."""
    made = rate("decode_tok_s", 62, 0.5)
    assert (made.value, made.n, made.unit, made.higher_is_better) == (124.0, 62, "tok/s", True)


def _bare(tokens, clocks):
    """Seconds that `tokens` take under so many of the clocks that `stamp` reads at each."""
    read = (time.perf_counter_ns, time.process_time_ns)[:clocks]
    start = time.perf_counter()
    for _ in tokens:
        for clock in read:
            clock()
    return time.perf_counter() - start


def test_measuring_costs_less_than_2_percent(subject):
    """Of the shortest step there is, one row of a two-layer model; more clocks cost more, and all of them little."""
    here = subject()
    loop = EagerLoop(here.model, draw(here, batch=1, tokens=4, seed=0), capacity=20, cache="static")
    list(loop.tokens(16))
    step = statistics.median(gap for _ in range(5) for gap in stamp(loop.tokens(16), devices=()).gaps)
    count = 5000
    costs = [min(_bare(range(count), clocks) for _ in range(5)) / count for clocks in (0, 1, 2)]
    whole = min(stamp(range(count), devices=()).wall[-1] for _ in range(5)) / count
    assert costs[0] < costs[1] < costs[2]
    assert max(costs[2], whole) < 0.02 * step


@pytest.mark.gpu
def test_what_follows_the_first_token_is_not_in_its_device_time():
    """A loop that sets its cache back behind the token does that outside of the events."""
    matrix = torch.ones(4096, 4096, device="cuda")
    here = [torch.cuda.current_device()]

    def tokens(behind):
        yield matrix @ matrix
        for _ in range(behind):
            matrix @ matrix

    for behind in (1, 50):
        device_first(tokens(behind), tokens(behind), devices=here)
    short, long = (device_first(tokens(behind), tokens(behind), devices=here) for behind in (0, 50))
    assert 0 < long < 10 * short
