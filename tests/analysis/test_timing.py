"""Statistics of timings: nominal coverage on simulated two-level data, known ranks, verdicts that need both rules."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.analysis import timing


def two_level(rng: np.random.Generator, *, groups: int, processes: int, repeats: int) -> list[list[np.ndarray]]:
    """Times around 1: processes differ by 5 %, repeats within them by 2 %."""
    shifts = 1 + 0.05 * rng.standard_normal((groups, processes, 1))
    values = shifts * (1 + 0.02 * rng.standard_normal((groups, processes, repeats)))
    return [list(group) for group in values]


def covered(found: np.ndarray, truth: float = 1.0) -> float:
    """Share of the intervals that hold the truth."""
    return float(((found[:, 1] <= truth) & (truth <= found[:, 2])).mean())


@pytest.mark.parametrize(("processes", "least"), [(5, 0.88), (10, 0.90)])
def test_two_stage_interval_covers_and_the_naive_one_does_not(processes: int, least: float) -> None:
    """Processes are the unit of replication: repeats pooled as if independent give far too narrow an interval."""
    groups = two_level(np.random.default_rng(1), groups=300, processes=processes, repeats=10)
    staged = timing.pooled(groups)
    naive = timing.pooled([[np.concatenate(group)] for group in groups])
    assert least <= covered(staged) <= 1
    assert covered(naive) < covered(staged) - 0.2


def test_one_process_has_the_interval_of_its_repeats() -> None:
    """Five repeats reach from the smallest to the largest; two repeats have no interval; an outlier moves no centre."""
    values = np.array([1.0, 1.1, 1.2, 1.3, 9.0])
    found = timing.pooled([[values], [values[:2]], [values[[0]], values[[1]], values[[2]]]])
    assert found[0].tolist() == [1.2, 1.0, 9.0]
    assert np.isnan(found[1, 1:]).all()
    assert found[2, 0] == 1.1
    assert np.isfinite(found[2, 1:]).all()


def test_intervals_agree_with_a_plain_bootstrap() -> None:
    """The shared draws of ranks say what resampling the values themselves says, for odd and even numbers of repeats."""
    rng = np.random.default_rng(3)
    for repeats in (6, 7):
        group = two_level(rng, groups=1, processes=4, repeats=repeats)[0]
        chosen = rng.integers(0, 4, (20_000, 4))
        within = rng.integers(0, repeats, (20_000, 4, repeats))
        plain = np.median(np.median(np.array(group)[chosen[..., None], within], axis=-1), axis=-1)
        lo, hi = np.quantile(plain, (0.025, 0.975))
        assert timing.pooled([group])[0, 1:] == pytest.approx((lo, hi), rel=0.004)


def test_paired_ratios_cancel_what_blocks_share() -> None:
    """Blocks that are slow for both sides do not widen the ratio; a true ratio is covered, alone and in a family."""
    rng = np.random.default_rng(4)
    pairs = []
    for _ in range(200):
        block = np.exp(0.3 * rng.standard_normal((6, 1)))
        a, b = (block * level * (1 + 0.02 * rng.standard_normal((6, 8))) for level in (1.2, 1.0))
        pairs.append((list(a), list(b)))
    each, whole = timing.ratios(pairs, [index // 20 for index in range(200)])
    assert 0.88 <= covered(each, 1.2) <= 1
    assert (each[:, 2] - each[:, 1]).max() < 0.08
    assert covered(whole, 1.2) >= 0.8
    assert (whole[:, 2] - whole[:, 1]).mean() < (each[:, 2] - each[:, 1]).mean() / 3


def test_a_control_covers_one_and_calls_nothing() -> None:
    """The same model twice: the interval over all points holds 1, and no point is called faster or slower."""
    rng = np.random.default_rng(5)
    both = two_level(rng, groups=80, processes=5, repeats=6)
    pairs = list(zip(both[:40], both[40:], strict=True))
    each, whole = timing.ratios(pairs, [0] * 40)
    floor = timing.noise_floor(each)
    assert whole[0, 1] <= 1 <= whole[0, 2]
    assert 0.03 < floor < 0.15
    called = [timing.verdict(*row, floor=floor) for row in each]
    assert called.count("no difference shown") >= 38
    assert len({timing.verdict(*row) for row in each}) > 1  # without the floor something would have been called


@pytest.mark.parametrize(
    ("ratio", "floor", "expected"),
    [
        ((0.90, 0.88, 0.93), None, "faster"),
        ((1.10, 1.08, 1.13), 0.05, "slower"),
        ((0.90, 0.80, 1.01), None, "no difference shown"),
        ((0.985, 0.98, 0.99), None, "no difference shown"),
        ((0.90, 0.88, 0.93), 0.12, "no difference shown"),
        ((0.50, float("nan"), float("nan")), None, "no difference shown"),
    ],
)
def test_a_difference_needs_the_interval_and_the_floor(
    ratio: tuple[float, float, float], floor: float | None, expected: str
) -> None:
    """Either alone is not enough, and 2 % is the least that is ever called."""
    assert timing.verdict(*ratio, floor=floor) == expected


@pytest.mark.parametrize("n", [1, 5, 10, 29, 36, 100, 299, 300, 1000])
@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_ranks_are_those_of_the_binomial(n: int, q: float) -> None:
    """The ends err with at most 2.5 % each and are the innermost that do; the last value stands in within 5 %."""
    lo, hi = timing.ranks(n, q)
    below = scipy_stats.binom(n, q)
    if lo is None:
        assert below.cdf(0) > 0.025
    else:
        assert below.cdf(lo - 1) <= 0.025 < below.cdf(lo)
    if hi is None:
        assert 1 - q**n < 0.95
    elif hi < n:
        assert below.cdf(hi - 2) < 0.975 <= below.cdf(hi - 1)
    else:
        assert 1 - q**n >= 0.95


def test_a_line_is_found_with_its_interval() -> None:
    """Intercept and slope are covered, one wild repeat bends nothing, and two positions are no line."""
    rng = np.random.default_rng(6)
    points = []
    for start in (32.0, 128.0, 512.0):
        at = start + np.arange(0, 32, 4.0)
        points.append([(at, (1e-3 + 2e-6 * at) * (1 + 0.01 * rng.standard_normal((5, at.size)))) for _ in range(3)])
    points[0][0][1][0] *= 10
    level, slope = timing.line(points)
    assert level[1] <= 1e-3 <= level[2]
    assert slope[1] <= 2e-6 <= slope[2]
    assert slope[0] == pytest.approx(2e-6, rel=0.03)
    assert np.isnan(timing.line([[(np.array([1.0, 2.0]), np.ones((5, 2)))]])).all()


def test_noise_is_named() -> None:
    """Quiet values have no flag; spread repeats and processes that disagree have one each."""
    rng = np.random.default_rng(7)
    quiet = [1 + 0.01 * rng.standard_normal(10) for _ in range(4)]
    spread = [1 + 0.2 * rng.standard_normal(10) for _ in range(4)]
    apart = [process * level for process, level in zip(quiet, (0.8, 1.0, 1.0, 1.2), strict=True)]
    found = timing.noise([quiet, spread, apart, [np.ones(2)]])
    assert found[0] == found[3] == ()
    assert "repeats differ" in found[1][0]
    assert found[2][0].startswith("processes differ")
